// SPDX-License-Identifier: GPL-2.0

//! The header that starts every frame, in both directions.
//!
//! A frame is a header of [`HEADER_SIZE`] bytes and as many bytes of payload as it says. Decoding
//! checks everything that needs no knowledge of the disk or of the connection: whatever fails here
//! leaves no way to find the next frame, or comes from a peer that cannot be trusted to go on, and
//! costs the connection.

use zerocopy::little_endian::{
    U16,
    U32,
    U64, //
};
use zerocopy::{
    transmute,
    IntoBytes as _, //
};
use zerocopy_derive::{
    FromBytes,
    Immutable,
    IntoBytes,
    KnownLayout,
    Unaligned, //
};

use super::opcode::{
    Flags,
    Opcode,
    REPLY, //
};
use super::status::Status;
use super::units::{
    Epoch,
    Generation,
    Handle,
    Sector,
    Sectors,
    Stamp,
    MAX_FRAME_SECTORS,
    SECTOR_SIZE, //
};

/// The first bytes of every frame.
pub const MAGIC: [u8; 4] = *b"DST1";

/// Bytes in a header.
pub const HEADER_SIZE: usize = 48;

/// Bytes of payload that a frame of attributes may have (HELLO, WELCOME, BYE, EVENT).
pub const MAX_CONTROL_PAYLOAD: u32 = 4096;

/// Bytes of payload that an INITIATE may have: 1 to 63 are the name of the export.
pub const INITIATE_PAYLOAD: core::ops::RangeInclusive<u32> = 122..=184;

/// Bytes of payload that a RESPOND has.
pub const RESPOND_PAYLOAD: u32 = 52;

/// Bytes of payload that a JOIN has.
pub const JOIN_PAYLOAD: u32 = 72;

/// Bytes of payload that a JOINED has.
pub const JOINED_PAYLOAD: u32 = 52;

/// Bytes of payload that any frame may have.
pub const MAX_PAYLOAD: u32 = MAX_FRAME_SECTORS * SECTOR_SIZE;

/// Computes CRC32C (Castagnoli, initial value and final inversion all ones) of some bytes.
pub type Crc32c = fn(&[u8]) -> u32;

/// What the checksum of a header covers, as on the wire.
#[derive(FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct RawFields {
    magic: [u8; 4],
    opcode: u8,
    status: u8,
    flags: U16,
    payload: U32,
    credits: U32,
    handle: U64,
    sector: U64,
    sectors: U32,
    epoch: U32,
    generation: U32,
}

/// A header as on the wire.
#[derive(FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct RawHeader {
    fields: RawFields,
    crc: U32,
}

/// A header whose fields are all known to make sense together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Header {
    /// What is asked for or answered.
    pub opcode: Opcode,
    /// Whether this is the reply.
    pub reply: bool,
    /// Result of a request, or the reason of a BYE.
    pub status: Status,
    /// Modifiers of a request.
    pub flags: Flags,
    /// Bytes that follow the header.
    pub payload: u32,
    /// Credits that a reply gives back.
    pub credits: u32,
    /// The request; replies repeat it.
    pub handle: Handle,
    /// First sector of a request or of what a reply answers.
    pub sector: Sector,
    /// Number of sectors; in DRAINING the number of requests left.
    pub sectors: Sectors,
    /// Epoch and generation of the connection.
    pub stamp: Stamp,
}

/// Why a header was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DecodeError {
    /// It does not start with [`MAGIC`].
    Magic,
    /// The checksum is wrong.
    Checksum,
    /// The operation is unknown, or has no reply.
    Opcode(u8),
    /// A flag is unknown or does not belong to the operation.
    Flags(u16),
    /// The status is unknown, or stands where none belongs.
    Status(u8),
    /// The length of the payload is not one that the operation can have.
    Payload(u32),
    /// A field that the operation does not use is not zero.
    Reserved,
}

impl DecodeError {
    /// What to tell people, as part of a sentence.
    pub fn text(self) -> &'static str {
        match self {
            Self::Magic => "not a DST frame",
            Self::Checksum => "header checksum mismatch",
            Self::Opcode(_) => "unknown operation",
            Self::Flags(_) => "unknown flags",
            Self::Status(_) => "unknown status",
            Self::Payload(_) => "impossible payload length",
            Self::Reserved => "reserved field in use",
        }
    }
}

impl core::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.text())
    }
}

impl Header {
    /// A request without flags, extent or payload.
    #[inline]
    pub fn request(opcode: Opcode, handle: Handle, stamp: Stamp) -> Self {
        Self {
            opcode,
            reply: false,
            status: Status::Ok,
            flags: Flags::NONE,
            payload: 0,
            credits: 0,
            handle,
            sector: Sector(0),
            sectors: Sectors(0),
            stamp,
        }
    }

    /// A reply without extent, payload or credits.
    #[inline]
    pub fn answer(opcode: Opcode, handle: Handle, stamp: Stamp, status: Status) -> Self {
        Self {
            reply: true,
            status,
            ..Self::request(opcode, handle, stamp)
        }
    }

    /// The reply that refuses this request, which need not make sense, and gives `credits` back.
    #[inline]
    pub fn refuse(&self, status: Status, credits: u32) -> Self {
        Self {
            credits,
            sector: self.sector,
            sectors: self.sectors,
            ..Self::answer(self.opcode, self.handle, self.stamp, status)
        }
    }

    /// The DRAINING frame that says how many requests the fence still waits for.
    #[inline]
    pub fn draining(stamp: Stamp, left: u32) -> Self {
        Self {
            sectors: Sectors(left),
            ..Self::request(Opcode::Draining, Handle::NONE, stamp)
        }
    }

