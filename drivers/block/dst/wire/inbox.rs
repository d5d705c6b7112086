// SPDX-License-Identifier: GPL-2.0

//! What the other side sends: headers, many in one call if there are, and data.
//!
//! Most frames are short, and each call to a socket costs more than copying some bytes: so as much
//! is received at once as a small buffer holds, and taken apart there. Data goes right to where it
//! belongs, except for the little of it that came with its header, and brings the next headers
//! along.

use crate::{
    abstractions::{
        crc32c::crc32c,
        iovec::{
            Pieces,
            Scatter, //
        },
        socket::Socket, //
    },
    proto::frame::{
        Header,
        HEADER_SIZE, //
    }, //
};
use kernel::prelude::*;

use super::fault::{
    received,
    Fault, //
};

/// Bytes that are received at once, apart from data: some headers.
const BUFFER_SIZE: usize = 1024;

/// Pieces of memory that one call receives into.
const PIECES: usize = 128;

/// What was received and not looked at yet.
pub(crate) struct Inbox {
    buffer: KVec<u8>,
    /// Where it begins in the buffer.
    start: usize,
    /// Where it ends.
    end: usize,
    /// Memory for the list of what is received into.
    pieces: Pieces,
}

impl Inbox {
    /// Allocates an empty one. Process context.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            buffer: KVec::from_elem(0, BUFFER_SIZE, GFP_KERNEL)?,
            start: 0,
            end: 0,
            pieces: Pieces::new(PIECES)?,
        })
    }

    /// Returns the next header; [`None`] if not all of it is there yet. Process context.
    ///
    /// # Errors
    ///
    /// A [`Fault`] is final: nobody can tell where the next header would begin.
    pub(crate) fn header(&mut self, socket: &Socket) -> Result<Option<Header>, Fault> {
        loop {
            let unread = self.buffer.get(self.start..self.end).unwrap_or_default();

            if let Some(bytes) = unread.first_chunk() {
                let header = Header::decode(bytes, crc32c).map_err(Fault::Frame)?;

                self.start += HEADER_SIZE;
                return Ok(Some(header));
            }
            if !self.refill(socket)? {
                return Ok(None);
            }
        }
    }

    /// Receives what comes next into `buffer`; returns how many bytes, or [`None`] if there is
    /// nothing now.
    ///
    /// # Errors
    ///
    /// A [`Fault`] is final.
    pub(crate) fn bytes(
        &mut self,
        socket: &Socket,
        buffer: &mut [u8],
    ) -> Result<Option<usize>, Fault> {
        let unread = self.take(buffer.len());

        if unread.is_empty() {
            return received(socket.receive_bytes(buffer));
        }
        for (to, from) in buffer.iter_mut().zip(unread) {
            *to = *from;
        }
        Ok(Some(unread.len()))
    }

    /// Receives what comes next into the memory that `place` puts into the list, some of which
    /// there has to be; see [`Self::bytes`].
    pub(crate) fn data<'a>(
        &'a mut self,
        socket: &Socket,
        place: impl FnOnce(&mut Scatter<'a>),
    ) -> Result<Option<usize>, Fault> {
        let Self {
            buffer,
            start,
            end,
            pieces,
        } = self;
        let mut list = Scatter::new(pieces);

        place(&mut list);

        let wanted = list.bytes();
        let unread = buffer.get(*start..*end).unwrap_or_default();

        if !unread.is_empty() {
            let len = list.write(unread);

            *start += len;
            return Ok(Some(len));
        }

        // If there is no room for it in the list, the next headers have to wait.
        list.push_buffer(buffer);

        let Some(len) = received(socket.receive(&list))? else {
            return Ok(None);
        };

        *start = 0;
        *end = len.saturating_sub(wanted);
        Ok(Some(len.min(wanted)))
    }

    /// Receives up to `len` bytes of what comes next and forgets them; see [`Self::bytes`].
    pub(crate) fn skip(&mut self, socket: &Socket, len: usize) -> Result<Option<usize>, Fault> {
        match self.take(len) {
            [] => received(socket.discard(len)),
            unread => Ok(Some(unread.len())),
        }
    }

    /// Takes up to `len` bytes from what is there already.
    fn take(&mut self, len: usize) -> &[u8] {
        let start = self.start;

        self.start = start.saturating_add(len).min(self.end);
        self.buffer.get(start..self.start).unwrap_or_default()
    }

    /// Receives as much as there is room for; returns whether there was anything.
    fn refill(&mut self, socket: &Socket) -> Result<bool, Fault> {
        // It is less than a header that is moved.
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;

        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        let Some(len) = received(socket.receive_bytes(room))? else {
            return Ok(false);
        };

        self.end += len;
        Ok(true)
    }
}
