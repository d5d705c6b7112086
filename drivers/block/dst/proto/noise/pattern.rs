// SPDX-License-Identifier: GPL-2.0

//! The two sides of the handshake, each with one type for every step: what a step returns is all
//! that can be done next, and what failed is gone.

use super::super::secret::{
    PublicKey,
    Secret,
    KEY_SIZE, //
};
use super::primitives::{
    Primitives,
    HASH_SIZE,
    TAG_SIZE, //
};
use super::symmetric::SymmetricState;
use super::NoiseError;

/// Bytes of the first message besides its payload.
pub const FIRST_OVERHEAD: usize = KEY_SIZE + KEY_SIZE + TAG_SIZE + TAG_SIZE;

/// Bytes of the second message besides its payload.
pub const SECOND_OVERHEAD: usize = KEY_SIZE + TAG_SIZE;

/// A secret key and the public one that belongs to it.
pub struct KeyPair {
    secret: Secret,
    public: PublicKey,
}

impl KeyPair {
    /// The pair of this secret key; [`None`] if that is all zeroes.
    pub fn new<P: Primitives>(secret: Secret) -> Option<Self> {
        let public = P::public_key(&secret)?;

        Some(Self { secret, public })
    }

    /// No pair yet, but a place for one that is to stay there: see [`Self::set`].
    pub const fn blank() -> Self {
        Self {
            secret: Secret::zero(),
            public: PublicKey([0; KEY_SIZE]),
        }
    }

    /// Becomes the pair of `secret`. Returns false if that is all zeroes; nothing has changed then.
    pub fn set<P: Primitives>(&mut self, secret: &Secret) -> bool {
        let public = P::public_key(secret);

        if let Some(public) = public {
            self.secret.set(secret);
            self.public = public;
        }
        public.is_some()
    }

    /// The key to be told.
    #[inline]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// A pair of the same keys, for whoever needs one of its own.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self {
            secret: self.secret.duplicate(),
            public: self.public,
        }
    }

    /// DH.
    fn agree<P: Primitives>(&self, public: &PublicKey) -> Result<Secret, NoiseError> {
        P::agree(&self.secret, public).ok_or(NoiseError::WeakKey)
    }
}

/// What either side has in the end.
pub struct Finished {
    /// Key from the initiator to the responder, the first output of Split.
    pub forth: Secret,
    /// Key from the responder to the initiator, the second output of Split.
    pub back: Secret,
    /// The hash of the handshake, different for every one. It is no secret.
    pub hash: [u8; HASH_SIZE],
}

impl Finished {
    /// Split.
    fn new<P: Primitives>(symmetric: SymmetricState<P>) -> Self {
        let ([forth, back], hash) = symmetric.split();

        Self { forth, back, hash }
    }
}

/// Who begins: nothing was sent yet.
pub struct Initiator<P> {
    symmetric: SymmetricState<P>,
    local: KeyPair,
    remote: PublicKey,
}

/// Who began: the first message is on its way.
pub struct InitiatorWaiting<P> {
    symmetric: SymmetricState<P>,
    local: KeyPair,
    ephemeral: KeyPair,
}

/// Who answers: nothing was received yet.
pub struct Responder<P> {
    symmetric: SymmetricState<P>,
    local: KeyPair,
}

/// Who answers: the first message was received and is authentic as far as its sender's static key
/// and the payload go. It may be one of old that is sent again; only what the initiator sends with
/// the keys of the end is not.
pub struct ResponderAsked<P> {
    symmetric: SymmetricState<P>,
    remote: PublicKey,
    remote_ephemeral: PublicKey,
}

/// Initialize: what both sides presuppose.
fn start<P: Primitives>(prologue: &[&[u8]], responder: &PublicKey) -> SymmetricState<P> {
    let mut symmetric = SymmetricState::new();

    symmetric.mix_hash(prologue);
    symmetric.mix_hash(&[&responder.0]);
    symmetric
}

