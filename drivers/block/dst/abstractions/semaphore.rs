// SPDX-License-Identifier: GPL-2.0

//! A lock that sleepers can hold and that can be tried in any context.
//!
//! A mutex must not be tried in a softirq, and a spinlock not be held by who sleeps. What is worked
//! on now by a task that may sleep and now in the callback of a socket needs a semaphore.
//!
//! C header: [`include/linux/semaphore.h`](srctree/include/linux/semaphore.h)

use super::bindings;
use kernel::{
    prelude::*,
    sync::lock::{
        Backend,
        Lock, //
    }, //
};

/// Creates a [`Semaphore`] initialiser with the given name.
macro_rules! new_semaphore {
    ($inner:expr, $name:literal $(,)?) => {
        $crate::abstractions::semaphore::Semaphore::new(
            $inner,
            ::kernel::c_str!($name),
            ::kernel::static_lock_class!(),
        )
    };
}
pub(crate) use new_semaphore;

/// A lock that one can have at a time.
///
/// Process context waits for it with `lock()`. With `try_lock()` it can be taken, and let go of, in
/// any context but NMI. Lockdep does not follow it.
pub(crate) type Semaphore<T> = Lock<T, SemaphoreBackend>;

/// A [`Backend`] of `down()` and `up()`.
pub(crate) struct SemaphoreBackend;

// SAFETY: A semaphore with a count of one ensures mutual exclusion. `relock` is the default
// implementation, which calls `lock`.
unsafe impl Backend for SemaphoreBackend {
    type State = bindings::semaphore;
    type GuardState = ();

    #[inline]
    unsafe fn init(
        ptr: *mut Self::State,
        _name: *const c_char,
        _key: *mut bindings::lock_class_key,
    ) {
        // SAFETY: By the requirements of this function, `ptr` is valid for writes.
        unsafe { bindings::sema_init(ptr, 1) }
    }

    #[inline]
    unsafe fn lock(ptr: *mut Self::State) -> Self::GuardState {
        // SAFETY: By the requirements of this function, `ptr` is an initialised semaphore.
        unsafe { bindings::down(ptr) }
    }

    #[inline]
    unsafe fn try_lock(ptr: *mut Self::State) -> Option<Self::GuardState> {
        // SAFETY: By the requirements of this function, `ptr` is an initialised semaphore.
        (unsafe { bindings::down_trylock(ptr) } == 0).then_some(())
    }

    #[inline]
    unsafe fn unlock(ptr: *mut Self::State, _guard_state: &Self::GuardState) {
        // SAFETY: By the requirements of this function, the caller has taken the semaphore.
        unsafe { bindings::up(ptr) }
    }

    #[inline]
    unsafe fn assert_is_held(ptr: *mut Self::State) {
        // SAFETY: By the requirements of this function, `ptr` is an initialised semaphore.
        unsafe { bindings::dstblk_sema_assert_is_held(ptr) }
    }
}
