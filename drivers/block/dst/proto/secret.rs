// SPDX-License-Identifier: GPL-2.0

//! Keys: secret ones, which clean up behind themselves, and public ones.

use core::fmt::{
    self,
    Write as _, //
};
use core::hint::black_box;

/// Bytes in a key, secret or public.
pub const KEY_SIZE: usize = 32;

/// Overwrites `bytes` with zeroes, also if nobody looks at them any more.
pub fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    // Whatever this does with the zeroes, the compiler has to write them first.
    black_box(bytes);
}

/// Bytes of the stack that a handshake leaves secrets in.
pub const HANDSHAKE_STACK: usize = 4096;

/// Bytes of the stack that deriving a key leaves secrets in.
pub const DERIVE_STACK: usize = 1024;

/// Does `work`, and overwrites the `STACK` bytes that this has used first of its stack.
///
/// Whatever handles secrets by value is called by this: where they were moved away from they are
/// still there, in a thread that may sleep for days before it uses as much of its stack again. The
/// result must not hold any.
pub fn without_trace<const STACK: usize, R>(work: impl FnOnce() -> R) -> R {
    let result = beneath(work);

    wipe_stack(STACK);
    result
}

/// Does `work` in a frame of its own, which begins where that of [`wipe_stack`] does.
#[inline(never)]
fn beneath<R>(work: impl FnOnce() -> R) -> R {
    work()
}

/// Overwrites so many bytes of the stack, or somewhat more, that the caller does not use: one frame
/// below the other, as none is to be large.
#[inline(never)]
fn wipe_stack(len: usize) {
    const FRAME: usize = 1024;
    let mut frame = [0; FRAME];

    wipe(&mut frame);
    if let Some(rest @ 1..) = len.checked_sub(FRAME) {
        wipe_stack(rest);
    }
    // It is still in use, so that what is below it has a place of its own.
    black_box(&mut frame);
}

/// A secret key, which is overwritten when it is dropped.
///
/// It cannot be printed, compared or copied by accident. Like any value of Rust it may leave bytes
/// behind where it is moved away from, see [`without_trace`]: what is kept for long belongs into an
/// allocation of its own, and is filled there or passed on by reference.
pub struct Secret([u8; KEY_SIZE]);

impl Secret {
    /// Zeroes only: what takes the place of a preshared key if there is none.
    pub const fn zero() -> Self {
        Self([0; KEY_SIZE])
    }

    /// The secret that `fill` writes in place of zeroes.
    pub fn with(fill: impl FnOnce(&mut [u8; KEY_SIZE])) -> Self {
        let mut secret = Self::zero();

        fill(&mut secret.0);
        secret
    }

    /// The secret that `fill` writes in place of zeroes, unless that returns false.
    pub fn try_with(fill: impl FnOnce(&mut [u8; KEY_SIZE]) -> bool) -> Option<Self> {
        let mut secret = Self::zero();

        fill(&mut secret.0).then_some(secret)
    }

    /// Has `fill` write the bytes where they are, so that they never were anywhere else.
    pub fn fill<E>(
        &mut self,
        fill: impl FnOnce(&mut [u8; KEY_SIZE]) -> Result<(), E>,
    ) -> Result<(), E> {
        fill(&mut self.0)
    }

    /// Takes the bytes of `other`, where they are to stay.
    pub fn set(&mut self, other: &Self) {
        self.0.copy_from_slice(&other.0);
    }

    /// Whether all bytes are zero, which is no secret. The time that it takes tells nothing.
    pub fn is_zero(&self) -> bool {
        black_box(self.0.iter().fold(0, |sum, byte| sum | byte)) == 0
    }

    /// Whether `other` has the same bytes. The time that it takes tells nothing.
    pub fn is_same(&self, other: &Self) -> bool {
        let pairs = self.0.iter().zip(&other.0);

        black_box(pairs.fold(0, |sum, (ours, theirs)| sum | (ours ^ theirs))) == 0
    }

    /// The bytes, for those who calculate with them.
    #[inline]
    pub fn expose(&self) -> &[u8; KEY_SIZE] {
        &self.0
    }

    /// Another secret with the same bytes, for whoever needs one of its own.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self::with(|bytes| bytes.copy_from_slice(&self.0))
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// A public key of X25519. Every 32 bytes are one, whether they are good for anything or not.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct PublicKey(pub [u8; KEY_SIZE]);

impl fmt::Display for PublicKey {
    /// Writes the key as people know it, in base64.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for group in self.0.chunks(3) {
            let mut bytes = [0; 4];

            for (to, from) in bytes.iter_mut().skip(1).zip(group) {
                *to = *from;
            }

            let bits = u32::from_be_bytes(bytes);

            for (index, shift) in [18_u32, 12, 6, 0].into_iter().enumerate() {
                let digit = bits.checked_shr(shift).unwrap_or(0) & 63;

                f.write_char(match index <= group.len() {
                    true => digit_of(digit),
                    false => '=',
                })?;
            }
        }
        Ok(())
    }
}

/// The character that base64 has for six bits.
fn digit_of(bits: u32) -> char {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    usize::try_from(bits)
        .ok()
        .and_then(|index| DIGITS.get(index))
        .copied()
        .map_or('?', char::from)
}
