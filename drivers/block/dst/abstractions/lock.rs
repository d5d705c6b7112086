// SPDX-License-Identifier: GPL-2.0

//! Spinlocks that keep interrupts of the local CPU out.
//!
//! [`SpinLockIrq`] protects what is shared with interrupt handlers and softirqs, such as the
//! completion of a bio or the callbacks of a socket. Nothing that is called while it is held may
//! sleep.
//!
//! C header: [`include/linux/spinlock.h`](srctree/include/linux/spinlock.h)

use super::bindings;
use kernel::{
    prelude::*,
    sync::lock::{
        Backend,
        Guard,
        Lock, //
    }, //
};

/// Creates a [`SpinLockIrq`] initialiser with the given name and a lock class of its own.
macro_rules! new_spinlock_irq {
    ($inner:expr, $name:literal $(,)?) => {
        $crate::abstractions::lock::SpinLockIrq::new(
            $inner,
            ::kernel::c_str!($name),
            ::kernel::static_lock_class!(),
        )
    };
}
pub(crate) use new_spinlock_irq;

/// A spinlock that is taken with interrupts of the local CPU disabled.
///
/// Taking it saves whether interrupts were enabled, letting go of it restores that; it may be
/// taken in any context.
///
/// Several of them held at once have to be let go of in the opposite order, as the guards do that go
/// at the end of a scope: the first one that was taken is what remembers that interrupts were enabled.
/// If it goes first, they are enabled while the other lock is held, and stay disabled after that.
pub(crate) type SpinLockIrq<T> = Lock<T, SpinLockIrqBackend>;

/// The guard of a [`SpinLockIrq`].
pub(crate) type SpinLockIrqGuard<'a, T> = Guard<'a, T, SpinLockIrqBackend>;

/// A [`Backend`] of `spin_lock_irqsave()` and `spin_unlock_irqrestore()`.
pub(crate) struct SpinLockIrqBackend;

// SAFETY: `spinlock_t` ensures mutual exclusion. `relock` is the default implementation, which
// calls `lock`.
unsafe impl Backend for SpinLockIrqBackend {
    type State = bindings::spinlock_t;
    type GuardState = c_ulong;

    #[inline]
    unsafe fn init(ptr: *mut Self::State, name: *const c_char, key: *mut bindings::lock_class_key) {
        // SAFETY: By the requirements of this function, `ptr` is valid for writes, and `name` and
        // `key` stay valid for ever.
        unsafe { bindings::__spin_lock_init(ptr, name, key) }
    }

    #[inline]
    unsafe fn lock(ptr: *mut Self::State) -> Self::GuardState {
        // SAFETY: By the requirements of this function, `ptr` is an initialised lock.
        unsafe { bindings::spin_lock_irqsave(ptr) }
    }

    #[inline]
    unsafe fn try_lock(ptr: *mut Self::State) -> Option<Self::GuardState> {
        let mut flags = 0;

        // SAFETY: By the requirements of this function, `ptr` is an initialised lock.
        unsafe { bindings::spin_trylock_irqsave(ptr, &mut flags) }.then_some(flags)
    }

    #[inline]
    unsafe fn unlock(ptr: *mut Self::State, guard_state: &Self::GuardState) {
        // SAFETY: By the requirements of this function, the caller owns the lock, and
        // `guard_state` is what taking it returned.
        unsafe { bindings::spin_unlock_irqrestore(ptr, *guard_state) }
    }

    #[inline]
    unsafe fn assert_is_held(ptr: *mut Self::State) {
        // SAFETY: By the requirements of this function, `ptr` is an initialised lock.
        unsafe { bindings::spin_assert_is_held(ptr) }
    }
}
