// SPDX-License-Identifier: GPL-2.0

//! What memory there is, and what allocations of the current task may do.
//!
//! C headers: [`include/linux/mm.h`](srctree/include/linux/mm.h),
//! [`include/linux/sched/mm.h`](srctree/include/linux/sched/mm.h)

use super::bindings;
use kernel::{
    ffi::c_uint,
    types::NotThreadSafe, //
};

/// While this exists, no allocation of the current task starts I/O.
///
/// For all that a request to a block device may have to wait for. Scopes nest.
pub(crate) struct NoIoScope {
    flags: c_uint,
    _not_send: NotThreadSafe,
}

/// While this exists, allocations of the current task may use up the memory reserves.
///
/// Only for what frees memory in the end, and only for short.
pub(crate) struct ReserveScope {
    flags: c_uint,
    _not_send: NotThreadSafe,
}

impl NoIoScope {
    /// Begins the scope.
    pub(crate) fn new() -> Self {
        Self {
            // SAFETY: This changes a flag of the current task, which `drop()` changes back: the
            // scope cannot move to another task.
            flags: unsafe { bindings::memalloc_noio_save() },
            _not_send: NotThreadSafe,
        }
    }
}

impl Drop for NoIoScope {
    fn drop(&mut self) {
        // SAFETY: The flags come from the call in `new()`, by the same task.
        unsafe { bindings::memalloc_noio_restore(self.flags) };
    }
}

impl ReserveScope {
    /// Begins the scope.
    pub(crate) fn new() -> Self {
        Self {
            // SAFETY: This changes a flag of the current task, which `drop()` changes back: the
            // scope cannot move to another task.
            flags: unsafe { bindings::memalloc_noreclaim_save() },
            _not_send: NotThreadSafe,
        }
    }
}

impl Drop for ReserveScope {
    fn drop(&mut self) {
        // SAFETY: The flags come from the call in `new()`, by the same task.
        unsafe { bindings::memalloc_noreclaim_restore(self.flags) };
    }
}

/// Returns how many pages of memory this machine has.
pub(crate) fn machine_pages() -> u32 {
    // SAFETY: There are no requirements to call this.
    let pages = unsafe { bindings::totalram_pages() };

    u32::try_from(pages).unwrap_or(u32::MAX)
}
