// SPDX-License-Identifier: GPL-2.0

//! The keys that administrators hand over.

use super::KernelPrimitives;
use crate::proto::{
    noise::{
        pattern,
        primitives::Primitives, //
    },
    secret::{
        PublicKey,
        Secret, //
    }, //
};
use kernel::{
    prelude::*,
    sync::{
        Arc,
        UniqueArc, //
    }, //
};

/// A secret key and the public one that belongs to it.
pub(crate) struct KeyPair(pattern::KeyPair);

impl KeyPair {
    /// Returns the pair of `secret`. Process context.
    ///
    /// # Errors
    ///
    /// `EINVAL` if that is no secret key: all zeroes, `ENOMEM` if there is no memory.
    pub(crate) fn new(secret: &Secret) -> Result<Arc<Self>> {
        let mut pair = UniqueArc::new(Self(pattern::KeyPair::blank()), GFP_KERNEL)?;

        match pair.0.set::<KernelPrimitives>(secret) {
            true => Ok(pair.into()),
            false => Err(EINVAL),
        }
    }

    /// Returns what the handshake needs.
    pub(crate) fn pair(&self) -> &pattern::KeyPair {
        &self.0
    }

    /// Returns the public key.
    pub(crate) fn public(&self) -> &PublicKey {
        self.0.public()
    }
}

/// What becomes of a preshared key.
pub(crate) enum PskChange {
    /// If there is one, it stays.
    Keep,
    /// There is none any more.
    Forget,
    /// It is this one.
    Set(Arc<Secret>),
}

impl PskChange {
    /// Returns what becomes of the preshared key `now`, if there is one.
    pub(crate) fn apply(self, now: Option<Arc<Secret>>) -> Option<Arc<Secret>> {
        match self {
            Self::Keep => now,
            Self::Forget => None,
            Self::Set(psk) => Some(psk),
        }
    }
}

/// Returns whether `key` can be somebody's public key: not one of the few that lead to the same
/// shared secret whatever the other side's secret is.
pub(crate) fn is_sound(key: &PublicKey) -> bool {
    // Any secret will do, and nobody has to keep this one.
    let secret = Secret::with(|bytes| bytes.fill(1));

    KernelPrimitives::agree(&secret, key).is_some()
}
