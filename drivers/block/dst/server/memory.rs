// SPDX-License-Identifier: GPL-2.0

//! The pages of a connection.
//!
//! Pages are allocated when they are needed for the first time, never more than the credits of the
//! connection allow to be in use, and used again and again. What was sent without copying belongs
//! to the network until that has let go of it, and a device may be reached over a network, too:
//! pages wait until nobody else refers to them. There may be as many of these as can be in use, and
//! no more: a few bytes of data keep a whole page, and a socket counts only the bytes.

use kernel::{
    page::Page,
    prelude::*, //
};

use crate::abstractions::fragment::is_shared;

/// Why there is no page.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Short {
    /// The system has no memory at the moment.
    System,
    /// Others refer to too many.
    Lent,
}

/// The pages of a connection: those that are unused, and the number of the others.
///
/// There never are more than twice `limit` pages that are in use or lent.
pub(super) struct Memory {
    /// Pages that can be in use, as far as credits go.
    limit: usize,
    /// Pages that are in use.
    used: usize,
    /// Pages that nobody else refers to.
    free: KVVec<Page>,
    /// Pages that somebody else referred to when they came back.
    lent: KVVec<Page>,
    /// Where to look for one that is free by now.
    next: usize,
}

impl Memory {
    /// Returns the memory of a connection that may use up to `limit` pages, `reserve` of which are
    /// there from the beginning.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if they are not.
    pub(super) fn new(limit: usize, reserve: usize) -> Result<Self> {
        let mut free = KVVec::with_capacity(limit, GFP_KERNEL)?;
        let lent = KVVec::with_capacity(2 * limit, GFP_KERNEL)?;

        for _ in 0..reserve.min(limit) {
            free.push(Page::alloc_page(GFP_KERNEL | __GFP_ZERO)?, GFP_KERNEL)?;
        }
        Ok(Self {
            limit,
            used: 0,
            free,
            lent,
            next: 0,
        })
    }

    /// Adds pages to `pages` until there are `count`.
    ///
    /// # Errors
    ///
    /// Why there are not enough. It does not wait. It is worth another attempt when requests have
    /// been answered, or after a while.
    pub(super) fn fill(&mut self, pages: &mut KVec<Page>, count: usize) -> Result<(), Short> {
        let missing = count.saturating_sub(pages.len());

        pages
            .reserve(missing, GFP_NOWAIT | __GFP_NOWARN)
            .map_err(|_| Short::System)?;
        for _ in 0..missing {
            let page = self.page()?;

            self.used += 1;
            // There is room for it.
            let _ = pages.push_within_capacity(page);
        }
        Ok(())
    }

    /// Takes pages back.
    pub(super) fn put(&mut self, pages: &mut KVec<Page>) {
        while let Some(page) = pages.pop() {
            let place = match is_shared(&page) {
                true => &mut self.lent,
                false => &mut self.free,
            };

            self.used -= 1;
            // There is room for all that are lent, and free ones that find none are given back to
            // the system.
            let _ = place.push_within_capacity(page);
        }
    }

    /// Returns a page that nobody refers to.
    fn page(&mut self) -> Result<Page, Short> {
        if let Some(page) = self.free.pop().or_else(|| self.returned()) {
            return Ok(page);
        }
        if self.used + self.lent.len() < 2 * self.limit {
            return Page::alloc_page(GFP_NOWAIT | __GFP_NOWARN | __GFP_ZERO)
                .map_err(|_| Short::System);
        }
        self.reclaim();
        self.free.pop().ok_or(Short::Lent)
    }

    /// Looks for all pages that others have let go of.
    fn reclaim(&mut self) {
        for index in (0..self.lent.len()).rev() {
            if self.lent.get(index).is_none_or(is_shared) {
                continue;
            }

            let last = self.lent.len() - 1;

            self.lent.swap(index, last);
            if let Some(page) = self.lent.pop() {
                let _ = self.free.push_within_capacity(page);
            }
        }
    }

    /// Returns a page that others have let go of.
    ///
    /// Pages come back in about the order in which they were lent, so it is enough to look at a
    /// few.
    fn returned(&mut self) -> Option<Page> {
        const LOOKS: usize = 4;

        for _ in 0..LOOKS.min(self.lent.len()) {
            if self.next >= self.lent.len() {
                self.next = 0;
            }
            if !is_shared(self.lent.get(self.next)?) {
                let last = self.lent.len() - 1;

                self.lent.swap(self.next, last);
                return self.lent.pop();
            }
            self.next += 1;
        }
        None
    }
}
