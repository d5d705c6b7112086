// SPDX-License-Identifier: GPL-2.0

//! The key agreement X25519 (RFC 7748).
//!
//! Secret keys may be any 32 bytes: the bits that the RFC fixes are taken as it fixes them, which
//! the functions of the kernel leave to their callers on some machines.
//!
//! C header: [`include/crypto/curve25519.h`](srctree/include/crypto/curve25519.h)

use super::super::bindings;

/// Bytes in a key.
pub(crate) const KEY_SIZE: usize = 32;

/// Writes the public key that belongs to `secret`. Returns false if `secret` is all zeroes.
#[must_use]
pub(crate) fn public_key(secret: &[u8; KEY_SIZE], public: &mut [u8; KEY_SIZE]) -> bool {
    // SAFETY: `secret` is valid for reads and `public` for writes of 32 bytes.
    unsafe { bindings::dstblk_curve25519_public(public.as_mut_ptr(), secret.as_ptr()) }
}

/// Writes the secret that the owners of the two keys share. Returns false if it is all zeroes:
/// then `public` is one of the few keys that make it so for everybody.
#[must_use]
pub(crate) fn agree(
    secret: &[u8; KEY_SIZE],
    public: &[u8; KEY_SIZE],
    shared: &mut [u8; KEY_SIZE],
) -> bool {
    // SAFETY: `secret` and `public` are valid for reads and `shared` for writes of 32 bytes.
    unsafe { bindings::dstblk_curve25519(shared.as_mut_ptr(), secret.as_ptr(), public.as_ptr()) }
}
