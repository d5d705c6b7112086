// SPDX-License-Identifier: GPL-2.0

//! The handshake `Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s` of the [Noise protocol framework],
//! revision 34.
//!
//! Two messages, after which either side knows that the other one has the static key that it
//! claims, and both have keys that nobody else has:
//!
//! ```text
//! <- s
//! ...
//! -> e, es, s, ss
//! <- e, ee, se, psk
//! ```
//!
//! The initiator knows the static key of the responder beforehand; the responder learns that of the
//! initiator from the first message, before it has to come up with the preshared key. Which step
//! may follow which is in the types of [`pattern`]; names in the other modules are those of the
//! specification. All calculation is done by an implementation of
//! [`Primitives`](primitives::Primitives).
//!
//! [Noise protocol framework]: https://noiseprotocol.org/noise.html

pub mod pattern;
pub mod primitives;
pub mod symmetric;

/// Name of the protocol, which everything is hashed on top of.
pub const PROTOCOL_NAME: &[u8] = b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";

/// Why a step of the handshake failed. There is no way to go on with it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NoiseError {
    /// The message is too short to be one.
    Truncated,
    /// The message does not fit into the buffer.
    Room,
    /// A public key leads to a secret that everybody knows, or a secret key is all zeroes.
    WeakKey,
    /// The message was not made by who has the keys, for this occasion, or was changed.
    Forged,
    /// A key was used as often as is allowed.
    Exhausted,
}

impl NoiseError {
    /// What to tell people, as part of a sentence.
    pub fn text(self) -> &'static str {
        match self {
            Self::Truncated => "handshake message is too short",
            Self::Room => "handshake message is too long",
            Self::WeakKey => "worthless key in the handshake",
            Self::Forged => "handshake message is not authentic: keys do not match",
            Self::Exhausted => "key is used up",
        }
    }
}

impl core::fmt::Display for NoiseError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.text())
    }
}
