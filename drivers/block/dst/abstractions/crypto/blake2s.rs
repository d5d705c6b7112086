// SPDX-License-Identifier: GPL-2.0

//! The hash function BLAKE2s (RFC 7693).
//!
//! C header: [`include/crypto/blake2s.h`](srctree/include/crypto/blake2s.h)

use super::super::bindings;

/// Bytes in a hash.
pub(crate) const HASH_SIZE: usize = 32;

/// Writes the hash, without key, of all `pieces`, one behind the other.
///
/// Nothing of the pieces stays on the stack.
pub(crate) fn hash<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, hash: &mut [u8; HASH_SIZE]) {
    let mut state = bindings::blake2s_ctx::default();

    // SAFETY: `state` is valid for writes, and 32 is an allowed length of a hash.
    unsafe { bindings::blake2s_init(&mut state, HASH_SIZE) };
    for piece in pieces {
        // SAFETY: `state` was initialised above, and `piece` is valid for reads of its length.
        unsafe { bindings::blake2s_update(&mut state, piece.as_ptr(), piece.len()) };
    }
    // SAFETY: `state` was initialised above for hashes of 32 bytes, for which `hash` has room. The
    // state, which is zeroed by this, is not used again.
    unsafe { bindings::blake2s_final(&mut state, hash.as_mut_ptr()) };
}
