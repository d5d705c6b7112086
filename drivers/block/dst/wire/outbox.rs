// SPDX-License-Identifier: GPL-2.0

//! Frames on their way into a socket, many in one call.

use crate::{
    abstractions::{
        crc32c::crc32c,
        fragment::{
            Arena,
            Fragment, //
        },
        iovec::{
            Gather,
            Pieces, //
        },
        socket::Socket, //
    },
    proto::frame::Header, //
};
use kernel::prelude::*;

use super::protection::Protection;

/// Pages of memory for the heads of frames that a socket refers to.
const ARENA_PAGES: usize = 8;

/// Pieces of memory that one call sends from.
const PIECES: usize = 256;

/// The data of a request or reply, which follows its header.
pub(crate) trait Body {
    /// Returns the number of bytes.
    fn len(&self) -> usize;

    /// Adds all but the first `skip` bytes to `list`; returns whether all of them had room.
    fn gather<'a>(&'a self, skip: usize, list: &mut Gather<'a>) -> bool;
}

/// A frame.
struct Frame<B> {
    /// The header, and a payload that is no data.
    head: Fragment,
    body: Option<B>,
    /// What protects the body.
    tail: Option<Fragment>,
}

impl<B: Body> Frame<B> {
    fn len(&self) -> usize {
        self.head.len()
            + self.body.as_ref().map_or(0, B::len)
            + self.tail.as_ref().map_or(0, Fragment::len)
    }

    /// Adds all but the first `skip` bytes to `list`; returns whether all of them had room.
    fn gather<'a>(&'a self, mut skip: usize, list: &mut Gather<'a>) -> bool {
        let head = self.head.len();

        if skip < head && !list.push_fragment(&self.head, skip) {
            return false;
        }
        skip = skip.saturating_sub(head);
        if let Some(body) = &self.body {
            if !body.gather(skip, list) {
                return false;
            }
            skip = skip.saturating_sub(body.len());
        }
        match &self.tail {
            Some(tail) => list.push_fragment(tail, skip),
            None => true,
        }
    }
}

/// Why a frame was not put in.
pub(crate) enum Refused<B> {
    /// There is no room, which there will be when more was sent. The body comes back.
    Full(Option<B>),
    /// It cannot be protected.
    Failed,
}

/// How far sending got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sent {
    /// Everything is with the socket.
    All,
    /// There is no room for the rest. The socket tells when there is again.
    Blocked,
}

/// Frames in the order in which they are sent.
///
/// The socket's references to what was sent are its own. What was put in stays here until all of
/// its frame has been taken by the socket.
pub(crate) struct Outbox<B> {
    arena: Arena,
    pieces: Pieces,
    protection: Protection,
    frames: KVec<Frame<B>>,
    /// Frames at the beginning that were sent.
    done: usize,
    /// Bytes of the next frame that were sent.
    part: usize,
}

impl<B: Body> Outbox<B> {
    /// Allocates an outbox for up to `frames` frames, which are not protected. Process context.
    pub(crate) fn new(frames: usize) -> Result<Self> {
        Ok(Self {
            arena: Arena::new(ARENA_PAGES)?,
            pieces: Pieces::new(PIECES)?,
            protection: Protection::Plain,
            frames: KVec::with_capacity(frames, GFP_KERNEL)?,
            done: 0,
            part: 0,
        })
    }

    /// Has `protection` protect the frames that are put in from now on.
    pub(crate) fn protect(&mut self, protection: Protection) {
        self.protection = protection;
    }

    /// Returns whether there is nothing to send.
    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Returns how many frames there is room for.
    pub(crate) fn room(&self) -> usize {
        self.frames.capacity() - self.frames.len()
    }

    /// Puts in a frame with `header`: either `payload`, which is copied, or `body`, which is not,
    /// follows it.
    ///
    /// # Errors
    ///
    /// See [`Refused`].
    pub(crate) fn push(
        &mut self,
        header: &Header,
        payload: &[u8],
        body: Option<B>,
    ) -> Result<(), Refused<B>> {
        if self.room() == 0 {
            return Err(Refused::Full(body));
        }
        let Some(head) = self.arena.copy(&header.encode(crc32c), payload) else {
            return Err(Refused::Full(body));
        };
        let tail = match &mut self.protection {
            Protection::Plain => None,
            Protection::Digest(digester) => match body.as_ref().filter(|body| body.len() > 0) {
                Some(data) => {
                    let Ok(digest) = digester.of_body(data, &mut self.pieces) else {
                        return Err(Refused::Failed);
                    };
                    let Some(tail) = self.arena.copy(digest, &[]) else {
                        return Err(Refused::Full(body));
                    };

                    Some(tail)
                }
                None => None,
            },
        };

        self.frames
            .push_within_capacity(Frame { head, body, tail })
            .map_err(|error| Refused::Full(error.0.body))
    }

    /// Sends as much as there is room for; `sent` gets the body of each frame that is complete.
    /// Process context; does not wait for room.
    ///
    /// `more` says that more frames will follow at once. `pause` is called whenever a call to the
    /// socket was not the last one.
    ///
    /// # Errors
    ///
    /// Those of [`Socket::send`] but `EAGAIN`: the connection is of no use any more.
    pub(crate) fn send(
        &mut self,
        socket: &Socket,
        more: bool,
        mut sent: impl FnMut(B),
        mut pause: impl FnMut(),
    ) -> Result<Sent> {
        let mut first = true;

        while let Some(unsent) = self.frames.get(self.done..).filter(|rest| !rest.is_empty()) {
            if !core::mem::take(&mut first) {
                pause();
            }

            let mut list = Gather::new(&mut self.pieces);
            let whole = fill(unsent, self.part, &mut list);

            match socket.send(&list, more || !whole) {
                Ok(bytes) => self.advance(bytes, &mut sent),
                Err(error) if error == EAGAIN => return Ok(Sent::Blocked),
                Err(error) => return Err(error),
            }
        }
        self.frames.clear();
        self.done = 0;
        Ok(Sent::All)
    }

    /// Notes that the socket took the next `bytes` bytes.
    fn advance(&mut self, bytes: usize, sent: &mut impl FnMut(B)) {
        self.part += bytes;
        while let Some(frame) = self.frames.get_mut(self.done) {
            let len = frame.len();
            if self.part < len {
                break;
            }
            self.part -= len;
            self.done += 1;
            if let Some(body) = frame.body.take() {
                sent(body);
            }
        }
    }

    /// Throws away what was not sent; `dropped` gets the body of each frame.
    pub(crate) fn clear(&mut self, mut dropped: impl FnMut(B)) {
        for frame in self.frames.drain_all() {
            if let Some(body) = frame.body {
                dropped(body);
            }
        }
        self.done = 0;
        self.part = 0;
    }
}

/// Adds `frames` but the first `part` bytes to `list`; returns whether all of them had room.
fn fill<'a, B: Body>(frames: &'a [Frame<B>], mut part: usize, list: &mut Gather<'a>) -> bool {
    for frame in frames {
        if !frame.gather(part, list) {
            return false;
        }
        part = 0;
    }
    true
}
