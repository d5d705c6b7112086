// SPDX-License-Identifier: GPL-2.0

//! Operations on a block device, each made of as many bios as the device needs.
//!
//! An [`Operation`] is given away when it is submitted and comes back when all of its bios have
//! ended. Nothing is allocated for it but the bios, which come from a reserve.
//!
//! C header: [`include/linux/bio.h`](srctree/include/linux/bio.h)

pub(crate) use super::bio_command::Command;

use super::{
    bdev::Device,
    bindings,
    block_status::BlockStatus, //
};
use core::{
    mem::MaybeUninit,
    ops::{
        Deref,
        DerefMut, //
    },
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::{
    block::SECTOR_SHIFT,
    error::to_result,
    page::{
        Page,
        PAGE_SIZE, //
    },
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Full,
            Relaxed, //
        },
        rcu, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
    types::Opaque, //
};

/// Bios that are always there.
const RESERVE: u32 = 64;

/// Most pages that one bio gets, `BIO_MAX_VECS` in C.
const MAX_PAGES: u32 = 256;

/// Longest bio that carries no data, in bytes: its size has 32 bits.
const MAX_BARE_BYTES: u64 = 0xfff0_0000;

/// Whether the submitter can wait for the device and for memory.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Wait {
    /// Yes.
    Allowed,
    /// No: what would have to wait ends with [`BlockStatus::Again`].
    Never,
}

/// What an operation belongs to: the owner of its memory, who hears of its end.
pub(crate) trait Owner: Send + Sized + 'static {
    /// Returns the pages that data is read into or written from, without gaps.
    fn pages(&self) -> &[Page];

    /// Takes the operation back, which ended with `status`.
    ///
    /// Called in any context, also with interrupts disabled and from within [`Set::submit`]: it
    /// must not sleep.
    fn complete(operation: KBox<Operation<Self>>, status: BlockStatus);
}

/// An operation on a block device, with the `value` that it belongs to.
pub(crate) struct Operation<T> {
    /// Bios that have not ended, and one more while some may still be submitted.
    left: Atomic<u32>,
    /// The [`BlockStatus`] so far, as for C.
    status: Atomic<u32>,
    /// The set that the operation was submitted to; null when it was not.
    set: *const Set,
    value: T,
}

// SAFETY: The pointer is only used while the operation is under way, and the set can be used from
// any thread.
unsafe impl<T: Send> Send for Operation<T> {}

impl<T> Operation<T> {
    /// Returns an operation that is not under way.
    pub(crate) fn new(value: T) -> Self {
        Self {
            left: Atomic::new(0),
            status: Atomic::new(0),
            set: ptr::null(),
            value,
        }
    }

    /// Notes that a bio ended with `status`. The first failure counts, but one that asks for
    /// another attempt counts only if there is no other.
    fn note(&self, status: u8) {
        let new = u32::from(status);
        let again = u32::from(BlockStatus::Again.to_raw());

        if status == BlockStatus::Ok.to_raw() {
            return;
        }
        if self.status.cmpxchg(0, new, Relaxed) == Err(again) {
            // Whoever was faster than this brought a real failure, too.
            let _ = self.status.cmpxchg(again, new, Relaxed);
        }
    }
}

impl<T> Deref for Operation<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Operation<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

/// A block device and the bios for it.
///
/// Dropping it waits until all operations have ended and nothing of [`Owner::complete`] runs any
/// more.
///
/// # Invariants
///
/// `bios` is initialised. `active` is at least the number of operations that were submitted and
/// whose [`Owner::complete`] has not returned.
#[pin_data(PinnedDrop)]
pub(crate) struct Set {
    #[pin]
    bios: Opaque<bindings::bio_set>,
    active: Atomic<usize>,
    /// After `bios`: all of them are gone when the device is closed.
    device: Device,
}

// SAFETY: A `struct bio_set` may be used and freed by any thread.
unsafe impl Send for Set {}

// SAFETY: A `struct bio_set` has locks of its own.
unsafe impl Sync for Set {}

