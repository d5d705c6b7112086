// SPDX-License-Identifier: GPL-2.0

//! Primitives of the handshake: hash and cipher are the real ones, the group is a small one.
//!
//! X25519 would take nearly all of the time. What is looked for here are faults of the handshake,
//! not of the group, and this one even helps: of the 32 bytes of a public key it only looks at eight,
//! so whoever forgets to hash a key lets changes of the others through.

use blake2::{
    Blake2s256,
    Digest as _, //
};
use chacha20poly1305::{
    AeadInPlace as _,
    ChaCha20Poly1305,
    KeyInit as _,
    Nonce,
    Tag, //
};
use dst_proto::noise::pattern::KeyPair;
use dst_proto::noise::primitives::{
    Primitives,
    HASH_SIZE,
    MAC_SIZE,
    TAG_SIZE, //
};
use dst_proto::secret::{
    PublicKey,
    Secret,
    KEY_SIZE, //
};

/// The primitives.
pub enum Small {}

/// Order of the field, a prime.
const PRIME: u64 = (1 << 61) - 1;

/// What everything is a power of.
const BASE: u64 = 37;

/// The secret that is made of one number.
pub fn secret(number: u8) -> Secret {
    Secret::with(|bytes| {
        for (byte, index) in bytes.iter_mut().zip(1..) {
            *byte = number.wrapping_mul(29).wrapping_add(index);
        }
    })
}

/// The keys that belong to that secret.
pub fn pair(number: u8) -> KeyPair {
    KeyPair::new::<Small>(secret(number)).expect("a key")
}

/// The first eight bytes of a key.
fn number(key: &[u8; KEY_SIZE]) -> u64 {
    key.iter()
        .take(8)
        .rev()
        .fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

/// `base` to the power of `exponent`.
fn power(base: u64, exponent: u64) -> u64 {
    // A number is, for this prime, as good as the sum of its digits of 61 bits.
    let times = |a: u64, b: u64| {
        let product = u128::from(a) * u128::from(b);
        let sum = (product as u64 & PRIME) + (product >> 61) as u64;

        match sum >= PRIME {
            true => sum - PRIME,
            false => sum,
        }
    };
    let mut result = 1;
    let mut square = base % PRIME;
    let mut rest = exponent;

    while rest != 0 {
        if rest & 1 != 0 {
            result = times(result, square);
        }
        square = times(square, square);
        rest >>= 1;
    }
    result
}

/// The key with this number in front.
fn key(number: u64) -> [u8; KEY_SIZE] {
    let mut key = [0; KEY_SIZE];

    key[..8].copy_from_slice(&number.to_le_bytes());
    key
}

/// The nonce of RFC 8439.
fn nonce(number: u64) -> Nonce {
    let mut nonce = Nonce::default();

    nonce[4..].copy_from_slice(&number.to_le_bytes());
    nonce
}

impl Primitives for Small {
    fn hash(head: &[u8], tail: &[&[u8]], hash: &mut [u8; HASH_SIZE]) {
        let mut state = Blake2s256::new().chain_update(head);

        for part in tail {
            state.update(part);
        }
        *hash = state.finalize().into();
    }

    fn public_key(secret: &Secret) -> Option<PublicKey> {
        let public = power(BASE, number(secret.expose()));

        (*secret.expose() != [0; KEY_SIZE]).then_some(PublicKey(key(public)))
    }

    fn agree(secret: &Secret, public: &PublicKey) -> Option<Secret> {
        let shared = power(number(&public.0), number(secret.expose()));

        (shared > 1).then(|| Secret::with(|bytes| *bytes = key(shared)))
    }

    fn seal(key: &Secret, number: u64, associated: &[u8], buffer: &mut [u8]) -> Option<()> {
        let (text, place) = buffer.split_last_chunk_mut::<TAG_SIZE>()?;
        let tag = ChaCha20Poly1305::new(key.expose().into())
            .encrypt_in_place_detached(&nonce(number), associated, text)
            .ok()?;

        *place = tag.into();
        Some(())
    }

    fn open(key: &Secret, number: u64, associated: &[u8], buffer: &mut [u8]) -> Option<()> {
        let (text, tag) = buffer.split_last_chunk_mut::<TAG_SIZE>()?;

        ChaCha20Poly1305::new(key.expose().into())
            .decrypt_in_place_detached(&nonce(number), associated, text, Tag::from_slice(tag))
            .ok()
    }

    fn equal(one: &[u8; MAC_SIZE], other: &[u8; MAC_SIZE]) -> bool {
        one == other
    }
}
