// SPDX-License-Identifier: GPL-2.0

//! Software interrupts.
//!
//! C header: [`include/linux/bottom_half.h`](srctree/include/linux/bottom_half.h)

use super::bindings;
use kernel::types::NotThreadSafe;

/// While this exists, this processor handles no software interrupts, and the current task is as
/// atomic as they are: it must not sleep, and is not preempted. Scopes nest.
///
/// Any context but hard interrupts and those in which interrupts are disabled.
pub(crate) struct BottomHalvesOff(NotThreadSafe);

impl BottomHalvesOff {
    /// Begins the scope.
    pub(crate) fn new() -> Self {
        // SAFETY: This counts for the current task, which `drop()` undoes: the scope cannot move to
        // another one.
        unsafe { bindings::local_bh_disable() };
        Self(NotThreadSafe)
    }
}

impl Drop for BottomHalvesOff {
    fn drop(&mut self) {
        // SAFETY: They were disabled in `new()`, by the same task.
        unsafe { bindings::local_bh_enable() };
    }
}
