// SPDX-License-Identifier: GPL-2.0

//! How a bio becomes runs: pieces that one frame can carry, tracked by page.

use super::request::Request;
use crate::{
    abstractions::{
        bio::Operation,
        block_status::BlockStatus,
        mempool::{
            Shared,
            Unique, //
        }, //
    },
    proto::{
        self,
        geometry::Geometry,
        opcode::Opcode,
        pages::Pages,
        run::{
            Extent,
            Runs, //
        },
        units::{
            PageMask,
            Sector,
            Sectors,
            SECTOR_SIZE, //
        }, //
    }, //
};

/// Something that is sent as one request, or some, and answered.
pub(super) enum Work {
    /// Pages that are read or written.
    Run {
        /// What they are part of.
        request: Shared<Request>,
        /// The pages, and which of them are done.
        pages: Pages,
        /// Where the run begins in the memory of the bio, in bytes.
        offset: usize,
        /// Whether and how they are written.
        kind: Kind,
    },
    /// Everything that was written has to be made durable, then the request goes on.
    Flush {
        /// The request, which nobody else shares as long as it waits for this.
        request: Unique<Request>,
    },
    /// The same, for the storage itself.
    Barrier,
    /// Something without data.
    Extent {
        /// What it is part of.
        request: Shared<Request>,
        /// What is asked of the server.
        ask: proto::request::Request,
    },
}

/// What happens to the pages of a run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// They are read.
    Read,
    /// They are written.
    Write {
        /// And have to be durable then.
        fua: bool,
    },
}

impl Work {
    /// Returns the pages that are not done. What has no pages counts as one.
    pub(super) fn to_send(&self) -> PageMask {
        match self {
            Self::Run { pages, .. } => pages.unacked(),
            Self::Flush { .. } | Self::Barrier | Self::Extent { .. } => PageMask::range(0, 1),
        }
    }

    /// Forgets that pages were written.
    pub(super) fn forget_written(&mut self) {
        if let Self::Run {
            pages,
            kind: Kind::Write { .. },
            ..
        } = self
        {
            *pages = Pages::new(pages.run());
        }
    }

    /// Returns the operation that the server is asked for.
    pub(super) fn opcode(&self) -> Opcode {
        match self {
            Self::Run { kind, .. } => match kind {
                Kind::Read => Opcode::Read,
                Kind::Write { .. } => Opcode::Write,
            },
            Self::Flush { .. } | Self::Barrier => Opcode::Flush,
            Self::Extent { ask, .. } => ask.opcode(),
        }
    }

    /// Returns the request that it is part of, if it is part of one.
    pub(super) fn request(&self) -> Option<&Request> {
        match self {
            Self::Run { request, .. } | Self::Extent { request, .. } => Some(request),
            Self::Flush { request } => Some(request),
            Self::Barrier => None,
        }
    }

    /// Returns what it covers of the disk, if it does.
    pub(super) fn extent(&self) -> Option<Extent> {
        match self {
            Self::Run { pages, .. } => Some(pages.run().extent()),
            Self::Extent { ask, .. } => ask.extent(),
            Self::Flush { .. } | Self::Barrier => None,
        }
    }

    /// Notes how a part of it ended.
    pub(super) fn note(&self, status: BlockStatus) {
        match self {
            Self::Run { request, .. } | Self::Extent { request, .. } => request.note(status),
            Self::Flush { request } => request.note(status),
            Self::Barrier => (),
        }
    }

    /// Returns for how long it has been waited for, in milliseconds.
    pub(super) fn age_ms(&self) -> u32 {
        match self {
            Self::Run { request, .. } | Self::Extent { request, .. } => request.age_ms(),
            Self::Flush { request } => request.age_ms(),
            Self::Barrier => 0,
        }
    }
}

/// A request that is being split: there is at least one more piece.
pub(super) struct Split {
    request: Shared<Request>,
    rest: Rest,
}

impl Split {
    /// Returns what is being split.
    pub(super) fn request(&self) -> &Request {
        &self.request
    }
}

/// What of it is left.
enum Rest {
    /// Runs of data.
    Runs {
        start: Sector,
        runs: Runs,
        kind: Kind,
    },
    /// Sectors without data.
    Extents {
        start: Sector,
        left: u32,
        max: u32,
        fua: bool,
        nounmap: Option<bool>,
    },
}

/// The first step of a request.
pub(super) enum First {
    /// A flush comes first, or is all there is.
    Flush(Unique<Request>),
    /// It can be split.
    Split(Split),
    /// It is over; its status was noted.
    Over(Unique<Request>),
}

