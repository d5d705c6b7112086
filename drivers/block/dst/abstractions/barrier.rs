// SPDX-License-Identifier: GPL-2.0

//! Memory barriers between CPUs.
//!
//! The kernel crate has them too, but what they take differs from release to release.
//!
//! C header: [`include/asm-generic/barrier.h`](srctree/include/asm-generic/barrier.h)

use super::bindings;

/// A full barrier: nothing before it in the program is seen by another CPU after anything that
/// follows it. May be called in any context.
pub(crate) fn smp_mb() {
    // SAFETY: Barriers have no preconditions.
    unsafe { bindings::smp_mb() };
}
