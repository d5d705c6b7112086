// SPDX-License-Identifier: GPL-2.0

//! Lists of the pieces of memory that one call to a socket sends from or receives into.
//!
//! A list borrows what it points to, so that nothing can go away while the socket works on it. It
//! is built anew for each call, over memory that is allocated once.
//!
//! C header: [`include/linux/bvec.h`](srctree/include/linux/bvec.h)

use super::{
    bindings,
    bio::Bio,
    fragment::Fragment, //
};
use core::{
    marker::PhantomData,
    mem::MaybeUninit, //
};
use kernel::{
    page::{
        Page,
        PAGE_SIZE, //
    },
    prelude::*, //
};

/// Memory for a list of at most a fixed number of pieces.
pub(crate) struct Pieces(KVec<bindings::bio_vec>);

// SAFETY: The pointers in the list are only used while an `Iovec` borrows both the list and what
// they point to; in between they are just numbers.
unsafe impl Send for Pieces {}

impl Pieces {
    /// Allocates memory for lists of up to `capacity` pieces.
    pub(crate) fn new(capacity: usize) -> Result<Self> {
        Ok(Self(KVec::with_capacity(capacity, GFP_KERNEL)?))
    }
}

/// Marks a list to send from.
pub(crate) enum Source {}

/// Marks a list to receive into.
pub(crate) enum Dest {}

/// A list to send from.
pub(crate) type Gather<'a> = Iovec<'a, Source>;

/// A list to receive into.
pub(crate) type Scatter<'a> = Iovec<'a, Dest>;

/// A list of pieces of memory.
///
/// # Invariants
///
/// Each piece is valid for `'a`, for reads, and for a list to receive into also for writes;
/// `bytes` is the sum of their lengths.
pub(crate) struct Iovec<'a, D> {
    pieces: &'a mut KVec<bindings::bio_vec>,
    bytes: usize,
    spliceable: bool,
    _direction: PhantomData<(&'a Page, D)>,
}

impl<'a, D> Iovec<'a, D> {
    /// Starts an empty list.
    pub(crate) fn new(pieces: &'a mut Pieces) -> Self {
        pieces.0.clear();

        // INVARIANT: The list is empty.
        Self {
            pieces: &mut pieces.0,
            bytes: 0,
            spliceable: true,
            _direction: PhantomData,
        }
    }

    /// Returns the number of bytes in the list.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns whether the socket may take references to the memory instead of copying it.
    pub(super) fn spliceable(&self) -> bool {
        self.spliceable
    }

    /// Returns the pieces for a call into C.
    pub(super) fn as_slice(&self) -> &[bindings::bio_vec] {
        self.pieces
    }

    /// Adds a piece; returns whether there was room.
    ///
    /// # Safety
    ///
    /// The piece must be valid for `'a`, for reads, and if `D` is [`Dest`] also for writes.
    unsafe fn push(&mut self, piece: bindings::bio_vec) -> bool {
        let len = piece.bv_len as usize;
        if len == 0 {
            return true;
        }
        let offset = piece.bv_offset as usize;
        // C counts whole pages from the one on in which the piece begins.
        let span = offset % PAGE_SIZE + len;
        // SAFETY: By the requirements of this function, the pages of the piece are valid, and each of
        // these has some of it.
        let ok = unsafe { bindings::sendpages_ok(piece.bv_page, span, offset) };
        if self.pieces.push_within_capacity(piece).is_err() {
            return false;
        }

        // INVARIANT: By the requirements of this function.
        self.spliceable &= ok;
        self.bytes += len;
        true
    }

