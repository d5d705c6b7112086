// SPDX-License-Identifier: GPL-2.0

//! What several tests need.

// Each test program uses its own part of this.
#![allow(dead_code)]

use dst_proto::frame::Header;
use dst_proto::geometry::{
    DiskFlags,
    Geometry, //
};
use dst_proto::opcode::Opcode;
use dst_proto::run::Extent;
use dst_proto::units::{
    Epoch,
    Generation,
    Handle,
    Sector,
    Sectors,
    Stamp, //
};

/// CRC32C, bit by bit.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg())
        })
    })
}

/// A stamp.
pub(crate) fn stamp(epoch: u32, generation: u32) -> Stamp {
    Stamp {
        epoch: Epoch(epoch),
        generation: Generation(generation),
    }
}

/// An extent that has to be possible.
pub(crate) fn extent(start: u64, len: u32) -> Extent {
    Extent::new(Sector(start), Sectors(len)).expect("an impossible extent")
}

/// A disk that can do everything.
pub(crate) fn disk(sectors: u64) -> Geometry {
    Geometry {
        sectors,
        logical_block: 512,
        physical_block: 4096,
        io_min: 4096,
        io_opt: 0,
        max_frame_sectors: Sectors(512),
        max_discard_sectors: Sectors(1 << 20),
        discard_granularity: 4096,
        max_write_zeroes_sectors: Sectors(1 << 20),
        flags: DiskFlags::from_bits(6),
    }
}

/// A request with an extent, which need not make sense.
pub(crate) fn request(opcode: Opcode, sector: u64, sectors: u32) -> Header {
    Header {
        sector: Sector(sector),
        sectors: Sectors(sectors),
        ..Header::request(opcode, Handle::new(1, 0), stamp(1, 1))
    }
}
