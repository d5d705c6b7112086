// SPDX-License-Identifier: GPL-2.0

//! Configuration of the DST network block device.
//!
//! A command line ([`cli`]) is checked ([`input`]), turned into messages for the kernel
//! ([`netlink`], [`uapi`]) and what comes back ([`objects`]) is shown ([`output`]). What fails is a
//! [`failure::Failure`] with a documented cause and exit code.

pub mod address;
pub mod cli;
pub mod commands;
pub mod failure;
pub mod input;
pub mod netlink;
pub mod objects;
pub mod output;
pub mod uapi;
