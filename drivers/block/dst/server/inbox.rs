// SPDX-License-Identifier: GPL-2.0

//! What a client sends: headers, many in one call if there are, and payloads.
//!
//! Most requests are short, and each call to a socket costs more than copying some bytes: so as
//! much is received at once as a small buffer holds, and taken apart there. Long payloads go right
//! to where they belong, except for their beginning.

use kernel::{
    page::Page,
    prelude::*, //
};

use crate::{
    abstractions::{
        crc32c::crc32c,
        iovec::{
            Pieces,
            Scatter, //
        },
        pages,
        socket::Socket, //
    },
    proto::{
        frame::{
            Header,
            HEADER_SIZE, //
        },
        units::MAX_RUN_PAGES, //
    },
    wire::headers::{
        received,
        Fault, //
    }, //
};

/// Bytes that are received at once: two pages with their headers fit.
const BUFFER_SIZE: usize = 8192 + 2 * HEADER_SIZE;

/// What was received and not looked at yet.
pub(super) struct Inbox {
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
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            buffer: KVec::from_elem(0, BUFFER_SIZE, GFP_KERNEL)?,
            start: 0,
            end: 0,
            pieces: Pieces::new(MAX_RUN_PAGES as usize + 1)?,
        })
    }

    /// Returns the next header; [`None`] if not all of it is there yet. Process context.
    ///
    /// # Errors
    ///
    /// A [`Fault`] is final: nobody can tell where the next header would begin.
    pub(super) fn header(&mut self, socket: &Socket) -> Result<Option<Header>, Fault> {
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
    pub(super) fn bytes(
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

    /// Receives up to `len` bytes of what comes next into `pages`, from `offset` on; see
    /// [`Self::bytes`].
    pub(super) fn pages(
        &mut self,
        socket: &Socket,
        pages: &mut [Page],
        offset: usize,
        len: usize,
    ) -> Result<Option<usize>, Fault> {
        let unread = self.take(len);

        if !unread.is_empty() {
            pages::write(pages, offset, unread).map_err(Fault::Socket)?;
            return Ok(Some(unread.len()));
        }

        let mut list = Scatter::new(&mut self.pieces);

        // There are pages for all of it; if not, too little is received rather than too much.
        list.push_pages(pages, offset, len);
        received(socket.receive(&list))
    }

    /// Receives up to `len` bytes of what comes next and forgets them; see [`Self::bytes`].
    pub(super) fn skip(&mut self, socket: &Socket, len: usize) -> Result<Option<usize>, Fault> {
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