/// Puts a key at the beginning of `message`; returns what is behind it.
fn put_key<'b>(message: &'b mut [u8], key: &PublicKey) -> Result<&'b mut [u8], NoiseError> {
    let (place, rest) = message
        .split_first_chunk_mut::<KEY_SIZE>()
        .ok_or(NoiseError::Room)?;

    *place = key.0;
    Ok(rest)
}

/// Takes a key from the beginning of `message`; returns what is behind it, too.
fn take_key(message: &mut [u8]) -> Result<(PublicKey, &mut [u8]), NoiseError> {
    let (key, rest) = message
        .split_first_chunk_mut::<KEY_SIZE>()
        .ok_or(NoiseError::Truncated)?;

    Ok((PublicKey(*key), rest))
}

/// Puts `payload` into `rest`, which has room for it and a tag and nothing else.
fn put_payload(rest: &mut [u8], payload: &[u8]) -> Result<(), NoiseError> {
    match rest.split_at_mut_checked(payload.len()) {
        Some((text, tag)) if tag.len() == TAG_SIZE => {
            text.copy_from_slice(payload);
            Ok(())
        }
        _ => Err(NoiseError::Room),
    }
}

/// The payload of `rest`, which was decrypted in place.
fn take_payload(rest: &[u8]) -> Result<&[u8], NoiseError> {
    let (payload, _) = rest
        .split_last_chunk::<TAG_SIZE>()
        .ok_or(NoiseError::Truncated)?;

    Ok(payload)
}

impl<P: Primitives> Initiator<P> {
    /// Begins a handshake with who has the key `remote`. Both sides have to have the same
    /// `prologue`, which is given in parts.
    pub fn new(local: KeyPair, remote: &PublicKey, prologue: &[&[u8]]) -> Self {
        Self {
            symmetric: start(prologue, remote),
            local,
            remote: *remote,
        }
    }

    /// Writes the first message: `e, es, s, ss`. `message` has to have [`FIRST_OVERHEAD`] bytes
    /// more than `payload`. `ephemeral` has to be random and new.
    ///
    /// Whoever gets hold of the responder's secret key, be it years later, can read the payload and
    /// the initiator's public key.
    ///
    /// # Errors
    ///
    /// [`NoiseError::Room`], [`NoiseError::WeakKey`].
    pub fn send(
        self,
        ephemeral: Secret,
        payload: &[u8],
        message: &mut [u8],
    ) -> Result<InitiatorWaiting<P>, NoiseError> {
        let Self {
            mut symmetric,
            local,
            remote,
        } = self;
        let ephemeral = KeyPair::new::<P>(ephemeral).ok_or(NoiseError::WeakKey)?;

        let rest = put_key(message, &ephemeral.public)?;
        symmetric.mix_hash(&[&ephemeral.public.0]);
        symmetric.mix_key(&ephemeral.public.0);

        let mut cipher = symmetric.mix_key(ephemeral.agree::<P>(&remote)?.expose());

        let (sealed, rest) = rest
            .split_at_mut_checked(KEY_SIZE.saturating_add(TAG_SIZE))
            .ok_or(NoiseError::Room)?;
        put_payload(sealed, &local.public.0)?;
        symmetric.encrypt_and_hash(&mut cipher, sealed)?;

        let mut cipher = symmetric.mix_key(local.agree::<P>(&remote)?.expose());

        put_payload(rest, payload)?;
        symmetric.encrypt_and_hash(&mut cipher, rest)?;
        Ok(InitiatorWaiting {
            symmetric,
            local,
            ephemeral,
        })
    }
}

