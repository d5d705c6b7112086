// SPDX-License-Identifier: GPL-2.0

//! The handshake of sealed connections: against published examples and another implementation, and
//! against everybody who changes a bit of it.

#[path = "../common/mod.rs"]
mod common;
mod joining;
mod parties;
mod primitives;
mod published;
mod refusals;
mod snow;
#[path = "../../../../drivers/block/dst/crypto/vectors.rs"]
mod vectors;
