// SPDX-License-Identifier: GPL-2.0

//! What sealed connections calculate with, from the kernel.

#[cfg(CONFIG_KUNIT = "y")]
mod tests;
#[cfg(CONFIG_KUNIT = "y")]
mod vectors;

pub(crate) mod keys;

use crate::{
    abstractions::{
        crypto::{
            self,
            blake2s,
            chacha20poly1305,
            curve25519, //
        },
        random::fill_secret, //
    },
    proto::{
        noise::primitives::{
            Primitives,
            HASH_SIZE,
            MAC_SIZE, //
        },
        secret::{
            PublicKey,
            Secret,
            KEY_SIZE, //
        }, //
    }, //
};
use core::iter;
use kernel::prelude::*;

/// The primitives of the handshake. Any context.
pub(crate) enum KernelPrimitives {}

impl Primitives for KernelPrimitives {
    fn hash(head: &[u8], tail: &[&[u8]], hash: &mut [u8; HASH_SIZE]) {
        let pieces = Iterator::chain(iter::once(head), tail.iter().copied());

        blake2s::hash(pieces, hash);
    }

    fn public_key(secret: &Secret) -> Option<PublicKey> {
        let mut public = [0; KEY_SIZE];

        curve25519::public_key(secret.expose(), &mut public).then_some(PublicKey(public))
    }

    fn agree(secret: &Secret, public: &PublicKey) -> Option<Secret> {
        Secret::try_with(|shared| curve25519::agree(secret.expose(), &public.0, shared))
    }

    fn seal(key: &Secret, nonce: u64, associated: &[u8], buffer: &mut [u8]) -> Option<()> {
        chacha20poly1305::seal(key.expose(), nonce, associated, buffer)
    }

    fn open(key: &Secret, nonce: u64, associated: &[u8], buffer: &mut [u8]) -> Option<()> {
        chacha20poly1305::open(key.expose(), nonce, associated, buffer)
    }

    fn equal(one: &[u8; MAC_SIZE], other: &[u8; MAC_SIZE]) -> bool {
        crypto::equal(one, other)
    }
}

/// Makes a secret that nobody can guess. Process context.
///
/// # Errors
///
/// `ERESTARTSYS` if a signal came while it waited for random numbers that are good enough.
pub(crate) fn new_secret() -> Result<Secret> {
    let mut filled = Ok(());
    let secret = Secret::with(|bytes| filled = fill_secret(bytes));

    filled.map(|()| secret)
}
