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

/// The nonce of RFC 8439.
fn nonce(number: u64) -> Nonce {
    let mut nonce = Nonce::default();

    nonce[4..].copy_from_slice(&number.to_le_bytes());
    nonce
}

impl Primitives for Host {
    fn hash(head: &[u8], tail: &[&[u8]], hash: &mut [u8; HASH_SIZE]) {
        let mut state = Blake2s256::new().chain_update(head);

        for part in tail {
            state.update(part);
        }
        *hash = state.finalize().into();
    }

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