impl Set {
    /// Prepares for operations on `device`. Process context.
    pub(crate) fn new(device: Device) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            // INVARIANT: By the call of `bioset_init()`.
            bios <- Opaque::try_ffi_init(|slot: *mut bindings::bio_set| {
                // SAFETY: `slot` is valid for writes, pinned, and all zeroes as C wants it.
                to_result(unsafe {
                    ptr::write_bytes(slot, 0, 1);
                    bindings::bioset_init(slot, RESERVE, 0, bindings::BIOSET_NEED_BVECS as c_int)
                })
            }),
            active: Atomic::new(0),
            device,
        })
    }

    /// Returns the device.
    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// Carries out `command` on `bytes` bytes from `sector` on. Process context.
    ///
    /// Both have to be multiples of the logical block; a [`Command::Flush`] has no bytes. The
    /// operation comes back by [`Owner::complete`], maybe before this returns.
    ///
    /// # Errors
    ///
    /// Returns the operation if nothing was done: because its pages hold less than `bytes`, or
    /// because there was no memory for a bio, which cannot happen when waiting is allowed.
    pub(crate) fn submit<T: Owner>(
        &self,
        mut operation: KBox<Operation<T>>,
        command: Command,
        sector: u64,
        bytes: u64,
        wait: Wait,
    ) -> Result<(), KBox<Operation<T>>> {
        let pages = operation.pages().len();

        if command.has_data() && bytes > (pages as u64).saturating_mul(PAGE_SIZE as u64) {
            return Err(operation);
        }
        operation.set = self;
        operation.status.store(0, Relaxed);
        operation.left.store(1, Relaxed);

        // INVARIANT: The operation is counted before its first bio is submitted.
        self.active.add(1, Relaxed);

        // INVARIANT: The operation was just given up by its box, and the share of `left` that it
        // began with belongs to the submission.
        let submission = Submission {
            set: self,
            operation: NonNull::from(KBox::leak(operation)),
            opf: command.opf(),
            wait,
        };
        let submitted = match command.has_data() {
            true => submission.submit_pages(sector, bytes),
            false => submission.submit_bare(sector, bytes),
        };
        let operation = submission.operation;
        let status = match submitted {
            Submitted::Nothing => {
                // INVARIANT: There are no bios.
                self.active.fetch_sub(1, Full);
                // SAFETY: The pointer is that of a box, and no bio has it.
                return Err(unsafe { KBox::from_raw(operation.as_ptr()) });
            }
            Submitted::Part => BlockStatus::Again,
            Submitted::All => BlockStatus::Ok,
        };

        // SAFETY: This is the share of the submission, which is not used any more.
        unsafe { finish(operation, status.to_raw()) };
        Ok(())
    }
}

#[pinned_drop]
impl PinnedDrop for Set {
    fn drop(self: Pin<&mut Self>) {
        while self.active.load(kernel::sync::atomic::Acquire) != 0 {
            fsleep(Delta::from_millis(1));
        }
        // The last operation was counted off in an RCU read section: once that is over, all of
        // the callback is.
        //
        // SAFETY: There are no requirements to call this in process context.
        unsafe { bindings::synchronize_rcu() };
        // SAFETY: By the type invariants, the set is initialised. No bio of it is left.
        unsafe { bindings::bioset_exit(self.bios.get()) };
    }
}

/// How much of an operation became bios.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Submitted {
    /// None.
    Nothing,
    /// Some, then there was no memory.
    Part,
    /// All.
    All,
}

/// An operation that is being submitted.
///
/// # Invariants
///
/// `operation` is the pointer of a box, valid for reads, and one share of its `left` belongs to the
/// submission.
struct Submission<'a, T> {
    set: &'a Set,
    operation: NonNull<Operation<T>>,
    opf: bindings::blk_opf_t,
    wait: Wait,
}

impl<T: Owner> Submission<'_, T> {
    /// Returns the operation.
    fn operation(&self) -> &Operation<T> {
        // SAFETY: By the type invariants, the pointer is valid, and stays so as long as there is
        // the share. Nobody has an exclusive reference before the last share is gone.
        unsafe { self.operation.as_ref() }
    }

    /// Submits bios that move `bytes` bytes from or to the pages.
    fn submit_pages(&self, mut sector: u64, bytes: u64) -> Submitted {
        let most = self.most_pages();
        let mut left = bytes;
        let mut pages = self.operation().pages();
        let mut submitted = Submitted::Nothing;

        while left > 0 {
            let (now, rest) = pages.split_at(pages.len().min(most));
            let len = left.min(now.len() as u64 * PAGE_SIZE as u64);
            let Some(bio) = self.bio(sector, now.len()) else {
                return submitted;
            };

            if len == 0 || !add_pages(bio, now, len) {
                // This does not happen: the bio has room for all pages, and there are enough of
                // them. If it does it is an error, not silence.
                return self.give_up(bio);
            }
            self.submit(bio);
            submitted = Submitted::Part;
            sector += len >> SECTOR_SHIFT;
            left -= len;
            pages = rest;
        }
        Submitted::All
    }

    /// Ends the operation with an error instead of submitting `bio`.
    fn give_up(&self, bio: NonNull<bindings::bio>) -> Submitted {
        self.operation().note(BlockStatus::Io.to_raw());
        // SAFETY: The bio is ours and was not submitted.
        unsafe { bindings::bio_put(bio.as_ptr()) };
        Submitted::All
    }

    /// Submits bios that carry no data, one at least.
    fn submit_bare(&self, mut sector: u64, bytes: u64) -> Submitted {
        let mut left = bytes;
        let mut submitted = Submitted::Nothing;

        loop {
            let Some(bio) = self.bio(sector, 0) else {
                return submitted;
            };
            let len = left.min(MAX_BARE_BYTES);

            // SAFETY: The bio was just allocated and is ours. The length fits, see the constant.
            unsafe { (*bio.as_ptr()).bi_iter.bi_size = len as u32 };
            self.submit(bio);
            submitted = Submitted::Part;
            sector += len >> SECTOR_SHIFT;
            left -= len;
            if left == 0 {
                return Submitted::All;
            }
        }
    }

    /// Returns how many pages a bio may have without being split by the device.
    fn most_pages(&self) -> usize {
        let (sectors, segments) = self.set.device.max_request();
        let pages = sectors / (PAGE_SIZE >> SECTOR_SHIFT) as u32;

        pages.min(segments).clamp(1, MAX_PAGES) as usize
    }

    /// Allocates a bio with room for `pages` pages.
    fn bio(&self, sector: u64, pages: usize) -> Option<NonNull<bindings::bio>> {
        let (flags, gfp) = match self.wait {
            Wait::Allowed => (0, bindings::GFP_NOIO),
            Wait::Never => (bindings::REQ_NOWAIT, bindings::GFP_NOWAIT),
        };

        // SAFETY: By the type invariants of `Set`, the set and the device are valid.
        let bio = NonNull::new(unsafe {
            bindings::bio_alloc_bioset(
                self.set.device.as_ptr(),
                pages as c_ushort,
                self.opf | flags,
                gfp,
                self.set.bios.get(),
            )
        })?;

        // SAFETY: The bio was just allocated and is ours.
        unsafe {
            let bio = bio.as_ptr();

            (*bio).bi_iter.bi_sector = sector;
            (*bio).bi_private = self.operation.as_ptr().cast();
            (*bio).bi_end_io = Some(end_io::<T>);
        }
        Some(bio)
    }

    /// Submits a bio of [`Self::bio`].
    fn submit(&self, bio: NonNull<bindings::bio>) {
        self.operation().left.add(1, Relaxed);
        // SAFETY: The bio is complete and ours to submit. What it refers to, the operation, its
        // pages and the device, is there until it has ended.
        unsafe { bindings::submit_bio(bio.as_ptr()) };
    }
}

