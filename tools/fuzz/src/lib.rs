// SPDX-License-Identifier: GPL-2.0

//! What the fuzzers of the protocol do with what they are given, see `README.md`.

pub mod attributes;
pub mod fence;
pub mod frame;
pub mod greeting;
pub mod handshake;
pub mod join;
pub mod mutation;
pub mod primitives;
pub mod request;
pub mod runs;
pub mod tables;

use dst_proto::units::{
    Epoch,
    Generation,
    Stamp, //
};

/// CRC32C, bit by bit.
pub fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg())
        })
    })
}

/// A stamp.
pub fn stamp(epoch: u32, generation: u32) -> Stamp {
    Stamp {
        epoch: Epoch(epoch),
        generation: Generation(generation),
    }
}
