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
        socket::Receive, //
    },
    proto::{
        digest::MAX_SIZE,
        frame::{
            DecodeError,
            Header,
            HEADER_SIZE, //
        },
        opcode::Opcode, //
    }, //
};
use kernel::prelude::*;

use super::{
    fault::{
        received,
        Fault, //
    },
    protection::{
        Incoming,
        Memory, //
    },
    seal::SEALED_HEADER,
    staging::Staging, //
};

/// Bytes that are received at once, apart from data: some headers.
const BUFFER_SIZE: usize = 1024;

/// Pieces of memory that one call receives into.
const PIECES: usize = 128;

/// Where data goes.
pub(crate) trait Destination {
    /// Returns the number of bytes.
    fn len(&self) -> usize;

    /// Adds all but the first `skip` bytes to `list`, as far as there is room.
    fn scatter<'a>(&'a self, skip: usize, list: &mut Scatter<'a>);
}

/// How much data has arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Arrived {
    /// So many bytes, and there are more to come.
    Part(usize),
    /// So many bytes, which were the last ones, and all of it is what was sent.
    All(usize),
}

/// What was received and not looked at yet.
pub(crate) struct Inbox {
    buffer: KVec<u8>,
    /// Where it begins in the buffer.
    start: usize,
    /// Where it ends.
    end: usize,
    /// Memory for the list of what is received into.
    pieces: Pieces,
    protection: Incoming,
    /// What follows the data that is being received.
    trailer: KVec<u8>,
    /// Where data is received into whose destination is not private, if it is protected.
    staging: Option<Staging>,
}

