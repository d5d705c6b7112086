// SPDX-License-Identifier: GPL-2.0

//! Batches of who submits.
//!
//! A task that has several bios to submit says so with a plug, and takes it away when it has
//! submitted all; if it goes to sleep before, the scheduler does. A driver may let lie until then
//! what it was given, and do something once for all of it.
//!
//! C header: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h)

use super::bindings;
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        Arc, //
    }, //
};

/// Plugs that have something of ours.
static LEFT: Atomic<usize> = Atomic::new(0);

/// Returns whether C will still call a function of ours. When it will not, somebody may still return
/// from one.
pub(super) fn are_left() -> bool {
    LEFT.load(Acquire) != 0
}

/// When a batch is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Moment {
    /// The task says so, most often because it has submitted all. Process context.
    Complete,
    /// The task is about to sleep, or may be. Nothing may sleep now, nor wake up the current task.
    AboutToSleep,
}

/// Hears of the end of batches.
///
/// It may be dropped in any context, if the last reference is that of a batch.
pub(crate) trait Unplug: Send + Sync + 'static {
    /// Called when a batch is over, by the task that has submitted it. It may hold locks that one may
    /// sleep with, but no spinlocks.
    fn unplug(&self, moment: Moment);
}

/// What is in a plug.
///
/// # Invariants
///
/// If `held`, the data of `callback` is a reference to an `Arc<T>` that belongs to this object, for the
/// `T` of `callback`'s function.
#[repr(C)]
struct Entry {
    callback: bindings::blk_plug_cb,
    held: bool,
    /// Of what was let lie.
    amount: u32,
}

/// Has `object` hear when the current task has submitted all it has to submit. It hears of that once
/// for each batch, however often this is called.
///
/// Returns false if what the driver was given, of which there is `amount`, has to be seen to at once,
/// together with what was let lie before: when the task does not submit in batches, when there is no
/// memory to remember this, or when that makes `limit` or more.
///
/// Any context in which bios are submitted. It allocates a few bytes for each batch, but does not wait
/// for them.
pub(crate) fn defer<T: Unplug>(object: &Arc<T>, amount: u32, limit: u32) -> bool {
    if amount >= limit {
        return false;
    }

    let data = Arc::as_ptr(object).cast_mut();
    // SAFETY: The size is that of a structure that begins with that of C. What is called gets what
    // was allocated here for it, and the data is only compared until it is.
    let callback = unsafe {
        bindings::blk_check_plugged(Some(unplug::<T>), data.cast(), size_of::<Entry>() as c_int)
    };

    if callback.is_null() {
        return false;
    }

    // SAFETY: Not being null, this was allocated here or in an earlier call, with that size and
    // zeroed, of which all fields may consist; nobody else touches it as long as the task is in here.
    let entry = unsafe { &mut *callback.cast::<Entry>() };

    if !entry.held {
        // The plug has its address already.
        let _ = Arc::into_raw(object.clone());
        // INVARIANT: This is the reference.
        entry.held = true;
        LEFT.fetch_add(1, Relaxed);
    }
    entry.amount = entry.amount.saturating_add(amount);
    if entry.amount >= limit {
        entry.amount = 0;
        return false;
    }
    true
}

/// Tells of the end of a batch.
///
/// # Safety
///
/// `callback` was made by [`defer`] for the same `T`, is in no plug any more, and not used afterwards.
unsafe extern "C" fn unplug<T: Unplug>(callback: *mut bindings::blk_plug_cb, from_schedule: bool) {
    // SAFETY: By the requirements nobody else has it, and `defer` has taken the reference before it
    // returned. It is used up here, and only here.
    let object = unsafe { Arc::from_raw((*callback).data.cast_const().cast::<T>()) };

    // SAFETY: It was allocated by `kzalloc()`, and is not used any more.
    unsafe { bindings::kfree(callback.cast_const().cast()) };
    object.unplug(match from_schedule {
        true => Moment::AboutToSleep,
        false => Moment::Complete,
    });
    drop(object);
    LEFT.fetch_sub(1, Release);
}
