// SPDX-License-Identifier: GPL-2.0

//! The pages of a connection.
//!
//! Pages are allocated when they are needed for the first time, never more than the credits of the
//! connection allow to be in use, and used again and again. What was sent without copying belongs
//! to the network until that has let go of it, and a device may be reached over a network, too:
//! pages wait until nobody else refers to them.

use kernel::{
    page::Page,
    prelude::*, //
};

use crate::abstractions::fragment::is_shared;

/// The unused pages of a connection.
pub(super) struct Memory {
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

        for _ in 0..reserve.min(limit) {
            free.push(Page::alloc_page(GFP_KERNEL | __GFP_ZERO)?, GFP_KERNEL)?;
        }
        Ok(Self {
            free,
            lent: KVVec::with_capacity(limit, GFP_KERNEL)?,
            next: 0,
        })
    }

    /// Adds pages to `pages` until there are `count`; returns whether that succeeded.
    ///
    /// It does not wait. If it fails it is worth another attempt when requests have been answered,
    /// or after a while.
    pub(super) fn fill(&mut self, pages: &mut KVec<Page>, count: usize) -> bool {
        let missing = count.saturating_sub(pages.len());

        if pages.reserve(missing, GFP_NOWAIT | __GFP_NOWARN).is_err() {
            return false;
        }
        for _ in 0..missing {
            let Some(page) = self.page() else {
                return false;
            };
            if pages.push_within_capacity(page).is_err() {
                return false;
            }
        }
        true
    }

    /// Takes pages back.
    pub(super) fn put(&mut self, pages: &mut KVec<Page>) {
        while let Some(page) = pages.pop() {
            let place = match is_shared(&page) {
                true => &mut self.lent,
                false => &mut self.free,
            };

            // Pages that find no room are given back to the system: the network has its own
            // references to what it still needs.
            let _ = place.push_within_capacity(page);
        }
    }

    /// Returns a page that nobody refers to.
    fn page(&mut self) -> Option<Page> {
        if let Some(page) = self.free.pop() {
            return Some(page);
        }
        self.returned()
            .or_else(|| Page::alloc_page(GFP_NOWAIT | __GFP_NOWARN | __GFP_ZERO).ok())
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
