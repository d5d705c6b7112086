// SPDX-License-Identifier: GPL-2.0

//! Frames on their way into a socket, many in one call.

use crate::abstractions::{
    fragment::{
        Arena,
        Fragment, //
    },
    iovec::{
        Gather,
        Pieces, //
    },
    socket::Socket, //
};
use kernel::prelude::*;

/// Pages of memory for the heads of frames that a socket refers to.
const ARENA_PAGES: usize = 8;

/// Pieces of memory that one call sends from.
const PIECES: usize = 256;

/// The data that follows the head of a frame.
pub(crate) trait Body {
    /// Returns the number of bytes.
    fn len(&self) -> usize;

    /// Adds all but the first `skip` bytes to `list`; returns whether all of them had room.
    fn gather<'a>(&'a self, skip: usize, list: &mut Gather<'a>) -> bool;
}

/// A frame.
struct Frame<B> {
    head: Fragment,
    body: Option<B>,
}

impl<B: Body> Frame<B> {
    fn len(&self) -> usize {
        self.head.len() + self.body.as_ref().map_or(0, B::len)
    }
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
    frames: KVec<Frame<B>>,
    /// Frames at the beginning that were sent.
    done: usize,
    /// Bytes of the next frame that were sent.
    part: usize,
}

impl<B: Body> Outbox<B> {
    /// Allocates an outbox for up to `frames` frames. Process context.
    pub(crate) fn new(frames: usize) -> Result<Self> {
        Ok(Self {
            arena: Arena::new(ARENA_PAGES)?,
            pieces: Pieces::new(PIECES)?,
            frames: KVec::with_capacity(frames, GFP_KERNEL)?,
            done: 0,
            part: 0,
        })
    }

    /// Returns whether there is nothing to send.
    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Returns how many frames there is room for.
    pub(crate) fn room(&self) -> usize {
        self.frames.capacity() - self.frames.len()
    }

    /// Puts in a frame: `head` is its header and what else is copied, `body` the data that is not.
    ///
    /// If there is no room, the body comes back.
    pub(crate) fn push(&mut self, head: &[u8], body: Option<B>) -> Result<(), Option<B>> {
        if self.room() == 0 {
            return Err(body);
        }
        let Some(head) = self.arena.copy(head) else {
            return Err(body);
        };
        self.frames
            .push_within_capacity(Frame { head, body })
            .map_err(|error| error.0.body)
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
        let head = frame.head.len();

        if part < head && !list.push_fragment(&frame.head, part) {
            return false;
        }
        if let Some(body) = &frame.body {
            if !body.gather(part.saturating_sub(head), list) {
                return false;
            }
        }
        part = 0;
    }
    true
}