    /// The BYE frame that ends a connection, with the reason and the length of its attributes.
    #[inline]
    pub fn bye(stamp: Stamp, reason: Status, payload: u32) -> Self {
        Self {
            status: reason,
            payload,
            ..Self::request(Opcode::Bye, Handle::NONE, stamp)
        }
    }

    /// The header as on the wire.
    pub fn encode(&self, crc32c: Crc32c) -> [u8; HEADER_SIZE] {
        let direction = match self.reply {
            true => REPLY,
            false => 0,
        };
        let fields = RawFields {
            magic: MAGIC,
            opcode: self.opcode.number() | direction,
            status: self.status.number(),
            flags: self.flags.bits().into(),
            payload: self.payload.into(),
            credits: self.credits.into(),
            handle: self.handle.0.into(),
            sector: self.sector.0.into(),
            sectors: self.sectors.0.into(),
            epoch: self.stamp.epoch.0.into(),
            generation: self.stamp.generation.0.into(),
        };
        let crc = crc32c(fields.as_bytes()).into();

        transmute!(RawHeader { fields, crc })
    }

    /// Reads a header.
    ///
    /// # Errors
    ///
    /// See [`DecodeError`]; none of them allows to go on with the connection.
    pub fn decode(bytes: &[u8; HEADER_SIZE], crc32c: Crc32c) -> Result<Self, DecodeError> {
        let RawHeader { fields, crc } = transmute!(*bytes);

        if fields.magic != MAGIC {
            return Err(DecodeError::Magic);
        }
        if crc32c(fields.as_bytes()) != crc.get() {
            return Err(DecodeError::Checksum);
        }

        let opcode = Opcode::try_from(fields.opcode & !REPLY)
            .map_err(|_| DecodeError::Opcode(fields.opcode))?;
        let header = Self {
            opcode,
            reply: fields.opcode & REPLY != 0,
            status: Status::try_from(fields.status)
                .map_err(|unknown| DecodeError::Status(unknown.0))?,
            flags: Flags::from_bits(fields.flags.get()),
            payload: fields.payload.get(),
            credits: fields.credits.get(),
            handle: Handle(fields.handle.get()),
            sector: Sector(fields.sector.get()),
            sectors: Sectors(fields.sectors.get()),
            stamp: Stamp {
                epoch: Epoch(fields.epoch.get()),
                generation: Generation(fields.generation.get()),
            },
        };

        header.validate()?;
        Ok(header)
    }

    /// Checks the fields against each other.
    fn validate(&self) -> Result<(), DecodeError> {
        let opcode = self.opcode;

        if self.reply && !opcode.has_reply() {
            return Err(DecodeError::Opcode(opcode.number() | REPLY));
        }

        let allowed = match self.reply {
            true => Flags::NONE,
            false => opcode.flags(),
        };
        if !allowed.contains(self.flags) {
            return Err(DecodeError::Flags(self.flags.bits()));
        }

        if !self.status.is_ok() && !self.may_fail() {
            return Err(DecodeError::Status(self.status.number()));
        }
        if !self.reserved_is_zero() {
            return Err(DecodeError::Reserved);
        }
        match self.payload_fits() {
            true => Ok(()),
            false => Err(DecodeError::Payload(self.payload)),
        }
    }

    /// Whether another status than OK can be there. The handshake is refused with a BYE.
    fn may_fail(&self) -> bool {
        match self.opcode {
            Opcode::Bye => true,
            Opcode::Initiate | Opcode::Join => false,
            Opcode::Hello
            | Opcode::Draining
            | Opcode::Ping
            | Opcode::Event
            | Opcode::Rekey
            | Opcode::Read
            | Opcode::Write
            | Opcode::Flush
            | Opcode::Discard
            | Opcode::WriteZeroes => self.reply,
        }
    }

    /// Whether the fields that this operation does not use are zero.
    fn reserved_is_zero(&self) -> bool {
        let (handle, credits, sector, sectors) = match self.opcode {
            Opcode::Hello
            | Opcode::Bye
            | Opcode::Event
            | Opcode::Initiate
            | Opcode::Join
            | Opcode::Rekey => (false, false, false, false),
            Opcode::Draining => (false, false, false, true),
            Opcode::Ping => (true, false, false, false),
            Opcode::Flush => (true, self.reply, false, false),
            Opcode::Read | Opcode::Write | Opcode::Discard | Opcode::WriteZeroes => {
                (true, self.reply, true, true)
            }
        };

        (handle || self.handle == Handle::NONE)
            && (credits || self.credits == 0)
            && (sector || self.sector == Sector(0))
            && (sectors || self.sectors.is_zero())
    }

    /// Whether the operation can have a payload of this length.
    fn payload_fits(&self) -> bool {
        match self.opcode {
            Opcode::Hello | Opcode::Bye | Opcode::Event => self.payload <= MAX_CONTROL_PAYLOAD,
            Opcode::Initiate if !self.reply => INITIATE_PAYLOAD.contains(&self.payload),
            Opcode::Initiate => self.payload == RESPOND_PAYLOAD,
            Opcode::Join if !self.reply => self.payload == JOIN_PAYLOAD,
            Opcode::Join => self.payload == JOINED_PAYLOAD,
            Opcode::Write if !self.reply => self.carries_its_sectors(),
            Opcode::Read if self.reply && self.status.is_ok() => self.carries_its_sectors(),
            Opcode::Read
            | Opcode::Write
            | Opcode::Draining
            | Opcode::Ping
            | Opcode::Rekey
            | Opcode::Flush
            | Opcode::Discard
            | Opcode::WriteZeroes => self.payload == 0,
        }
    }

    /// Whether the payload is the data of all the sectors, and not too much for a frame.
    fn carries_its_sectors(&self) -> bool {
        self.payload <= MAX_PAYLOAD && u64::from(self.payload) == self.sectors.bytes()
    }
}