/// Adds the first `len` bytes of `pages` to `bio`; returns whether there was room.
fn add_pages(bio: NonNull<bindings::bio>, pages: &[Page], len: u64) -> bool {
    let mut left = len;

    for page in pages {
        let now = left.min(PAGE_SIZE as u64);

        if now == 0 {
            break;
        }
        // SAFETY: The bio is valid and not submitted yet, the page is valid.
        let added = unsafe { bindings::bio_add_page(bio.as_ptr(), page.as_ptr(), now as u32, 0) };
        if added as u64 != now {
            return false;
        }
        left -= now;
    }
    left == 0
}

/// Called when a bio ends.
///
/// # Safety
///
/// `bio` must come from [`Submission::bio`] with the same `T`.
unsafe extern "C" fn end_io<T: Owner>(bio: *mut bindings::bio) {
    let _rcu = rcu::read_lock();

    // SAFETY: By the requirements of this function, the bio is valid, and it refers to an
    // operation that is there until all of its bios have been counted off.
    unsafe {
        let status = (*bio).bi_status;
        let operation = NonNull::new((*bio).bi_private.cast::<Operation<T>>());

        bindings::bio_put(bio);
        if let Some(operation) = operation {
            finish(operation, status);
        }
    }
}

/// Counts off a share of an operation, and gives it back to its owner if it was the last one.
///
/// # Safety
///
/// The caller must own a share of `left`, which is used up. If no `Set` is borrowed for the
/// duration of the call, it must be made in an RCU read section.
unsafe fn finish<T: Owner>(operation: NonNull<Operation<T>>, status: u8) {
    // SAFETY: The operation is there as long as its shares are.
    let shared = unsafe { operation.as_ref() };
    let set = shared.set;

    shared.note(status);
    if shared.left.fetch_sub(1, Full) != 1 {
        return;
    }

    // SAFETY: This was the last share: nobody else has the pointer, which comes from a box.
    let operation = unsafe { KBox::from_raw(operation.as_ptr()) };
    let status = BlockStatus::from_raw(operation.status.load(Relaxed) as u8);

    T::complete(operation, status);
    // INVARIANT: `complete()` has returned.
    // SAFETY: Dropping a set waits for its operations, and for RCU read sections after that.
    unsafe { &*set }.active.fetch_sub(1, Full);
}

/// Calls `submit`, and keeps what it submits together, so that the device gets it in one go.
pub(crate) fn batch<R>(submit: impl FnOnce() -> R) -> R {
    let mut plug = MaybeUninit::<bindings::blk_plug>::zeroed();

    // SAFETY: The plug is valid for writes and does not move until it is finished below, by the
    // same task.
    unsafe { bindings::blk_start_plug(plug.as_mut_ptr()) };
    let result = submit();
    // SAFETY: The plug was started above.
    unsafe { bindings::blk_finish_plug(plug.as_mut_ptr()) };
    result
}
