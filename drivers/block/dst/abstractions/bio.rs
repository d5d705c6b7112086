// SPDX-License-Identifier: GPL-2.0

//! Bios that a driver was given to carry out.
//!
//! C header: [`include/linux/bio.h`](srctree/include/linux/bio.h)

use super::{
    bindings,
    block_status::BlockStatus, //
};
use core::{
    mem::ManuallyDrop,
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::prelude::*;

/// What a bio asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Operation {
    /// Read into the memory of the bio.
    Read,
    /// Write from the memory of the bio, which may be none if a flush is all that is wanted.
    Write,
    /// Make what was written durable.
    Flush,
    /// The contents are not needed any more.
    Discard,
    /// Fill with zeroes.
    WriteZeroes,
    /// Something else.
    Other,
}

/// A bio that has to be carried out and ended.
///
/// Dropping it without [`Self::end`] ends it as failed: a bio is never lost.
///
/// # Invariants
///
/// The pointer is valid, and `self` has the right and the duty to end the bio. Its iterator is
/// where it was when the bio was submitted.
pub(crate) struct Bio(NonNull<bindings::bio>);

// SAFETY: A bio is not tied to a thread.
unsafe impl Send for Bio {}

// SAFETY: Nothing that is done through a shared reference changes the bio.
unsafe impl Sync for Bio {}

impl Bio {
    /// Takes over a bio.
    ///
    /// # Safety
    ///
    /// `bio` must be valid and was given to the caller to be ended.
    pub(super) unsafe fn from_raw(bio: NonNull<bindings::bio>) -> Self {
        // INVARIANT: By the requirements of this function.
        Self(bio)
    }

    /// Returns what it asks for, with its flags.
    ///
    /// Fields are read by themselves: others of the bio are C's, which may change them meanwhile.
    fn flags(&self) -> u32 {
        // SAFETY: By the type invariants, the pointer is valid; nobody changes this field of a bio
        // before it ends.
        unsafe { (*self.0.as_ptr()).bi_opf }
    }

    /// Returns where it is.
    fn iter(&self) -> bindings::bvec_iter {
        // SAFETY: By the type invariants, the pointer is valid, and the iterator stays as it is.
        unsafe { (*self.0.as_ptr()).bi_iter }
    }

    /// Returns its device, which is valid until it ends.
    fn device(&self) -> *mut bindings::block_device {
        // SAFETY: By the type invariants, the pointer is valid; nobody changes this field of a bio
        // before it ends.
        unsafe { (*self.0.as_ptr()).bi_bdev }
    }

    /// Returns what it asks for.
    pub(crate) fn operation(&self) -> Operation {
        match self.flags() & 0xff {
            bindings::req_op_REQ_OP_READ => Operation::Read,
            bindings::req_op_REQ_OP_WRITE => Operation::Write,
            bindings::req_op_REQ_OP_FLUSH => Operation::Flush,
            bindings::req_op_REQ_OP_DISCARD => Operation::Discard,
            bindings::req_op_REQ_OP_WRITE_ZEROES => Operation::WriteZeroes,
            _ => Operation::Other,
        }
    }

    /// Returns whether it is a read.
    pub(crate) fn is_read(&self) -> bool {
        self.operation() == Operation::Read
    }

    /// Returns whether the device's cache has to be flushed before it is carried out.
    pub(crate) fn preflush(&self) -> bool {
        self.flags() & bindings::REQ_PREFLUSH != 0
    }

    /// Returns whether it has to be durable when it ends.
    pub(crate) fn fua(&self) -> bool {
        self.flags() & bindings::REQ_FUA != 0
    }

    /// Returns whether the blocks have to stay allocated when zeroes are written.
    pub(crate) fn no_unmap(&self) -> bool {
        self.flags() & bindings::REQ_NOUNMAP != 0
    }

    /// Returns the major and the minor number of the disk.
    pub(crate) fn device_number(&self) -> (u32, u32) {
        // SAFETY: The device of a bio that was submitted and has not ended is valid, and so is its
        // disk, whose numbers do not change.
        unsafe {
            let disk = (*self.device()).bd_disk;

            ((*disk).major as u32, (*disk).first_minor as u32)
        }
    }

    /// Returns where it begins on the disk, in sectors.
    pub(crate) fn sector(&self) -> u64 {
        self.iter().bi_sector
    }

    /// Returns its length in bytes.
    pub(crate) fn len(&self) -> u32 {
        self.iter().bi_size
    }

    /// Returns the pieces of its memory from `offset` bytes on: none if it is something that has a
    /// length, but no memory.
    pub(super) fn segments(&self, offset: usize) -> Segments<'_> {
        let iter = self.iter();
        let mut segments = Segments {
            bio: self,
            index: iter.bi_idx as usize,
            // SAFETY: By the type invariants, the pointer is valid.
            done: unsafe { bindings::bio_segment_done(self.0.as_ptr()) } as usize,
            left: match self.operation() {
                Operation::Read | Operation::Write => iter.bi_size as usize,
                _ => 0,
            },
        };