/// Finds out what to do about `request` first.
pub(super) fn begin(request: Unique<Request>, geometry: &Geometry) -> First {
    if !request.is_flushed() {
        return First::Flush(request);
    }
    let Some(bio) = request.bio() else {
        return First::Over(request);
    };
    let start = Sector(bio.sector());
    let sectors = bio.len() / SECTOR_SIZE;
    let operation = bio.operation();
    let (fua, nounmap) = (bio.fua(), bio.no_unmap());

    if sectors == 0 && operation == Operation::Write {
        // A flush that is done.
        return First::Over(request);
    }
    let rest = match operation {
        Operation::Read => runs(start, sectors, geometry, Kind::Read),
        Operation::Write => runs(start, sectors, geometry, Kind::Write { fua }),
        Operation::Flush => return First::Flush(request),
        Operation::Discard => extents(start, sectors, geometry.max_discard_sectors, fua, None),
        Operation::WriteZeroes => extents(
            start,
            sectors,
            geometry.max_write_zeroes_sectors,
            fua,
            Some(nounmap),
        ),
        Operation::Other => None,
    };
    match rest {
        Some(rest) => First::Split(Split {
            request: request.share(),
            rest,
        }),
        None => {
            request.note(BlockStatus::NotSupported);
            First::Over(request)
        }
    }
}

fn runs(start: Sector, sectors: u32, geometry: &Geometry, kind: Kind) -> Option<Rest> {
    let extent = Extent::new(start, Sectors(sectors))?;

    Some(Rest::Runs {
        start,
        runs: extent.runs(geometry.max_frame_sectors),
        kind,
    })
}

fn extents(
    start: Sector,
    left: u32,
    max: Sectors,
    fua: bool,
    nounmap: Option<bool>,
) -> Option<Rest> {
    (max.0 > 0 && left > 0).then_some(Rest::Extents {
        start,
        left,
        max: max.0,
        fua,
        nounmap,
    })
}

impl Split {
    /// Returns how long ago the request came, in milliseconds.
    pub(super) fn age_ms(&self) -> u32 {
        self.request.age_ms()
    }

    /// Notes how the rest of it ended.
    pub(super) fn note(&self, status: BlockStatus) {
        self.request.note(status);
    }

    /// Returns the next piece, and the split for those behind it, if there are any.
    ///
    /// # Errors
    ///
    /// The split, if there is no piece after all, which does not happen.
    pub(super) fn next(mut self) -> Result<(Work, Option<Self>), Self> {
        let Some(piece) = self.rest.next() else {
            self.note(BlockStatus::Io);
            return Err(self);
        };

        Ok(match self.rest.is_done() {
            true => (piece.of(self.request), None),
            false => (piece.of(self.request.clone()), Some(self)),
        })
    }
}

/// A piece, whatever request it is of.
enum Piece {
    Run {
        pages: Pages,
        offset: usize,
        kind: Kind,
    },
    Extent {
        ask: proto::request::Request,
    },
}

impl Piece {
    /// Returns the piece as one of `request`.
    fn of(self, request: Shared<Request>) -> Work {
        match self {
            Self::Run {
                pages,
                offset,
                kind,
            } => Work::Run {
                request,
                pages,
                offset,
                kind,
            },
            Self::Extent { ask } => Work::Extent { request, ask },
        }
    }
}

impl Rest {
    /// Returns whether there are no more pieces.
    fn is_done(&self) -> bool {
        match self {
            Self::Runs { runs, .. } => runs.is_done(),
            Self::Extents { left, .. } => *left == 0,
        }
    }

    /// Returns the next piece, if there is one.
    fn next(&mut self) -> Option<Piece> {
        match self {
            Self::Runs { start, runs, kind } => {
                let run = runs.next()?;
                let before = run.extent().start().since(*start)?;

                Some(Piece::Run {
                    pages: Pages::new(run),
                    offset: before.bytes() as usize,
                    kind: *kind,
                })
            }
            Self::Extents {
                start,
                left,
                max,
                fua,
                nounmap,
            } => {
                let len = Sectors((*left).min(*max));
                let extent = Extent::new(*start, len)?;
                let ask = match *nounmap {
                    Some(nounmap) => proto::request::Request::WriteZeroes {
                        extent,
                        fua: *fua,
                        nounmap,
                    },
                    None => proto::request::Request::Discard { extent },
                };

                *start = extent.end();
                *left -= len.0;
                Some(Piece::Extent { ask })
            }
        }
    }
}
