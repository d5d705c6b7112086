// SPDX-License-Identifier: GPL-2.0

//! Authenticated encryption with ChaCha20-Poly1305 (RFC 8439).
//!
//! Nonces have 64 bits: those of the RFC are four zeroes and then this one, little endian.
//!
//! C header: [`include/crypto/chacha20poly1305.h`](srctree/include/crypto/chacha20poly1305.h)

use super::super::bindings;

/// Bytes in a key.
pub(crate) const KEY_SIZE: usize = 32;

/// Bytes by which sealing makes a text longer.
pub(crate) const TAG_SIZE: usize = 16;

/// Encrypts `buffer` but for its last [`TAG_SIZE`] bytes in place, and writes there the tag of that
/// and of `associated`.
///
/// Returns [`None`] if `buffer` has no room for a tag.
pub(crate) fn seal(
    key: &[u8; KEY_SIZE],
    nonce: u64,
    associated: &[u8],
    buffer: &mut [u8],
) -> Option<()> {
    let len = buffer.len().checked_sub(TAG_SIZE)?;
    let text = buffer.as_mut_ptr();

    // SAFETY: `text` is valid for reads of `len` bytes and for writes of 16 more, which is what
    // comes out; the function works in place, too. `associated` and `key` are valid for reads of
    // their lengths, which for the key is 32.
    unsafe {
        bindings::chacha20poly1305_encrypt(
            text,
            text,
            len,
            associated.as_ptr(),
            associated.len(),
            nonce,
            key.as_ptr(),
        )
    };
    Some(())
}

/// Reverses [`seal`]: decrypts `buffer` but for its last [`TAG_SIZE`] bytes in place.
///
/// Returns [`None`], and leaves `buffer` as it is, if the tag is not right or not there.
pub(crate) fn open(
    key: &[u8; KEY_SIZE],
    nonce: u64,
    associated: &[u8],
    buffer: &mut [u8],
) -> Option<()> {
    let text = buffer.as_mut_ptr();

    // SAFETY: `text` is valid for reads and writes of the length of `buffer`; less comes out, and
    // the function works in place, too. It refuses lengths below 16. `associated` and `key` are
    // valid for reads of their lengths, which for the key is 32.
    unsafe {
        bindings::chacha20poly1305_decrypt(
            text,
            text,
            buffer.len(),
            associated.as_ptr(),
            associated.len(),
            nonce,
            key.as_ptr(),
        )
    }
    .then_some(())
}
