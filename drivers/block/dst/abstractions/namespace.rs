// SPDX-License-Identifier: GPL-2.0

//! Network namespaces.
//!
//! C header: [`include/net/net_namespace.h`](srctree/include/net/net_namespace.h)

use super::bindings;
use core::ptr::NonNull;

/// A reference to a network namespace.
///
/// # Invariants
///
/// The pointer is valid, and `self` owns a reference to it.
pub(crate) struct Namespace(NonNull<bindings::net>);

// SAFETY: A namespace is not tied to a thread, and its reference count is atomic.
unsafe impl Send for Namespace {}

// SAFETY: Nothing in here changes a namespace but its reference count, which is atomic.
unsafe impl Sync for Namespace {}

impl Namespace {
    /// Takes a reference to `net`.
    ///
    /// # Safety
    ///
    /// `net` must be valid for the duration of the call.
    pub(super) unsafe fn from_raw(net: NonNull<bindings::net>) -> Self {
        // SAFETY: By the requirements of this function, `net` is valid.
        unsafe { bindings::get_net(net.as_ptr()) };

        // INVARIANT: A reference was just taken.
        Self(net)
    }

    /// Returns the pointer for a call into C.
    pub(super) fn as_ptr(&self) -> *mut bindings::net {
        self.0.as_ptr()
    }
}

impl Clone for Namespace {
    fn clone(&self) -> Self {
        // SAFETY: By the type invariants, the pointer is valid.
        unsafe { Self::from_raw(self.0) }
    }
}

impl PartialEq for Namespace {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Namespace {}

impl Drop for Namespace {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, `self` owns a reference.
        unsafe { bindings::put_net(self.0.as_ptr()) };
    }
}
