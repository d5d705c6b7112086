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
    ) -> Result<(Self, Frame), Trouble> {
        let suites = keys.ciphers.suites();

        if let Some(secret) = common.and_then(|common| common.secret(&binding)) {
            let joining =
                Joining::new::<KernelPrimitives>(secret, &binding, suites, random_bytes(), crc32c)?;
            let frame = joining.frame().clone();

            return Ok((Self::Join(SensitiveBox::new(joining)?), frame));
        }

        let offer = Offer {
            binding,
            suites,
            export,
        };
        let (initiating, frame) =
            Initiating::new(keys.own.pair(), &keys.server, new_secret()?, &offer, crc32c)?;

        Ok((Self::Whole(SensitiveBox::new(initiating)?, binding), frame))
    }

    /// Takes the server's answer. Process context.
    pub(super) fn finish(self, keys: &Keys, answer: Answer) -> Result<Sealed, Trouble> {
        let Answer {
            header,
            mut payload,
        } = answer;
        let (established, common) = match self {
            Self::Whole(initiating, binding) => {
                let preshared = keys
                    .psk
                    .as_deref()
                    .map_or(Secret::zero(), Secret::duplicate);
                let initiating = initiating.into_inner();
                let (established, secret) = initiating.finish(&preshared, &header, &mut payload)?;
                let common = Common {
                    session: binding.session,
                    epoch: binding.stamp.epoch,
                    secret,
                };

                (established, Some(common))
            }
            Self::Join(joining) => {
                let joining = joining.into_inner();

                (
                    joining.finish::<KernelPrimitives>(&header, &payload, crc32c)?,
                    None,
                )
            }
        };

        Ok(seal(keys, &established, common)?)
    }
}

/// Prepares to seal and open frames.
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
