// SPDX-License-Identifier: GPL-2.0

//! How a sealed connection begins: both sides show which keys they own before anything else is said.
//!
//! All of it is done by the keeper, in whose time it may take a while. There are two ways: a whole
//! handshake, and joining, which costs next to nothing but needs the secret that a whole handshake
//! of the same epoch has left behind.

use super::{
    config::Keys,
    greeting::Answer, //
};
use crate::{
    abstractions::{
        crc32c::crc32c,
        random::random_bytes,
        sensitive::SensitiveBox, //
    },
    crypto::{
        new_secret,
        KernelPrimitives, //
    },
    proto::{
        handshake::{
            full::{
                Initiating,
                Offer, //
            },
            join::Joining,
            keys::{
                next_key,
                SessionSecret, //
            },
            Binding,
            Established,
            Frame,
            HandshakeError, //
        },
        secret::Secret,
        suite::Suite,
        units::{
            Epoch,
            SessionId, //
        }, //
    },
    rekey_bytes,
    wire::{
        protection::{
            Incoming,
            Outgoing, //
        },
        seal::{
            Opening,
            Sealing, //
        }, //
    }, //
};
use kernel::prelude::*;

/// What a whole handshake has left behind for further connections.
pub(super) struct Common {
    session: SessionId,
    epoch: Epoch,
    secret: SessionSecret,
}

impl Common {
    /// Returns the secret if it serves the connection of `binding`.
    fn secret(&self, binding: &Binding) -> Option<&SessionSecret> {
        (self.session == binding.session && self.epoch == binding.stamp.epoch)
            .then_some(&self.secret)
    }
}

/// A handshake that has begun.
pub(super) enum Handshake {
    /// A whole one.
    Whole(SensitiveBox<Initiating<KernelPrimitives>>, Binding),
    /// One that makes use of what an earlier one has left behind.
    Join(SensitiveBox<Joining>),
}

/// What comes out of a handshake.
pub(super) struct Sealed {
    pub(super) suite: Suite,
    pub(super) outgoing: Outgoing,
    pub(super) incoming: Incoming,
    /// What further connections can make use of, once the server has welcomed this one.
    pub(super) common: Option<Common>,
}

/// Why there is no sealed connection.
pub(super) enum Trouble {
    /// The handshake has failed.
    Handshake(HandshakeError),
    /// This machine has failed.
    Error(Error),
}

impl From<HandshakeError> for Trouble {
    fn from(error: HandshakeError) -> Self {
        Self::Handshake(error)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Handshake {
    /// Begins to connect as `binding` says to `export` with `keys`, with the help of `common` if
    /// that goes with it; returns what has to be sent. Process context.
    pub(super) fn new(
        keys: &Keys,
        binding: Binding,
        export: &str,
        common: Option<&Common>,
    ) -> Result<(Self, KBox<Frame>), Trouble> {
        match common.and_then(|common| common.secret(&binding)) {
            Some(secret) => Self::join(keys, &binding, secret),
            None => Self::whole(keys, binding, export),
        }
    }

    /// Begins to join, which `secret` allows.
    #[inline(never)]
    fn join(
        keys: &Keys,
        binding: &Binding,
        secret: &SessionSecret,
    ) -> Result<(Self, KBox<Frame>), Trouble> {
        let suites = keys.ciphers.suites();
        let joining =
            Joining::new::<KernelPrimitives>(secret, binding, suites, random_bytes(), crc32c)?;
        let frame = KBox::new(joining.frame().clone(), GFP_KERNEL).map_err(Error::from)?;

        Ok((Self::Join(SensitiveBox::new(joining)?), frame))
    }

    /// Begins a whole handshake.
    #[inline(never)]
    fn whole(keys: &Keys, binding: Binding, export: &str) -> Result<(Self, KBox<Frame>), Trouble> {
        let offer = Offer {
            binding,
            suites: keys.ciphers.suites(),
            export,
        };
        let (initiating, frame) =
            Initiating::new(keys.own.pair(), &keys.server, new_secret()?, &offer, crc32c)?;
        let frame = KBox::new(frame, GFP_KERNEL).map_err(Error::from)?;

        Ok((Self::Whole(SensitiveBox::new(initiating)?, binding), frame))
    }

    /// Takes the server's answer. Process context.
    pub(super) fn finish(self, keys: &Keys, answer: Answer) -> Result<Sealed, Trouble> {
        match self {
            Self::Whole(initiating, binding) => finish_whole(keys, initiating, &binding, answer),
            Self::Join(joining) => finish_join(keys, joining, &answer),
        }
    }
}

/// Takes the server's answer to a whole handshake.
#[inline(never)]
fn finish_whole(
    keys: &Keys,
    initiating: SensitiveBox<Initiating<KernelPrimitives>>,
    binding: &Binding,
    mut answer: Answer,
) -> Result<Sealed, Trouble> {
    let preshared = keys
        .psk
        .as_deref()
        .map_or(Secret::zero(), Secret::duplicate);
    let (established, secret) =
        initiating
            .into_inner()
            .finish(&preshared, &answer.header, &mut answer.payload)?;
    let common = Common {
        session: binding.session,
        epoch: binding.stamp.epoch,
        secret,
    };

    Ok(seal(keys, &established, Some(common))?)
}

/// Takes the server's answer to a join.
#[inline(never)]
fn finish_join(
    keys: &Keys,
    joining: SensitiveBox<Joining>,
    answer: &Answer,
) -> Result<Sealed, Trouble> {
    let established =
        joining
            .into_inner()
            .finish::<KernelPrimitives>(&answer.header, &answer.payload, crc32c)?;

    Ok(seal(keys, &established, None)?)
}

/// Prepares to seal and open frames.
#[inline(never)]
fn seal(keys: &Keys, established: &Established, common: Option<Common>) -> Result<Sealed> {
    let cipher = keys.ciphers.get(established.suite).ok_or(EINVAL)?;
    let derive = next_key::<KernelPrimitives>;
    let keys_of = &established.keys;

    Ok(Sealed {
        suite: established.suite,
        outgoing: Outgoing::Sealed(Sealing::new(
            cipher,
            &keys_of.client_to_server,
            derive,
            rekey_bytes(),
        )?),
        incoming: Incoming::Sealed(Opening::new(cipher, &keys_of.server_to_client, derive)?),
        common,
    })
}
