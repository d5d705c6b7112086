// SPDX-License-Identifier: GPL-2.0

//! The control plane: generic netlink, sysfs and the names of all objects.

pub(crate) mod refusal;

pub(crate) use refusal::Refusal;

mod uapi;
