// SPDX-License-Identifier: GPL-2.0

//! Safe wrappers of kernel interfaces that the kernel crate does not have yet.
//!
//! All `unsafe` code of the driver is in here, and so is all that knows the C API. Each module
//! wraps one interface, knows nothing of network block devices, and is meant to be replaced by
//! the kernel crate's own abstraction when there is one.

#![allow(unsafe_code)]

mod bindings;

pub(crate) mod address;
pub(crate) mod aead;
pub(crate) mod attributes;
pub(crate) mod barrier;
pub(crate) mod bdev;
pub(crate) mod bio;
pub(crate) mod bio_command;
pub(crate) mod bio_set;
pub(crate) mod block_status;
pub(crate) mod boot;
pub(crate) mod class;
pub(crate) mod crc32c;
pub(crate) mod crypto;
pub(crate) mod disk;
pub(crate) mod errno;
pub(crate) mod file;
pub(crate) mod fragment;
pub(crate) mod genetlink;
pub(crate) mod iovec;
pub(crate) mod kthread;
pub(crate) mod lock;
pub(crate) mod machine;
pub(crate) mod memory;
pub(crate) mod mempool;
pub(crate) mod message;
pub(crate) mod namespace;
pub(crate) mod netlink;
pub(crate) mod plug;
pub(crate) mod random;
pub(crate) mod semaphore;
pub(crate) mod sensitive;
pub(crate) mod shash;
pub(crate) mod socket;
pub(crate) mod softirq;
pub(crate) mod trace;
pub(crate) mod unload;
