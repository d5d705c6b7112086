// SPDX-License-Identifier: GPL-2.0

//! What has to be over before the code of the module goes.
//!
//! The kernel frees a module when its exit function has returned, whoever is still in one of its
//! functions. Most of what C calls is waited for where it is taken back. Four things are not:
//!
//! - A disk has a function that C calls when the last reference goes, and its operations are looked
//!   at before that. Who opens or closes a disk has a reference for longer than he keeps the module.
//! - A plug calls a function of ours when the task that has it gets to its end.
//! - The callbacks of a socket are looked up without a lock. Who has done that may come in after they
//!   were taken back, finds nobody to tell, and goes again.
//! - What tells a waiter that it was the last call, such as the end of a bio, is not the last
//!   instruction of a function.
//!
//! C header: [`include/linux/rcupdate.h`](srctree/include/linux/rcupdate.h)

use super::{
    bindings,
    disk,
    plug, //
};
use kernel::time::{
    delay::fsleep,
    Delta, //
};

/// Milliseconds after which it is looked again whether all of them are gone.
const STEP_MS: i64 = 10;

/// Keeps the code of the module until nobody is in it. Whoever is the module has to have one, and to
/// drop it as the last of what it has: its disks, sockets and bios.
///
/// Dropping it waits for references to disks and for plugs, which nobody holds for long any more: who has
/// a disk open keeps the module, and a plug is emptied before its task sleeps. Process context; sleeps.
pub(crate) struct Unload(());

impl Unload {
    /// To be made before anything else.
    pub(crate) const fn new() -> Self {
        Self(())
    }
}

impl Drop for Unload {
    fn drop(&mut self) {
        while disk::are_left() || plug::are_left() {
            fsleep(Delta::from_millis(STEP_MS));
        }
        // SAFETY: There are no requirements to call this where one may sleep.
        unsafe { bindings::dstblk_wait_for_callers() };
    }
}
