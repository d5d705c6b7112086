// SPDX-License-Identifier: GPL-2.0

//! Small pieces of memory that a socket may keep references to.
//!
//! What is sent without a copy must not change until the other side has acknowledged it. An
//! [`Arena`] therefore never writes to a page that anybody else still refers to.

use super::bindings;
use kernel::{
    page::{
        Page,
        PAGE_SIZE, //
    },
    prelude::*, //
};

/// A few bytes of a page.
///
/// # Invariants
///
/// `page` is valid, `self` owns a reference to it, and `offset + len <= PAGE_SIZE`.
pub(crate) struct Fragment {
    page: *mut bindings::page,
    offset: u32,
    len: u32,
    spliceable: bool,
}

// SAFETY: A page is not tied to a thread, and its reference count is atomic.
unsafe impl Send for Fragment {}

impl Fragment {
    /// Returns the number of bytes.
    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    /// Returns all but the first `skip` bytes as a piece of a list.
    pub(super) fn as_piece(&self, skip: usize) -> bindings::bio_vec {
        let skip = self.len.min(u32::try_from(skip).unwrap_or(u32::MAX));

        bindings::bio_vec {
            bv_page: self.page,
            bv_len: self.len - skip,
            bv_offset: self.offset + skip,
        }
    }

    /// Returns whether a socket may refer to the bytes instead of copying them.
    pub(super) fn spliceable(&self) -> bool {
        self.spliceable
    }
}

impl Drop for Fragment {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, `self` owns a reference to the page.
        unsafe { bindings::put_page(self.page) };
    }
}

/// Where fragments come from: a ring of pages, allocated once.
///
/// While sockets refer to all of them, fragments come from a page of which they have to copy.
/// Nothing is ever allocated, so nothing fails for lack of memory.
pub(crate) struct Arena {
    ring: KVec<Page>,
    current: usize,
    used: usize,
    spare: Page,
    spare_used: usize,
}

impl Arena {
    /// Allocates an arena of `pages` pages, one of them kept for fragments that are copied.
    pub(crate) fn new(pages: usize) -> Result<Self> {
        let mut ring = KVec::with_capacity(pages, GFP_KERNEL)?;
        for _ in 1..pages {
            ring.push(Page::alloc_page(GFP_KERNEL)?, GFP_KERNEL)?;
        }
        Ok(Self {
            ring,
            current: 0,
            used: 0,
            spare: Page::alloc_page(GFP_KERNEL)?,
            spare_used: 0,
        })
    }

    /// Returns whether `len` more bytes fit into the current page of the ring, moving on to the
    /// next one if nobody refers to that any more.
    fn make_room(&mut self, len: usize) -> bool {
        if self.current < self.ring.len() && self.used + len <= PAGE_SIZE {
            return true;
        }
        let next = if self.current + 1 < self.ring.len() {
            self.current + 1
        } else {
            0
        };
        match self.ring.get(next) {
            Some(page) if !is_shared(page) => {
                self.current = next;
                self.used = 0;
                len <= PAGE_SIZE
            }
            _ => false,
        }
    }

    /// Returns whether there is room for fragments of `len` bytes together, at most a page.
    pub(crate) fn has_room(&mut self, len: usize) -> bool {
        if self.make_room(len) {
            return true;
        }
        if !is_shared(&self.spare) {
            self.spare_used = 0;
        }
        self.spare_used + len <= PAGE_SIZE
    }

    /// Copies `bytes`, and `more` behind them, into a new fragment.
    ///
    /// Returns [`None`] if all memory is in use, which ends when fragments are dropped.
    pub(crate) fn copy(&mut self, bytes: &[u8], more: &[u8]) -> Option<Fragment> {
        let len = bytes.len() + more.len();
        if self.make_room(len) {
            let page = self.ring.get(self.current)?;
            let fragment = fill(page, self.used, bytes, more, true)?;
            self.used += len;
            return Some(fragment);
        }
        if !is_shared(&self.spare) {
            self.spare_used = 0;
        }
        let fragment = fill(&self.spare, self.spare_used, bytes, more, false)?;
        self.spare_used += len;
        Some(fragment)
    }
}

/// Returns whether anybody but its owner refers to `page`.
pub(crate) fn is_shared(page: &Page) -> bool {
    // SAFETY: The page is valid.
    unsafe { bindings::page_count(page.as_ptr()) > 1 }
}

/// Writes `bytes`, and `more` behind them, to `page` at `offset` and makes them a fragment, if they
/// fit.
fn fill(
    page: &Page,
    offset: usize,
    bytes: &[u8],
    more: &[u8],
    spliceable: bool,
) -> Option<Fragment> {
    // SAFETY: `bytes` is valid for reads of its length, and `write_raw` checks the range in the
    // page. Nobody reads these bytes of the page: they have not been given out since all
    // references to the page were gone.
    unsafe { page.write_raw(bytes.as_ptr(), offset, bytes.len()) }.ok()?;
    if !more.is_empty() {
        // SAFETY: As above.
        unsafe { page.write_raw(more.as_ptr(), offset + bytes.len(), more.len()) }.ok()?;
    }
    // SAFETY: The page is valid.
    unsafe { bindings::get_page(page.as_ptr()) };

    // INVARIANT: A reference was just taken; `write_raw` checked the range.
    Some(Fragment {
        page: page.as_ptr(),
        offset: offset as u32,
        len: (bytes.len() + more.len()) as u32,
        spliceable,
    })
}
