// SPDX-License-Identifier: GPL-2.0

//! The protocol of DST as a library for user space.
//!
//! The code is that of the kernel module, see `drivers/block/dst/proto`.

#![no_std]

#[path = "../../../drivers/block/dst/proto/mod.rs"]
mod proto;

pub use proto::*;
