// SPDX-License-Identifier: GPL-2.0

//! The objects of the specification below the pattern: CipherState and SymmetricState.

use core::marker::PhantomData;

use super::primitives::{
    hash,
    hkdf,
    Primitives,
    HASH_SIZE, //
};
use super::{
    super::secret::Secret,
    NoiseError,
    PROTOCOL_NAME, //
};

/// A key and how often it was used. There is no CipherState without a key here: this pattern mixes
/// one in before it encrypts anything.
pub struct CipherState<P> {
    key: Secret,
    nonce: u64,
    _primitives: PhantomData<fn() -> P>,
}

impl<P: Primitives> CipherState<P> {
    /// InitializeKey.
    pub fn new(key: Secret) -> Self {
        Self {
            key,
            nonce: 0,
            _primitives: PhantomData,
        }
    }

    /// EncryptWithAd, in place: the last [`TAG_SIZE`](super::primitives::TAG_SIZE) bytes of
    /// `buffer` are for the tag.
    ///
    /// # Errors
    ///
    /// [`NoiseError::Exhausted`]; [`NoiseError::Room`] if there is no room for the tag.
    pub fn encrypt(&mut self, associated: &[u8], buffer: &mut [u8]) -> Result<(), NoiseError> {
        let next = self.next()?;

        P::seal(&self.key, self.nonce, associated, buffer).ok_or(NoiseError::Room)?;
        self.nonce = next;
        Ok(())
    }

    /// DecryptWithAd, in place: the last [`TAG_SIZE`](super::primitives::TAG_SIZE) bytes of
    /// `buffer` are the tag.
    ///
    /// # Errors
    ///
    /// [`NoiseError::Exhausted`]; [`NoiseError::Forged`] if the tag is wrong or missing.
    pub fn decrypt(&mut self, associated: &[u8], buffer: &mut [u8]) -> Result<(), NoiseError> {
        let next = self.next()?;

        P::open(&self.key, self.nonce, associated, buffer).ok_or(NoiseError::Forged)?;
        self.nonce = next;
        Ok(())
    }

    /// The nonce after this one. The last of all is reserved by the specification.
    fn next(&self) -> Result<u64, NoiseError> {
        self.nonce.checked_add(1).ok_or(NoiseError::Exhausted)
    }
}

/// What both sides have in common so far.
pub(super) struct SymmetricState<P> {
    /// The chaining key, from which all keys come.
    chaining: Secret,
    /// The hash of all that was sent and presupposed.
    hash: [u8; HASH_SIZE],
    _primitives: PhantomData<fn() -> P>,
}

impl<P: Primitives> SymmetricState<P> {
    /// InitializeSymmetric, with a name that is longer than a hash.
    pub(super) fn new() -> Self {
        const { assert!(PROTOCOL_NAME.len() > HASH_SIZE) };

        let hash = hash::<P>(PROTOCOL_NAME, &[]);

        Self {
            chaining: Secret::with(|chaining| *chaining = hash),
            hash,
            _primitives: PhantomData,
        }
    }

    /// MixHash of several parts, one behind the other.
    pub(super) fn mix_hash(&mut self, parts: &[&[u8]]) {
        self.hash = self.hash_with(parts);
    }

    /// What [`Self::mix_hash`] would make the hash.
    fn hash_with(&self, parts: &[&[u8]]) -> [u8; HASH_SIZE] {
        hash::<P>(&self.hash, parts)
    }

    /// MixKey; returns the new key.
    pub(super) fn mix_key(&mut self, input: &[u8]) -> CipherState<P> {
        let [chaining, key] = hkdf::<P, 2>(&self.chaining, &[input]);

        self.chaining = chaining;
        CipherState::new(key)
    }

    /// MixKeyAndHash; returns the new key.
    pub(super) fn mix_key_and_hash(&mut self, input: &Secret) -> CipherState<P> {
        let [chaining, hash, key] = hkdf::<P, 3>(&self.chaining, &[input.expose()]);

        self.chaining = chaining;
        self.mix_hash(&[hash.expose()]);
        CipherState::new(key)
    }

    /// EncryptAndHash, in place as [`CipherState::encrypt`].
    pub(super) fn encrypt_and_hash(
        &mut self,
        cipher: &mut CipherState<P>,
        buffer: &mut [u8],
    ) -> Result<(), NoiseError> {
        cipher.encrypt(&self.hash, buffer)?;
        self.mix_hash(&[buffer]);
        Ok(())
    }

    /// DecryptAndHash, in place as [`CipherState::decrypt`].
    pub(super) fn decrypt_and_hash(
        &mut self,
        cipher: &mut CipherState<P>,
        buffer: &mut [u8],
    ) -> Result<(), NoiseError> {
        // The hash is that of the encrypted bytes, which are about to go.
        let hash = self.hash_with(&[buffer]);

        cipher.decrypt(&self.hash, buffer)?;
        self.hash = hash;
        Ok(())
    }

    /// Split; returns the keys from initiator to responder and back, and the hash of the handshake.
    pub(super) fn split(self) -> ([Secret; 2], [u8; HASH_SIZE]) {
        (hkdf::<P, 2>(&self.chaining, &[]), self.hash)
    }
}
