// SPDX-License-Identifier: GPL-2.0

//! The server's check of every request, before a byte of the disk is touched.

use core::fmt;

use super::access::Rights;
use super::frame::Header;
use super::geometry::{
    DiskFlags,
    Geometry, //
};
use super::opcode::{
    Flags,
    Opcode, //
};
use super::request::Request;
use super::run::{
    Extent,
    Run, //
};
use super::status::Status;
use super::units::{
    Sectors,
    MAX_RUN_PAGES, //
};

/// What is wrong with a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Violation {
    /// It is no request of the data path.
    NotARequest,
    /// It costs more credits than the client has.
    Credits,
    /// It covers no sector.
    Empty,
    /// Its end does not fit into 64 bits, or lies behind the end of the disk.
    Range,
    /// Start or length are no multiple of the logical block.
    Misaligned,
    /// It is longer than the export allows, or touches too many pages.
    TooLong,
    /// It changes a read-only export.
    ReadOnly,
    /// It changes an export that the client may only read.
    Denied,
    /// The export does not offer the operation or the flag.
    Unsupported,
}

/// What a violation leads to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Consequence {
    /// The request is answered with this status, its payload is skipped, its credits are given
    /// back; the connection goes on.
    Answer(Status),
    /// The connection is dropped: the peer does not play by the rules.
    Disconnect,
}

impl Violation {
    /// What it leads to.
    pub fn consequence(self) -> Consequence {
        Consequence::Answer(match self {
            Self::NotARequest | Self::Credits => return Consequence::Disconnect,
            Self::Empty | Self::Misaligned | Self::TooLong => Status::Invalid,
            Self::Range => Status::Range,
            Self::ReadOnly => Status::ReadOnly,
            Self::Denied => Status::Denied,
            Self::Unsupported => Status::Unsupported,
        })
    }

    /// What to tell people, as part of a sentence.
    pub fn text(self) -> &'static str {
        match self {
            Self::NotARequest => "unexpected frame",
            Self::Credits => "request beyond the credits granted",
            Self::Empty => "empty request",
            Self::Range => "request beyond the end of the disk",
            Self::Misaligned => "misaligned request",
            Self::TooLong => "request is too long",
            Self::ReadOnly => "the export is read-only",
            Self::Denied => "the client may only read",
            Self::Unsupported => "operation is not supported by the export",
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// The cost in credits of a request, sane or not.
///
/// A READ or WRITE costs the pages that it touches, but at least one and at most as many as a run
/// can have, so that what is going to be refused has a cost, too: it is given back with the
/// refusal. Returns [`None`] for a frame that is no request of the data path.
pub fn cost(header: &Header) -> Option<u32> {
    if header.reply {
        return None;
    }
    match header.opcode {
        Opcode::Read | Opcode::Write => {
            let extent = Extent::new(header.sector, header.sectors);

            Some(extent.map_or(1, |extent| extent.pages().min(MAX_RUN_PAGES)))
        }
        Opcode::Flush | Opcode::Discard | Opcode::WriteZeroes => Some(1),
        Opcode::Hello
        | Opcode::Draining
        | Opcode::Ping
        | Opcode::Bye
        | Opcode::Event
        | Opcode::Initiate
        | Opcode::Join
        | Opcode::Rekey => None,
    }
}

/// Checks a request of the data path.
///
/// `rights` are those of the session, `left` the credits that the client has. Opcode, flags and
/// payload length have been checked against each other by [`Header::decode`].
///
/// # Errors
///
/// See [`Violation`] and [`Violation::consequence`].
pub fn check(
    header: &Header,
    geometry: &Geometry,
    rights: Rights,
    left: u32,
) -> Result<Request, Violation> {
    let cost = cost(header).ok_or(Violation::NotARequest)?;

    // Credits first: a client that overdraws must not be able to hide it behind another fault.
    if cost > left {
        return Err(Violation::Credits);
    }
    if header.opcode == Opcode::Flush {
        return Ok(Request::Flush);
    }

    let fua = header.flags.contains(Flags::FUA);

    if header.opcode != Opcode::Read {
        if geometry.is_read_only() {
            return Err(Violation::ReadOnly);
        }
        if rights != Rights::ReadWrite {
            return Err(Violation::Denied);
        }
    } else if rights == Rights::None {
        return Err(Violation::Denied);
    }
    if fua && !geometry.flags.contains(DiskFlags::FUA) {
        return Err(Violation::Unsupported);
    }

    let max = longest(header.opcode, geometry)?;
    let extent = extent(header, geometry)?;

    if extent.len() > max {
        return Err(Violation::TooLong);
    }
    match header.opcode {
        Opcode::Read => Ok(Request::Read { run: run(extent)? }),
        Opcode::Write => Ok(Request::Write {
            run: run(extent)?,
            fua,
        }),
        Opcode::Discard => Ok(Request::Discard { extent }),
        Opcode::WriteZeroes => Ok(Request::WriteZeroes {
            extent,
            fua,
            nounmap: header.flags.contains(Flags::NOUNMAP),
        }),
        Opcode::Flush
        | Opcode::Hello
        | Opcode::Draining
        | Opcode::Ping
        | Opcode::Bye
        | Opcode::Event
        | Opcode::Initiate
        | Opcode::Join
        | Opcode::Rekey => Err(Violation::NotARequest),
    }
}

/// The longest request of this kind that the export takes.
fn longest(opcode: Opcode, geometry: &Geometry) -> Result<Sectors, Violation> {
    let max = match opcode {
        Opcode::Discard => geometry.max_discard_sectors,
        Opcode::WriteZeroes => geometry.max_write_zeroes_sectors,
        Opcode::Read
        | Opcode::Write
        | Opcode::Flush
        | Opcode::Hello
        | Opcode::Draining
        | Opcode::Ping
        | Opcode::Bye
        | Opcode::Event
        | Opcode::Initiate
        | Opcode::Join
        | Opcode::Rekey => geometry.max_frame_sectors,
    };

    match max.is_zero() {
        true => Err(Violation::Unsupported),
        false => Ok(max),
    }
}

/// What the request covers, if that is part of the disk.
fn extent(header: &Header, geometry: &Geometry) -> Result<Extent, Violation> {
    if header.sectors.is_zero() {
        return Err(Violation::Empty);
    }

    let extent = Extent::new(header.sector, header.sectors).ok_or(Violation::Range)?;

    if extent.end().0 > geometry.sectors {
        return Err(Violation::Range);
    }
    match extent.is_aligned(geometry.block_sectors()) {
        true => Ok(extent),
        false => Err(Violation::Misaligned),
    }
}

/// The extent as a run.
fn run(extent: Extent) -> Result<Run, Violation> {
    Run::new(extent).ok_or(Violation::TooLong)
}