    /// Adds the bytes `offset..offset + len` of the concatenation of `pages`; returns whether all
    /// of it had room and existed.
    fn push_page_range(&mut self, pages: &'a [Page], offset: usize, len: usize) -> bool {
        let mut page = offset / PAGE_SIZE;
        let mut start = offset % PAGE_SIZE;
        let mut left = len;

        while left > 0 {
            let Some(current) = pages.get(page) else {
                return false;
            };
            let now = left.min(PAGE_SIZE - start);
            let piece = bindings::bio_vec {
                bv_page: current.as_ptr(),
                bv_len: now as u32,
                bv_offset: start as u32,
            };
            // SAFETY: The range is inside of the page, which is borrowed for `'a`. Its bytes may
            // be written through a shared reference: `Page` gives out no references to them.
            if !unsafe { self.push(piece) } {
                return false;
            }
            page += 1;
            start = 0;
            left -= now;
        }
        true
    }

    /// Adds the bytes `offset..offset + len` of the data of `bio`; returns whether all of it had
    /// room and existed.
    fn push_bio_range(&mut self, bio: &'a Bio, offset: usize, len: usize) -> bool {
        let mut left = len;

        for piece in bio.segments(offset) {
            if left == 0 {
                break;
            }
            let now = left.min(piece.bv_len as usize);
            // SAFETY: The segments of a bio are valid until it ends, which it cannot while it is
            // borrowed. The caller has checked the direction.
            if !unsafe {
                self.push(bindings::bio_vec {
                    bv_len: now as u32,
                    ..piece
                })
            } {
                return false;
            }
            left -= now;
        }
        left == 0
    }
}

impl<'a> Iovec<'a, Source> {
    /// Adds the bytes `offset..offset + len` of the concatenation of `pages`, to be copied by the
    /// socket: when a call to it returns, it does not refer to them. Returns whether all of it had
    /// room and existed.
    pub(crate) fn push_copied(&mut self, pages: &'a [Page], offset: usize, len: usize) -> bool {
        self.spliceable = false;
        self.push_page_range(pages, offset, len)
    }

    /// Adds all but the first `skip` bytes of `fragment`; returns whether there was room.
    pub(crate) fn push_fragment(&mut self, fragment: &'a Fragment, skip: usize) -> bool {
        let piece = fragment.as_piece(skip);
        let spliceable = fragment.spliceable();

        // SAFETY: The fragment is valid while it is borrowed.
        let pushed = unsafe { self.push(piece) };
        self.spliceable &= spliceable;
        pushed
    }

    /// Adds the bytes `offset..offset + len` of the concatenation of `pages`; returns whether all
    /// of it had room and existed. What had room is in the list in any case.
    pub(crate) fn push_pages(&mut self, pages: &'a [Page], offset: usize, len: usize) -> bool {
        self.push_page_range(pages, offset, len)
    }

    /// Adds the bytes `offset..offset + len` of the data of `bio`; returns whether all of it had
    /// room and existed. What had room is in the list in any case.
    pub(crate) fn push_bio(&mut self, bio: &'a Bio, offset: usize, len: usize) -> bool {
        self.push_bio_range(bio, offset, len)
    }

    /// Copies what the list holds to the concatenation of `pages`, from `offset` on; returns how
    /// much had room.
    pub(crate) fn copy_to_pages(&self, pages: &[Page], offset: usize) -> usize {
        let mut iter = MaybeUninit::<bindings::iov_iter>::zeroed();
        let mut done = 0;

        // SAFETY: The iterator is valid for writes, and the pieces by the type invariants for
        // reads.
        unsafe {
            bindings::iov_iter_bvec(
                iter.as_mut_ptr(),
                bindings::ITER_SOURCE,
                self.pieces.as_ptr(),
                self.pieces.len() as c_ulong,
                self.bytes,
            )
        };
        while done < self.bytes {
            let to = offset + done;
            let start = to % PAGE_SIZE;
            let len = (PAGE_SIZE - start).min(self.bytes - done);
            let Some(page) = pages.get(to / PAGE_SIZE) else {
                break;
            };
            // SAFETY: The range is inside of the page, whose bytes may be written through a shared
            // reference: `Page` gives out no references to them. The iterator was initialised
            // above, and what it goes over is valid for reads.
            let copied = unsafe {
                bindings::copy_page_from_iter(page.as_ptr(), start, len, iter.as_mut_ptr())
            };

            done += copied;
            if copied < len {
                break;
            }
        }
        done
    }
}

