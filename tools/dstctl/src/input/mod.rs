// SPDX-License-Identifier: GPL-2.0

//! What people type, checked before the kernel sees it.

pub mod device;
pub mod duration;
pub mod endpoint;
pub mod identity;
pub mod key;
pub mod name;
pub mod rule;
pub mod secret;
pub mod socket_file;