impl<P: Primitives> InitiatorWaiting<P> {
    /// Reads the second message, `e, ee, se, psk`, in place; returns its payload, too.
    ///
    /// # Errors
    ///
    /// [`NoiseError::Truncated`], [`NoiseError::WeakKey`], [`NoiseError::Forged`].
    pub fn receive<'m>(
        self,
        preshared: &Secret,
        message: &'m mut [u8],
    ) -> Result<(Finished, &'m [u8]), NoiseError> {
        let Self {
            mut symmetric,
            local,
            ephemeral,
        } = self;

        let (remote, rest) = take_key(message)?;
        symmetric.mix_hash(&[&remote.0]);
        symmetric.mix_key(&remote.0);
        symmetric.mix_key(ephemeral.agree::<P>(&remote)?.expose());
        symmetric.mix_key(local.agree::<P>(&remote)?.expose());

        let mut cipher = symmetric.mix_key_and_hash(preshared);

        symmetric.decrypt_and_hash(&mut cipher, rest)?;
        Ok((Finished::new(symmetric), take_payload(rest)?))
    }
}

impl<P: Primitives> Responder<P> {
    /// Is ready to answer. Both sides have to have the same `prologue`, which is given in parts.
    pub fn new(local: KeyPair, prologue: &[&[u8]]) -> Self {
        Self {
            symmetric: start(prologue, &local.public),
            local,
        }
    }

    /// Reads the first message, `e, es, s, ss`, in place; returns its payload, too.
    ///
    /// # Errors
    ///
    /// [`NoiseError::Truncated`], [`NoiseError::WeakKey`], [`NoiseError::Forged`].
    pub fn receive(self, message: &mut [u8]) -> Result<(ResponderAsked<P>, &[u8]), NoiseError> {
        let Self {
            mut symmetric,
            local,
        } = self;

        let (remote_ephemeral, rest) = take_key(message)?;
        symmetric.mix_hash(&[&remote_ephemeral.0]);
        symmetric.mix_key(&remote_ephemeral.0);

        let mut cipher = symmetric.mix_key(local.agree::<P>(&remote_ephemeral)?.expose());

        let (sealed, rest) = rest
            .split_at_mut_checked(KEY_SIZE.saturating_add(TAG_SIZE))
            .ok_or(NoiseError::Truncated)?;
        symmetric.decrypt_and_hash(&mut cipher, sealed)?;

        let (remote, _) = take_key(sealed)?;
        let mut cipher = symmetric.mix_key(local.agree::<P>(&remote)?.expose());

        symmetric.decrypt_and_hash(&mut cipher, rest)?;
        Ok((
            ResponderAsked {
                symmetric,
                remote,
                remote_ephemeral,
            },
            take_payload(rest)?,
        ))
    }
}

impl<P: Primitives> ResponderAsked<P> {
    /// The static key of the initiator.
    #[inline]
    pub fn remote(&self) -> &PublicKey {
        &self.remote
    }

    /// Writes the second message: `e, ee, se, psk`. `message` has to have [`SECOND_OVERHEAD`] bytes
    /// more than `payload`. `ephemeral` has to be random and new.
    ///
    /// # Errors
    ///
    /// [`NoiseError::Room`], [`NoiseError::WeakKey`].
    pub fn send(
        self,
        ephemeral: Secret,
        preshared: &Secret,
        payload: &[u8],
        message: &mut [u8],
    ) -> Result<Finished, NoiseError> {
        let Self {
            mut symmetric,
            remote,
            remote_ephemeral,
        } = self;
        let ephemeral = KeyPair::new::<P>(ephemeral).ok_or(NoiseError::WeakKey)?;

        let rest = put_key(message, &ephemeral.public)?;
        symmetric.mix_hash(&[&ephemeral.public.0]);
        symmetric.mix_key(&ephemeral.public.0);
        symmetric.mix_key(ephemeral.agree::<P>(&remote_ephemeral)?.expose());
        symmetric.mix_key(ephemeral.agree::<P>(&remote)?.expose());

        let mut cipher = symmetric.mix_key_and_hash(preshared);

        put_payload(rest, payload)?;
        symmetric.encrypt_and_hash(&mut cipher, rest)?;
        Ok(Finished::new(symmetric))
    }
}
