// SPDX-License-Identifier: GPL-2.0

//! Frames over a socket: what both halves need to send and receive them.
//!
//! Nothing in here waits for the network.

pub(crate) mod cipher;
pub(crate) mod digest;
pub(crate) mod fault;
pub(crate) mod inbox;
pub(crate) mod outbox;
pub(crate) mod protection;
pub(crate) mod seal;
pub(crate) mod staging;
#[cfg(CONFIG_KUNIT = "y")]
mod tests;
pub(crate) mod text;
pub(crate) mod turnstile;