        segments.skip_bytes(offset);
        segments
    }

    /// Accounts for the bio as begun; the result goes to [`Self::end_accounting`].
    pub(crate) fn start_accounting(&self) -> Accounting {
        // SAFETY: By the type invariants, the pointer is valid.
        Accounting(unsafe { bindings::bio_start_io_acct(self.0.as_ptr()) })
    }

    /// Accounts for the bio as done.
    pub(crate) fn end_accounting(&self, accounting: Accounting) {
        // SAFETY: By the type invariants, the pointer is valid, and so is the device of a bio that
        // has not ended.
        unsafe { bindings::bio_end_io_acct_remapped(self.0.as_ptr(), accounting.0, self.device()) };
    }

    /// Ends the bio. Whoever submitted it is called back from here, so no lock may be held that
    /// he might take.
    pub(crate) fn end(self, status: BlockStatus) {
        ManuallyDrop::new(self).end_by_ref(status);
    }

    /// Ends the bio, which must not be used afterwards.
    fn end_by_ref(&mut self, status: BlockStatus) {
        // SAFETY: By the type invariants, the pointer is valid and the bio is ours to end. All
        // callers give it up.
        unsafe {
            (*self.0.as_ptr()).bi_status = status.to_raw();
            bindings::bio_endio(self.0.as_ptr());
        }
    }
}

impl Drop for Bio {
    fn drop(&mut self) {
        self.end_by_ref(BlockStatus::Io);
    }
}

/// Bios in the order in which they came. Putting one in needs no memory.
///
/// # Invariants
///
/// `first` is null or the first of a list, connected by `bi_next`, of bios that are ours to end; if
/// it is not null, `last` is the last one of them.
pub(crate) struct List {
    first: *mut bindings::bio,
    last: *mut bindings::bio,
}

// SAFETY: This is a list of owned bios.
unsafe impl Send for List {}

impl List {
    /// Returns a list without bios.
    pub(crate) const fn new() -> Self {
        // INVARIANT: `first` is null.
        Self {
            first: ptr::null_mut(),
            last: ptr::null_mut(),
        }
    }

    /// Adds a bio as the last one.
    pub(crate) fn push(&mut self, bio: Bio) {
        let bio = ManuallyDrop::new(bio).0.as_ptr();

        // SAFETY: The bio is valid and ours, which includes its list pointer, and so is, by the
        // type invariants, the last one.
        unsafe {
            (*bio).bi_next = ptr::null_mut();
            if self.first.is_null() {
                self.first = bio;
            } else {
                (*self.last).bi_next = bio;
            }
        }
        // INVARIANT: The bio was connected to the list at its end.
        self.last = bio;
    }

    /// Returns whether there are no bios.
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_null()
    }

    /// Takes the first bio.
    pub(crate) fn pop(&mut self) -> Option<Bio> {
        let bio = NonNull::new(self.first)?;

        // SAFETY: By the type invariants, the bio is valid and ours.
        // INVARIANT: The first bio is taken out of the list.
        self.first = unsafe { (*bio.as_ptr()).bi_next };
        // SAFETY: As above. Whoever ends a bio must not leave it pointing to another one.
        unsafe { (*bio.as_ptr()).bi_next = ptr::null_mut() };

        // INVARIANT: It was ours to end.
        Some(Bio(bio))
    }
}

impl Drop for List {
    fn drop(&mut self) {
        while let Some(bio) = self.pop() {
            drop(bio);
        }
    }
}

/// When the accounting of a bio began.
#[derive(Clone, Copy)]
pub(crate) struct Accounting(c_ulong);

impl Accounting {
    /// Returns how long ago that was, in milliseconds.
    pub(crate) fn age_ms(self) -> u32 {
        // SAFETY: There are no requirements.
        unsafe { bindings::dstblk_msecs_since(self.0) }
    }
}

/// Iterator over the pieces of a bio's memory. A piece may be larger than a page.
pub(super) struct Segments<'a> {
    bio: &'a Bio,
    index: usize,
    done: usize,
    left: usize,
}

impl Segments<'_> {
    /// Returns what is left of the current piece, clipped to the bio.
    fn current(&self) -> Option<bindings::bio_vec> {
        if self.left == 0 {
            return None;
        }
        // SAFETY: There are bytes left, so this is a bio with memory, and by the rules of these there
        // is a vector at `index` that holds the first of them. The bio is valid as it is borrowed.
        let vector = unsafe { *(*self.bio.0.as_ptr()).bi_io_vec.add(self.index) };
        let len = (vector.bv_len as usize - self.done).min(self.left);

        Some(bindings::bio_vec {
            bv_page: vector.bv_page,
            bv_len: len as u32,
            bv_offset: vector.bv_offset + self.done as u32,
        })
    }

    /// Goes on by `len` bytes, which must not be more than the current piece has.
    fn advance(&mut self, len: usize, whole: bool) {
        self.left -= len;
        if whole {
            self.index += 1;
            self.done = 0;
        } else {
            self.done += len;
        }
    }

    /// Leaves out the next `bytes` bytes.
    fn skip_bytes(&mut self, mut bytes: usize) {
        while let Some(piece) = self.current() {
            if bytes == 0 {
                break;
            }
            let len = piece.bv_len as usize;
            let now = len.min(bytes);

            self.advance(now, now == len);
            bytes -= now;
        }
    }
}

impl Iterator for Segments<'_> {
    type Item = bindings::bio_vec;

    fn next(&mut self) -> Option<Self::Item> {
        let piece = self.current()?;

        self.advance(piece.bv_len as usize, true);
        Some(piece)
    }
}
