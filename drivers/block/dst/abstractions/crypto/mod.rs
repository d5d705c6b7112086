// SPDX-License-Identifier: GPL-2.0

//! Cryptographic functions of the kernel's library, on slices.
//!
//! They need no memory but the stack, cannot fail for lack of anything, and may be called in any
//! context. None takes a time that depends on secrets.

pub(crate) mod blake2s;
pub(crate) mod chacha20poly1305;
pub(crate) mod curve25519;

use super::bindings;

/// Returns whether two pieces of memory are equal, in a time that depends on their length only.
///
/// C header: [`include/crypto/utils.h`](srctree/include/crypto/utils.h)
pub(crate) fn equal<const N: usize>(one: &[u8; N], other: &[u8; N]) -> bool {
    // SAFETY: Both are valid for reads of `N` bytes.
    unsafe { bindings::crypto_memneq(one.as_ptr().cast(), other.as_ptr().cast(), N) == 0 }
}
