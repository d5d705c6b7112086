// SPDX-License-Identifier: GPL-2.0

//! The primitives of the handshake, from crates for user space.

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
use dst_proto::noise::primitives::{
    Blake2s,
    Primitives,
    HASH_SIZE,
    MAC_SIZE,
    TAG_SIZE, //
};
use dst_proto::secret::{
    PublicKey,
    Secret, //
};
use x25519_dalek::x25519;
use x25519_dalek::X25519_BASEPOINT_BYTES;

/// The primitives.
pub(crate) enum Host {}

/// BLAKE2s.
pub(crate) struct Hash(Blake2s256);

impl Blake2s for Hash {
    fn new() -> Self {
        Self(Blake2s256::new())
    }

    fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(self, hash: &mut [u8; HASH_SIZE]) {
        *hash = self.0.finalize().into();
    }
}

fn nonce(number: u64) -> Nonce {
    let mut nonce = Nonce::default();

    nonce[4..].copy_from_slice(&number.to_le_bytes());
    nonce
}

impl Primitives for Host {
    type Blake2s = Hash;

    fn public_key(secret: &Secret) -> Option<PublicKey> {
        let public = x25519(*secret.expose(), X25519_BASEPOINT_BYTES);

        (*secret.expose() != [0; 32]).then_some(PublicKey(public))
    }

    fn agree(secret: &Secret, public: &PublicKey) -> Option<Secret> {
        let shared = x25519(*secret.expose(), public.0);

        (shared != [0; 32]).then(|| Secret::with(|bytes| *bytes = shared))
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