impl<'a> Iovec<'a, Dest> {
    /// Adds the bytes `offset..offset + len` of the concatenation of `pages`; returns whether all
    /// of it had room and existed. What had room is in the list in any case.
    pub(crate) fn push_pages(&mut self, pages: &'a [Page], offset: usize, len: usize) -> bool {
        self.push_page_range(pages, offset, len)
    }

    /// Adds the bytes `offset..offset + len` of the data of `bio`, which has to be a read; returns
    /// whether it is, and all of it had room and existed. What had room is in the list in any
    /// case.
    pub(crate) fn push_bio(&mut self, bio: &'a Bio, offset: usize, len: usize) -> bool {
        bio.is_read() && self.push_bio_range(bio, offset, len)
    }

    /// Adds all of `buffer`; returns whether there was room.
    pub(crate) fn push_buffer(&mut self, buffer: &'a mut KVec<u8>) -> bool {
        let len = buffer.len();

        self.push_buffer_range(buffer, 0, len)
    }

    /// Adds the bytes `start..start + len` of `buffer`; returns whether they exist and there was
    /// room.
    pub(crate) fn push_buffer_range(
        &mut self,
        buffer: &'a mut KVec<u8>,
        start: usize,
        len: usize,
    ) -> bool {
        let Some(range) = start
            .checked_add(len)
            .and_then(|end| buffer.get_mut(start..end))
        else {
            return false;
        };
        let first = range.as_mut_ptr();

        if len == 0 {
            return true;
        }

        let piece = bindings::bio_vec {
            // SAFETY: The memory of a `KVec` that is not empty comes from `kmalloc()`.
            bv_page: unsafe { bindings::virt_to_page(first.cast()) },
            bv_len: len as u32,
            bv_offset: (first as usize % PAGE_SIZE) as u32,
        };

        // SAFETY: The buffer is borrowed for `'a`, and nobody else has a reference to it. The
        // pages of memory from `kmalloc()` follow each other.
        unsafe { self.push(piece) }
    }

    /// Copies what the concatenation of `pages` holds from `offset` on to where data would be
    /// received; returns how much had room and existed.
    pub(crate) fn copy_pages(&self, pages: &[Page], offset: usize) -> usize {
        let mut iter = MaybeUninit::<bindings::iov_iter>::zeroed();
        let mut done = 0;

        // SAFETY: The iterator is valid for writes, and the pieces by the type invariants, too.
        unsafe {
            bindings::iov_iter_bvec(
                iter.as_mut_ptr(),
                bindings::ITER_DEST,
                self.pieces.as_ptr(),
                self.pieces.len() as c_ulong,
                self.bytes,
            )
        };
        while done < self.bytes {
            let from = offset + done;
            let start = from % PAGE_SIZE;
            let len = (PAGE_SIZE - start).min(self.bytes - done);
            let Some(page) = pages.get(from / PAGE_SIZE) else {
                break;
            };
            // SAFETY: The range is inside of the page; the iterator was initialised above, and
            // what it goes over is valid for writes.
            let copied = unsafe {
                bindings::copy_page_to_iter(page.as_ptr(), start, len, iter.as_mut_ptr())
            };

            done += copied;
            if copied < len {
                break;
            }
        }
        done
    }

    /// Copies the beginning of `bytes` to where data would be received; returns how much had room.
    pub(crate) fn write(&self, bytes: &[u8]) -> usize {
        let mut iter = MaybeUninit::<bindings::iov_iter>::zeroed();

        // SAFETY: The iterator is valid for writes, the pieces by the type invariants, too, and the
        // bytes for reads.
        unsafe {
            bindings::iov_iter_bvec(
                iter.as_mut_ptr(),
                bindings::ITER_DEST,
                self.pieces.as_ptr(),
                self.pieces.len() as c_ulong,
                self.bytes,
            );
            bindings::_copy_to_iter(
                bytes.as_ptr().cast(),
                bytes.len().min(self.bytes),
                iter.as_mut_ptr(),
            )
        }
    }
}
