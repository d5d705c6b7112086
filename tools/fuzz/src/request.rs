// SPDX-License-Identifier: GPL-2.0

//! The server's check of requests: nothing outside of the disk, of the rights and of the limits is
//! taken, and everything else is.

use arbitrary::Arbitrary;
use dst_proto::access::Rights;
use dst_proto::frame::Header;
use dst_proto::geometry::{
    DiskFlags,
    Geometry, //
};
use dst_proto::limits::{
    check,
    cost,
    Violation, //
};
use dst_proto::opcode::{
    Flags,
    Opcode, //
};
use dst_proto::request::Request;
use dst_proto::units::{
    Handle,
    Sector,
    Sectors, //
};

use crate::{
    crc32c,
    stamp, //
};

/// A request and the disk that it is for.
#[derive(Arbitrary, Debug)]
pub struct Input {
    opcode: u8,
    reply: bool,
    fua: bool,
    nounmap: bool,
    /// Where the request begins: from the beginning of the disk, from its end backwards, or from
    /// the end of all numbers backwards.
    origin: Origin,
    distance: u64,
    sectors: u32,
    /// Sectors of the disk and by how many bits that is too many.
    size: (u64, u8),
    /// The logical block is so many times doubled.
    block: u8,
    /// Pages of the longest frame.
    max_frame: u8,
    max_discard: u32,
    max_write_zeroes: u32,
    disk: u8,
    rights: u8,
    credits: u32,
}

/// What an address is counted from.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Origin {
    Start,
    End,
    Top,
}

impl Input {
    fn geometry(&self) -> Geometry {
        let logical_block = 512 << (self.block % 4);

        Geometry {
            sectors: (self.size.0 >> (self.size.1 % 64)) & ((1 << 53) - 8),
            logical_block,
            physical_block: 4096,
            io_min: 4096,
            io_opt: 0,
            max_frame_sectors: Sectors(8 + u32::from(self.max_frame % 64) * 8),
            max_discard_sectors: Sectors(self.max_discard),
            discard_granularity: 4096,
            max_write_zeroes_sectors: Sectors(self.max_write_zeroes),
            flags: DiskFlags::from_bits(u32::from(self.disk % 16)),
        }
    }

    fn rights(&self) -> Rights {
        match self.rights % 3 {
            0 => Rights::None,
            1 => Rights::ReadOnly,
            _ => Rights::ReadWrite,
        }
    }

    /// The header, as far as there is one that a receiver would have taken.
    fn header(&self, geometry: &Geometry) -> Option<Header> {
        let opcode = Opcode::try_from(self.opcode % 32).ok()?;
        let extent = !matches!(opcode, Opcode::Flush) && opcode.number() >= 16;
        let sector = match self.origin {
            Origin::Start => self.distance,
            Origin::End => geometry.sectors.wrapping_sub(self.distance),
            Origin::Top => u64::MAX - self.distance,
        };
        let header = Header {
            reply: self.reply,
            flags: Flags::NONE
                .with_if(Flags::FUA, self.fua)
                .with_if(Flags::NOUNMAP, self.nounmap),
            sector: Sector(if extent { sector } else { 0 }),
            sectors: Sectors(if extent { self.sectors } else { 0 }),
            payload: match opcode {
                Opcode::Write if !self.reply => self.sectors.checked_mul(512)?,
                _ => 0,
            },
            ..Header::request(
                opcode,
                Handle(u64::from(opcode.number() & 0x10)),
                stamp(1, 1),
            )
        };

        Header::decode(&header.encode(crc32c), crc32c).ok()
    }

    /// Whether the request is one that has to be carried out.
    fn is_legal(&self, header: &Header, geometry: &Geometry) -> bool {
        let start = u128::from(header.sector.0);
        let len = u128::from(header.sectors.0);
        let end = start + len;
        let block = u128::from(geometry.logical_block / 512);
        let pages = match len {
            0 => 1,
            _ => (end - 1) / 8 - start / 8 + 1,
        };
        let write = self.rights() == Rights::ReadWrite && !geometry.is_read_only();
        let read = self.rights() != Rights::None;
        let fua = !header.flags.contains(Flags::FUA) || geometry.flags.contains(DiskFlags::FUA);
        let credits = u128::from(self.credits);
        let fits = |max: u32| {
            let whole = start % block == 0 && len % block == 0;

            (1..=u128::from(max)).contains(&len) && end <= u128::from(geometry.sectors) && whole
        };
        let frame = geometry.max_frame_sectors.0;
        let run = fits(frame) && pages <= 64 && credits >= pages;

        !header.reply
            && match header.opcode {
                Opcode::Read => read && run,
                Opcode::Write => write && fua && run,
                Opcode::Flush => credits >= 1,
                Opcode::Discard => write && credits >= 1 && fits(self.max_discard),
                Opcode::WriteZeroes => write && fua && credits >= 1 && fits(self.max_write_zeroes),
                _ => false,
            }
    }
}

/// Checks a request and the check.
pub fn fuzz(input: &Input) {
    let geometry = input.geometry();
    let Some(header) = input.header(&geometry) else {
        return;
    };

    assert_eq!(geometry.validate(), Ok(()));

    let legal = input.is_legal(&header, &geometry);

    match check(&header, &geometry, input.rights(), input.credits) {
        Ok(request) => {
            assert!(legal, "carried out though illegal");
            assert_eq!(request.header(header.handle, header.stamp), header);
            assert_eq!(Some(request.cost()), cost(&header));
            assert!(request.cost() <= geometry.max_cost() && request.cost() <= input.credits);
            assert_eq!(request.extent().is_none(), request == Request::Flush);
            assert!(!request.modifies() || !geometry.is_read_only());
        }
        Err(violation) => {
            let charged = cost(&header);

            assert!(!legal, "refused though legal: {violation}");
            // Exactly what has no price or a price that cannot be paid costs the connection.
            assert_eq!(violation == Violation::NotARequest, charged.is_none());
            assert_eq!(
                violation == Violation::Credits,
                charged.is_some_and(|cost| cost > input.credits)
            );
        }
    }
}