impl Inbox {
    /// Allocates an empty one, for frames that are not protected. Process context.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            buffer: KVec::from_elem(0, BUFFER_SIZE, GFP_KERNEL)?,
            start: 0,
            end: 0,
            pieces: Pieces::new(PIECES)?,
            protection: Incoming::Plain,
            trailer: KVec::from_elem(0, MAX_SIZE, GFP_KERNEL)?,
            staging: None,
        })
    }

    /// Expects the frames that come from now on to be protected by `protection`, and their data to
    /// go to such `memory`.
    pub(crate) fn protect(&mut self, protection: Incoming, memory: Memory) {
        self.staging = memory.staging();
        self.protection = protection;
    }

    /// Returns whether the frames that come are sealed: then they can only be looked at in process
    /// context.
    pub(crate) fn is_sealed(&self) -> bool {
        matches!(self.protection, Incoming::Sealed(_))
    }

    /// Returns whether it takes little time to find out if data is what was sent.
    pub(crate) fn is_quick(&self) -> bool {
        match &self.protection {
            Incoming::Plain => true,
            Incoming::Digest(digester) => digester.is_quick(),
            Incoming::Sealed(_) => false,
        }
    }

    /// Gives the memory back that [`Self::protect`] got. What was received is of no use then.
    pub(crate) fn take_staging(&mut self) -> Option<Staging> {
        self.staging.take()
    }

    /// Returns the next header; [`None`] if not all of it is there yet. Process context, if frames
    /// are sealed.
    ///
    /// # Errors
    ///
    /// A [`Fault`] is final: nobody can tell where the next header would begin.
    pub(crate) fn header(&mut self, socket: &impl Receive) -> Result<Option<Header>, Fault> {
        loop {
            if let Incoming::Sealed(_) = self.protection {
                if let Some(header) = self.sealed_header()? {
                    return Ok(Some(header));
                }
            } else {
                let unread = self.buffer.get(self.start..self.end).unwrap_or_default();

                if let Some(bytes) = unread.first_chunk() {
                    let header = Header::decode(bytes, crc32c).map_err(Fault::Frame)?;

                    self.start += HEADER_SIZE;
                    return Ok(Some(header));
                }
            }
            if !self.refill(socket)? {
                return Ok(None);
            }
        }
    }

    /// Opens the next header, if all of it is there, and does what it says about keys.
    fn sealed_header(&mut self) -> Result<Option<Header>, Fault> {
        while self.end - self.start >= SEALED_HEADER {
            let Incoming::Sealed(opening) = &mut self.protection else {
                return Ok(None);
            };

            opening.buffer(&mut self.buffer, self.start, SEALED_HEADER)?;

            let opened = self.buffer.get(self.start..).unwrap_or_default();
            let bytes = opened.first_chunk().ok_or(Fault::NoRoom)?;
            let header = Header::decode(bytes, crc32c).map_err(Fault::Frame)?;

            self.start += SEALED_HEADER;
            if header.opcode != Opcode::Rekey {
                opening.note_frame();
                return Ok(Some(header));
            }
            // Nobody is to be kept busy with keys alone.
            if !opening.advance().map_err(Fault::Socket)? {
                return Err(Fault::Frame(DecodeError::Opcode(header.opcode.number())));
            }
        }
        Ok(None)
    }

    /// Receives what comes next into `buffer`; returns how many bytes, or [`None`] if there is
    /// nothing now.
    ///
    /// # Errors
    ///
    /// A [`Fault`] is final.
    fn bytes(&mut self, socket: &impl Receive, buffer: &mut [u8]) -> Result<Option<usize>, Fault> {
        let unread = self.take(buffer.len());

        if unread.is_empty() {
            return received(socket.receive_bytes(buffer));
        }
        for (to, from) in buffer.iter_mut().zip(unread) {
            *to = *from;
        }
        Ok(Some(unread.len()))
    }

    /// Receives data into `destination`; returns how much, or [`None`] if there is nothing now. `have`
    /// is how far that is, and begins as 0.
    ///
    /// Nothing of it may be used before all has arrived.
    ///
    /// # Errors
    ///
    /// A [`Fault`] is final. What is in `destination` then is not what was sent.
    pub(crate) fn data(
        &mut self,
        socket: &impl Receive,
        destination: &impl Destination,
        have: &mut usize,
    ) -> Result<Option<Arrived>, Fault> {
        let len = destination.len();
        let mut arrived = 0;

        if *have < len {
            let Some(bytes) = self.fill(socket, destination, *have)? else {
                return Ok(None);
            };

            *have += bytes;
            arrived = bytes;
            if *have < len {
                return Ok(Some(Arrived::Part(bytes)));
            }
        }
        match self.verify(socket, destination, have)? {
            true => Ok(Some(Arrived::All(arrived))),
            false if arrived == 0 => Ok(None),
            false => Ok(Some(Arrived::Part(arrived))),
        }
    }

    /// Receives what follows the data in `destination` and finds out whether they belong together;
    /// returns false if not all of it is there yet.
    fn verify(
        &mut self,
        socket: &impl Receive,
        destination: &impl Destination,
        have: &mut usize,
    ) -> Result<bool, Fault> {
        let trailer = self.protection.trailer();

        while let Some(left) = (destination.len() + trailer)
            .checked_sub(*have)
            .filter(|n| *n > 0)
        {
            let mut rest = [0; MAX_SIZE];
            let Some(len) = self.bytes(socket, rest.get_mut(..left).unwrap_or_default())? else {
                return Ok(false);
            };
            let there = self.trailer.get_mut(trailer - left..).unwrap_or_default();

            for (to, from) in there.iter_mut().zip(rest.iter().take(len)) {
                *to = *from;
            }
            *have += len;
        }
        match (&mut self.protection, &self.staging) {
            (Incoming::Plain, _) => Ok(()),
            (Incoming::Digest(digester), None) => digester
                .of_destination(destination, &mut self.pieces)
                .map_err(Fault::Socket)
                .and_then(|digest| compare(digest, self.trailer.get(..trailer))),
            (Incoming::Digest(digester), Some(staging)) => {
                let staged = staging.part(0, destination.len());

                digester
                    .of_destination(&staged, &mut self.pieces)
                    .map_err(Fault::Socket)
                    .and_then(|digest| compare(digest, self.trailer.get(..trailer)))?;
                staged
                    .copy_to(destination, &mut self.pieces)
                    .map_err(|_| Fault::NoRoom)
            }
            (Incoming::Sealed(opening), None) => opening.in_place(destination, &mut self.trailer),
            (Incoming::Sealed(opening), Some(staging)) => {
                opening.staged(destination, staging, &mut self.trailer)
            }
        }
        .map(|()| true)
    }

    /// Receives what comes next into `destination` but its first `skip` bytes; see [`Self::bytes`].
    fn fill(
        &mut self,
        socket: &impl Receive,
        destination: &impl Destination,
        skip: usize,
    ) -> Result<Option<usize>, Fault> {
        let Self {
            buffer,
            start,
            end,
            pieces,
            staging,
            ..
        } = self;
        let mut list = Scatter::new(pieces);

        match staging {
            Some(staging) => {
                let left = destination.len().saturating_sub(skip);

                list.push_pages(staging.pages(), skip, left);
            }
            None => destination.scatter(skip, &mut list),
        }

        let wanted = list.bytes();

        if wanted == 0 {
            return Err(Fault::NoRoom);
        }
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

    /// Returns how many bytes follow a header whose payload is `len` bytes of data that nobody
    /// wants. They have to be skipped, once.
    pub(crate) fn waste(&mut self, len: usize) -> usize {
        if len == 0 {
            return 0;
        }
        if let Incoming::Sealed(opening) = &mut self.protection {
            opening.skip();
        }
        len + self.protection.trailer()
    }

    /// Receives the payload of a frame, `len` bytes that are no data, into the beginning of
    /// `buffer`, where there has to be room for [`TAG_SIZE`] bytes more; `have` is how far that is,
    /// and begins as 0. Returns whether all of it is there, or [`None`] if there is nothing now.
    ///
    /// # Errors
    ///
    /// A [`Fault`] is final.
    pub(crate) fn payload(
        &mut self,
        socket: &impl Receive,
        buffer: &mut KVec<u8>,
        len: usize,
        have: &mut usize,
    ) -> Result<Option<bool>, Fault> {
        let whole = len + self.protection.tag(len);

        if *have < whole {
            let rest = buffer.get_mut(*have..whole).ok_or(Fault::NoRoom)?;
            let Some(len) = self.bytes(socket, rest)? else {
                return Ok(None);
            };

            *have += len;
        }
        if *have < whole {
            return Ok(Some(false));
        }
        if let (Incoming::Sealed(opening), true) = (&mut self.protection, len > 0) {
            opening.buffer(buffer, 0, whole)?;
        }
        Ok(Some(true))
    }

    /// Receives up to `len` bytes of what comes next and forgets them; see [`Self::bytes`].
    pub(crate) fn skip(
        &mut self,
        socket: &impl Receive,
        len: usize,
    ) -> Result<Option<usize>, Fault> {
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
    fn refill(&mut self, socket: &impl Receive) -> Result<bool, Fault> {
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

/// Compares the digest of what came with the one that came with it.
fn compare(digest: &[u8], trailer: Option<&[u8]>) -> Result<(), Fault> {
    match trailer == Some(digest) {
        true => Ok(()),
        false => Err(Fault::Digest),
    }
}
