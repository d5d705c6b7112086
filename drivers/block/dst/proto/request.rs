// SPDX-License-Identifier: GPL-2.0

//! The requests of the data path and their replies, as types.

use super::frame::Header;
use super::opcode::{
    Flags,
    Opcode, //
};
use super::run::{
    Extent,
    Run, //
};
use super::status::Status;
use super::units::{
    Handle,
    Sector,
    Sectors,
    Stamp, //
};

/// A request of the data path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Request {
    /// Read a run.
    Read {
        /// What to read.
        run: Run,
    },
    /// Write a run; the data follows.
    Write {
        /// What to write.
        run: Run,
        /// Whether it has to be stable before the reply.
        fua: bool,
    },
    /// Make every acknowledged write stable.
    Flush,
    /// Declare an extent unused.
    Discard {
        /// What to discard.
        extent: Extent,
    },
    /// Fill an extent with zeroes.
    WriteZeroes {
        /// What to fill.
        extent: Extent,
        /// Whether it has to be stable before the reply.
        fua: bool,
        /// Whether the blocks have to stay allocated.
        nounmap: bool,
    },
}

impl Request {
    /// The operation.
    #[inline]
    pub fn opcode(&self) -> Opcode {
        match self {
            Self::Read { .. } => Opcode::Read,
            Self::Write { .. } => Opcode::Write,
            Self::Flush => Opcode::Flush,
            Self::Discard { .. } => Opcode::Discard,
            Self::WriteZeroes { .. } => Opcode::WriteZeroes,
        }
    }

    /// What the request touches; nothing in particular for a flush.
    #[inline]
    pub fn extent(&self) -> Option<Extent> {
        match self {
            Self::Read { run } | Self::Write { run, .. } => Some(run.extent()),
            Self::Discard { extent } | Self::WriteZeroes { extent, .. } => Some(*extent),
            Self::Flush => None,
        }
    }

    /// Credits that the request takes: a page of the server's memory for each page of data, and
    /// one for what carries none.
    #[inline]
    pub fn cost(&self) -> u32 {
        match self {
            Self::Read { run } | Self::Write { run, .. } => run.pages(),
            Self::Flush | Self::Discard { .. } | Self::WriteZeroes { .. } => 1,
        }
    }

    /// Whether the request changes the disk.
    #[inline]
    pub fn modifies(&self) -> bool {
        match self {
            Self::Write { .. } | Self::Discard { .. } | Self::WriteZeroes { .. } => true,
            Self::Read { .. } | Self::Flush => false,
        }
    }

    /// Bytes of data that follow the header of the request.
    #[inline]
    pub fn payload(&self) -> u32 {
        match self {
            // A run is at most `MAX_PAYLOAD` bytes, so this fits.
            Self::Write { run, .. } => u32::try_from(run.extent().len().bytes()).unwrap_or(0),
            Self::Read { .. } | Self::Flush | Self::Discard { .. } | Self::WriteZeroes { .. } => 0,
        }
    }

    /// The header that asks for it.
    pub fn header(&self, handle: Handle, stamp: Stamp) -> Header {
        let flags = match *self {
            Self::Write { fua, .. } => Flags::NONE.with_if(Flags::FUA, fua),
            Self::WriteZeroes { fua, nounmap, .. } => Flags::NONE
                .with_if(Flags::FUA, fua)
                .with_if(Flags::NOUNMAP, nounmap),
            Self::Read { .. } | Self::Flush | Self::Discard { .. } => Flags::NONE,
        };
        let (sector, sectors) = bounds(self.extent());

        Header {
            flags,
            sector,
            sectors,
            payload: self.payload(),
            ..Header::request(self.opcode(), handle, stamp)
        }
    }
}

/// A reply of the data path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reply {
    /// The request that it answers.
    pub handle: Handle,
    /// The operation of that request.
    pub opcode: Opcode,
    /// How it ended.
    pub status: Status,
    /// What it answers: all or some pages of a run, or the extent of the request; nothing for a
    /// flush.
    pub extent: Option<Extent>,
    /// Credits that it gives back.
    pub credits: u32,
}

/// Why a header is not a reply of the data path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReplyError {
    /// It is a request, or belongs to no request of the data path.
    NotAReply,
    /// It names no extent where one belongs.
    Extent,
}

impl Reply {
    /// The header that says so; `READ` that succeeded carries the data of its extent.
    pub fn header(&self, stamp: Stamp) -> Header {
        let (sector, sectors) = bounds(self.extent);
        let payload = match self.opcode == Opcode::Read && self.status.is_ok() {
            // A run is at most `MAX_PAYLOAD` bytes, so this fits.
            true => u32::try_from(sectors.bytes()).unwrap_or(0),
            false => 0,
        };

        Header {
            sector,
            sectors,
            payload,
            credits: self.credits,
            ..Header::answer(self.opcode, self.handle, stamp, self.status)
        }
    }
}

impl TryFrom<&Header> for Reply {
    type Error = ReplyError;

    fn try_from(header: &Header) -> Result<Self, ReplyError> {
        let extent = Extent::new(header.sector, header.sectors);
        let whole = match header.opcode {
            Opcode::Read | Opcode::Write | Opcode::Discard | Opcode::WriteZeroes => {
                extent.is_some()
            }
            Opcode::Flush => true,
            Opcode::Hello
            | Opcode::Draining
            | Opcode::Ping
            | Opcode::Bye
            | Opcode::Event
            | Opcode::Initiate
            | Opcode::Join
            | Opcode::Rekey => return Err(ReplyError::NotAReply),
        };

        if !header.reply {
            return Err(ReplyError::NotAReply);
        }
        if !whole {
            return Err(ReplyError::Extent);
        }
        Ok(Self {
            handle: header.handle,
            opcode: header.opcode,
            status: header.status,
            extent,
            credits: header.credits,
        })
    }
}

/// Address and length of `extent` as the header carries them.
#[inline]
fn bounds(extent: Option<Extent>) -> (Sector, Sectors) {
    match extent {
        Some(extent) => (extent.start(), extent.len()),
        None => (Sector(0), Sectors(0)),
    }
}
