// SPDX-License-Identifier: GPL-2.0

//! The secret of a session and what comes out of it.

use core::convert::Infallible;

use zerocopy::little_endian::{
    U16,
    U32, //
};
use zerocopy::IntoBytes as _;
use zerocopy_derive::{
    Immutable,
    IntoBytes,
    Unaligned, //
};

use super::super::noise::pattern::Finished;
use super::super::noise::primitives::{
    hkdf,
    Primitives, //
};
use super::super::secret::{
    PublicKey,
    Secret, //
};
use super::super::suite::Suite;
use super::super::units::Epoch;
use super::Binding;

/// Bytes of the nonces of JOIN and JOINED.
pub const NONCE_SIZE: usize = 32;

/// Random bytes that one side contributes to a JOIN.
pub type Nonce = [u8; NONCE_SIZE];

/// The two nonces of connections that did the whole handshake, where the ephemeral keys see to it
/// that nothing repeats.
pub(super) const NO_NONCES: [Nonce; 2] = [[0; NONCE_SIZE]; 2];

/// Begins what the keys of a connection are derived from.
const CONNECTION: &[u8] = b"DST1 connection";

/// What the key of JOIN and JOINED is derived from.
const JOIN: &[u8] = b"DST1 join";

/// What the next key of a direction is derived from.
const REKEY: &[u8] = b"DST1 rekey";

/// What the keys of a connection are derived from, behind [`CONNECTION`].
#[derive(Immutable, IntoBytes, Unaligned)]
#[repr(C)]
struct RawBinding {
    session: [u8; 16],
    epoch: U32,
    generation: U32,
    connection: U16,
    suite: U32,
    nonces: [Nonce; 2],
}

/// The keys of a connection, one for each direction. Each is used with a counter that starts at
/// zero.
pub struct ConnectionKeys {
    /// What the client seals with.
    pub client_to_server: Secret,
    /// What the server seals with.
    pub server_to_client: Secret,
}

/// The secret that client and server have made in a whole handshake. It serves the session in the
/// epoch of that handshake.
pub struct SessionSecret(Secret);

impl SessionSecret {
    /// The secret that a handshake leads to.
    pub(super) fn new<P: Primitives>(finished: &Finished) -> Self {
        let hash = Secret::with(|bytes| *bytes = finished.hash);
        let input = [
            finished.forth.expose().as_slice(),
            finished.back.expose().as_slice(),
        ];
        let [secret] = hkdf::<P, 1>(&hash, &input);

        Self(secret)
    }

    /// No secret yet: what has [`Self::copy`] fill it where it is going to stay.
    pub const fn empty() -> Self {
        Self(Secret::zero())
    }

    /// Becomes the same as `other`, the bytes of which were never anywhere else in between.
    pub fn copy(&mut self, other: &Self) {
        let Ok(()) = self.0.fill::<Infallible>(|bytes| {
            bytes.copy_from_slice(other.0.expose());
            Ok(())
        });
    }

    /// Another one with the same bytes, for whoever needs one of its own.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(self.0.duplicate())
    }

    /// The keys of a connection.
    pub(super) fn connection_keys<P: Primitives>(
        &self,
        binding: &Binding,
        suite: Suite,
        nonces: [Nonce; 2],
    ) -> ConnectionKeys {
        let raw = RawBinding {
            session: binding.session.0,
            epoch: binding.stamp.epoch.0.into(),
            generation: binding.stamp.generation.0.into(),
            connection: binding.connection.into(),
            suite: suite.bit().into(),
            nonces,
        };
        let [client_to_server, server_to_client] =
            hkdf::<P, 2>(&self.0, &[CONNECTION, raw.as_bytes()]);

        ConnectionKeys {
            client_to_server,
            server_to_client,
        }
    }

    /// The key of JOIN and JOINED.
    pub(super) fn join_key<P: Primitives>(&self) -> Secret {
        let [key] = hkdf::<P, 1>(&self.0, &[JOIN]);

        key
    }
}

/// What a server remembers of the last whole handshake of a session, for as long as it remembers
/// the session.
///
/// It must not be taken from a handshake before a record of that connection was opened: until then
/// the INITIATE may be an old one that somebody sends again, and its secret would take the place of
/// the one that the client knows.
pub struct SessionKeys {
    /// The epoch of the handshake. Connections of other epochs cannot join with it.
    pub epoch: Epoch,
    /// The secret.
    pub secret: SessionSecret,
    /// Who made it: the static key that the session belongs to.
    pub client: PublicKey,
}

/// The key that follows `key` in the same direction of a connection: the sender uses it for
/// everything behind a REKEY, with a counter that starts at zero again.
#[must_use]
pub fn next_key<P: Primitives>(key: &Secret) -> Secret {
    let [next] = hkdf::<P, 1>(key, &[REKEY]);

    next
}
