// SPDX-License-Identifier: GPL-2.0

//! Memory of a connection's own, for data that cannot be dealt with where it is.

use crate::{
    abstractions::{
        aead::TAG_SIZE,
        iovec::{
            Gather,
            Pieces,
            Scatter, //
        }, //
    },
    proto::{
        digest::MAX_SIZE,
        frame::MAX_PAYLOAD, //
    }, //
};
use kernel::{
    page::{
        Page,
        PAGE_SIZE, //
    },
    prelude::*, //
};

use super::{
    inbox::Destination,
    outbox::Body, //
};

/// Bytes of the longest data and what protects it: a tag, or a digest.
pub(super) const MAX_PROTECTED: usize = MAX_PAYLOAD as usize
    + match TAG_SIZE < MAX_SIZE {
        true => MAX_SIZE,
        false => TAG_SIZE,
    };

/// The longest block of a cipher. What begins at another place than a multiple of this goes through
/// memory that the kernel allocates for each block that lies in two pages.
const BLOCK: usize = 64;

/// Some pages, allocated once, that are given away from the beginning to the end.
///
/// They are many, and a client needs them to connect again, which it may have to do to get memory.
/// So they are handed from one connection to the next.
pub(crate) struct Staging {
    pages: KVec<Page>,
    used: usize,
}

impl Staging {
    /// Allocates memory to send from: one frame of the largest size, and many small ones before
    /// it. Process context.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory.
    pub(crate) fn for_sending() -> Result<Self> {
        Self::new(2)
    }

    /// Allocates memory to receive into, one frame at a time; see [`Self::for_sending`].
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory.
    pub(crate) fn for_receiving() -> Result<Self> {
        Self::new(1)
    }

    /// Allocates room for so many frames of the largest size, protected or not.
    fn new(frames: usize) -> Result<Self> {
        let count = (frames * MAX_PROTECTED).div_ceil(PAGE_SIZE);
        let mut pages = KVec::with_capacity(count, GFP_KERNEL)?;

        for _ in 0..count {
            pages.push(Page::alloc_page(GFP_KERNEL)?, GFP_KERNEL)?;
        }
        Ok(Self { pages, used: 0 })
    }

    /// Returns the memory.
    pub(super) fn pages(&self) -> &[Page] {
        &self.pages
    }

    /// Returns how many bytes are left.
    pub(super) fn room(&self) -> usize {
        self.pages.len() * PAGE_SIZE - self.used
    }

    /// Gives `len` bytes away, to be sealed or not; returns where they begin, or [`None`] if there are
    /// not so many.
    pub(super) fn take(&mut self, len: usize) -> Option<usize> {
        if self.room() < len {
            return None;
        }

        let start = self.used;

        // There are whole pages, so this is not more than there is.
        self.used = (start + len).next_multiple_of(BLOCK);
        Some(start)
    }

    /// Returns the `len` bytes that begin at `start`.
    pub(super) fn part(&self, start: usize, len: usize) -> Part<'_> {
        Part {
            pages: &self.pages,
            start,
            len,
        }
    }

    /// Takes everything back.
    pub(super) fn reset(&mut self) {
        self.used = 0;
    }
}

/// Some bytes of such memory.
pub(super) struct Part<'s> {
    pages: &'s [Page],
    start: usize,
    len: usize,
}

impl Part<'_> {
    /// Copies the data of `body` to here.
    ///
    /// # Errors
    ///
    /// `EINVAL` if there is no room for it.
    pub(super) fn copy_from(&self, body: &impl Body, pieces: &mut Pieces) -> Result {
        let mut done = 0;

        if body.len() > self.len {
            return Err(EINVAL);
        }
        while done < body.len() {
            let mut list = Gather::new(pieces);

            body.gather(done, &mut list);
            match list.copy_to_pages(self.pages, self.start + done) {
                0 => return Err(EINVAL),
                copied => done += copied,
            }
        }
        Ok(())
    }

    /// Copies what is here to where data would be received.
    ///
    /// # Errors
    ///
    /// `EINVAL` if there is no room for it.
    pub(super) fn copy_to(&self, destination: &impl Destination, pieces: &mut Pieces) -> Result {
        let mut done = 0;

        while done < self.len {
            let mut list = Scatter::new(pieces);

            destination.scatter(done, &mut list);
            match list.copy_pages(self.pages, self.start + done) {
                0 => return Err(EINVAL),
                copied => done += copied,
            }
        }
        Ok(())
    }
}

impl Destination for Part<'_> {
    fn len(&self) -> usize {
        self.len
    }

    fn scatter<'a>(&'a self, skip: usize, list: &mut Scatter<'a>) {
        list.push_pages(self.pages, self.start + skip, self.len.saturating_sub(skip));
    }
}

/// Memory that a connection has left for the next one of its kind.
pub(crate) struct Spares {
    to_send: Option<Staging>,
    to_receive: Option<Staging>,
}

impl Spares {
    /// Returns none.
    pub(crate) const fn new() -> Self {
        Self {
            to_send: None,
            to_receive: None,
        }
    }

    /// Takes memory to send from and memory to receive into, or allocates it. Process context.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory. What there is stays for the next attempt.
    pub(crate) fn take(&mut self) -> Result<(Staging, Staging)> {
        if self.to_send.is_none() {
            self.to_send = Some(Staging::for_sending()?);
        }
        if self.to_receive.is_none() {
            self.to_receive = Some(Staging::for_receiving()?);
        }
        self.to_send
            .take()
            .zip(self.to_receive.take())
            .ok_or(ENOMEM)
    }

    /// Takes back what a connection does not need any more.
    pub(crate) fn give_back(&mut self, to_send: Option<Staging>, to_receive: Option<Staging>) {
        self.to_send = to_send.or(self.to_send.take());
        self.to_receive = to_receive.or(self.to_receive.take());
    }
}
