// SPDX-License-Identifier: GPL-2.0

//! The parts of the protocol that every request goes through, one operation of each at a time.
//!
//! The same operations are timed (`cargo bench --package dst-bench`) and have their instructions
//! counted (`dst-bench check`), see Documentation/block/dst/testing.rst.

#![allow(
    clippy::expect_used,
    reason = "what is measured has to succeed, and nobody depends on it"
)]

pub mod counts;
pub mod parts;
