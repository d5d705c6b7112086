// SPDX-License-Identifier: GPL-2.0

//! What the handshake calculates with, and the two constructions on top of the hash.

use core::array;

use super::super::secret::{
    wipe,
    PublicKey,
    Secret, //
};

/// Bytes that a hash has (HASHLEN).
pub const HASH_SIZE: usize = 32;

/// Bytes that the hash function takes in at a time (BLOCKLEN).
const BLOCK_SIZE: usize = 64;

/// Bytes by which sealing makes a text longer.
pub const TAG_SIZE: usize = 16;

/// Bytes of a message authentication code as [`short_mac`] makes it.
pub const MAC_SIZE: usize = 16;

/// The functions of X25519, ChaCha20-Poly1305 and BLAKE2s.
///
/// No function depends on secrets in the time that it takes, and none leaves them in memory.
pub trait Primitives {
    /// Writes BLAKE2s, with 32 bytes of output and without key, of `head` and all parts of `tail`,
    /// one behind the other.
    fn hash(head: &[u8], tail: &[&[u8]], hash: &mut [u8; HASH_SIZE]);

    /// The public key that belongs to `secret`, whose bytes may be any but zeroes only: those bits
    /// that RFC 7748 fixes are taken as it fixes them.
    fn public_key(secret: &Secret) -> Option<PublicKey>;

    /// The secret that the owners of the two keys share, unless it is all zeroes: then `public` is
    /// one of the few that make it the same whatever `secret` is.
    fn agree(secret: &Secret, public: &PublicKey) -> Option<Secret>;

    /// Encrypts `buffer` but for its last [`TAG_SIZE`] bytes, and writes there the tag of that and
    /// of `associated`. [`None`] if `buffer` has no room for a tag.
    ///
    /// The nonce of RFC 8439 is four zeroes and then `nonce`, little endian. A pair of key and
    /// nonce must not be used twice.
    fn seal(key: &Secret, nonce: u64, associated: &[u8], buffer: &mut [u8]) -> Option<()>;

    /// Reverses [`Self::seal`]. [`None`] if the tag is not right or not there; what `buffer` then
    /// holds is nothing that was sealed.
    fn open(key: &Secret, nonce: u64, associated: &[u8], buffer: &mut [u8]) -> Option<()>;

    /// Whether two codes are equal, in a time that does not tell where they differ.
    fn equal(one: &[u8; MAC_SIZE], other: &[u8; MAC_SIZE]) -> bool;
}

/// HASH of `head` and all parts of `tail`, one behind the other.
pub fn hash<P: Primitives>(head: &[u8], tail: &[&[u8]]) -> [u8; HASH_SIZE] {
    let mut hash = [0; HASH_SIZE];

    P::hash(head, tail, &mut hash);
    hash
}

/// HMAC-HASH of `parts`, one behind the other (RFC 2104).
pub fn hmac<P: Primitives>(key: &Secret, parts: &[&[u8]]) -> Secret {
    let inner = Secret::with(|hash| hash_padded::<P>(key, 0x36, parts, hash));

    Secret::with(|hash| hash_padded::<P>(key, 0x5c, &[inner.expose()], hash))
}

/// Writes HASH of a block that is `key`, filled up with zeroes, exclusive or `pad` everywhere, and
/// of all `parts`.
fn hash_padded<P: Primitives>(key: &Secret, pad: u8, parts: &[&[u8]], hash: &mut [u8; HASH_SIZE]) {
    let mut block = [pad; BLOCK_SIZE];

    for (to, from) in block.iter_mut().zip(key.expose()) {
        *to ^= from;
    }
    P::hash(&block, parts, hash);
    wipe(&mut block);
}

/// The first half of [`hmac`].
pub fn short_mac<P: Primitives>(key: &Secret, parts: &[&[u8]]) -> [u8; MAC_SIZE] {
    let whole = hmac::<P>(key, parts);
    let mut mac = [0; MAC_SIZE];

    for (to, from) in mac.iter_mut().zip(whole.expose()) {
        *to = *from;
    }
    mac
}

/// HKDF: the first `N` outputs for the chaining key `chaining` and the input key material `input`,
/// given in parts. `N` is at most 255; the specification needs 2 and 3, and whoever needs but one
/// gets the same first one.
pub fn hkdf<P: Primitives, const N: usize>(chaining: &Secret, input: &[&[u8]]) -> [Secret; N] {
    let key = hmac::<P>(chaining, input);
    let mut previous: Option<Secret> = None;
    let mut number = 0_u8;

    array::from_fn(|_| {
        let before = previous.as_ref().map_or(&[][..], |output| output.expose());

        number = number.wrapping_add(1);

        let output = hmac::<P>(&key, &[before, &[number]]);

        previous = Some(output.duplicate());
        output
    })
}
