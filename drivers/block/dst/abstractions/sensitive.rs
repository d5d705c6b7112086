// SPDX-License-Identifier: GPL-2.0

//! Memory for what nobody may find when it is not needed any more.

use core::{
    hint::black_box,
    mem::{
        ManuallyDrop,
        MaybeUninit, //
    },
    ptr, //
};
use kernel::prelude::*;

/// A value in memory of its own, which is overwritten when the value has left it, also if it was
/// moved elsewhere and cannot clean up behind itself.
///
/// # Invariants
///
/// The memory holds a value.
pub(crate) struct SensitiveBox<T>(KBox<MaybeUninit<T>>);

impl<T> SensitiveBox<T> {
    /// Moves `value` into memory of its own. Process context; may sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory.
    pub(crate) fn new(value: T) -> Result<Self> {
        // INVARIANT: The value was just put there.
        Ok(Self(KBox::new(MaybeUninit::new(value), GFP_KERNEL)?))
    }

    /// Moves the value out.
    pub(crate) fn into_inner(self) -> T {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: By the type invariants, there is a value. `this` is not dropped, and the memory is
        // not looked at as a value any more.
        let value = unsafe { this.0.assume_init_read() };

        wipe(&mut this.0);
        // SAFETY: The box is taken out once, and `this` is not used any more.
        drop(unsafe { ptr::read(&this.0) });
        value
    }
}

impl<T> Drop for SensitiveBox<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, there is a value, and nobody looks at it after this.
        unsafe { self.0.assume_init_drop() };
        wipe(&mut self.0);
    }
}

/// Overwrites `memory`, also if nobody looks at it any more.
fn wipe<T>(memory: &mut MaybeUninit<T>) {
    // SAFETY: The memory is valid for writes, and need not hold a value.
    unsafe { ptr::write_bytes(memory.as_mut_ptr(), 0, 1) };
    // Whatever this does with the zeroes, the compiler has to write them first.
    black_box(memory);
}
