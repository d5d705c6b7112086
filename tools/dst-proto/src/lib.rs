// SPDX-License-Identifier: GPL-2.0

//! The protocol of DST as a library for user space.
//!
//! The code is that of the kernel module, see `drivers/block/dst/proto`.

#![no_std]
// What the network sends must not be able to make the kernel panic.
#![warn(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

#[path = "../../../drivers/block/dst/proto/mod.rs"]
mod proto;

pub use proto::*;
