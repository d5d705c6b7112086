// SPDX-License-Identifier: GPL-2.0

//! How a sealed connection begins: who is there, and which keys it gets.
//!
//! Two frames in plain text come before everything else. Either INITIATE and RESPOND carry a whole
//! [Noise](super::noise) handshake ([`full`]), which also makes the secret of the session, or JOIN
//! and JOINED prove to each other that both still know that secret ([`join`]). In both cases the
//! keys of the connection come out of the secret and of all that tells this connection from every
//! other one ([`keys`]).
//!
//! Random bytes come from the caller: ephemeral secrets and nonces must never be used twice.
//! Calling context: any that may calculate for some hundred microseconds, except for [`join`], which
//! takes but a few.

pub mod full;
pub mod join;
pub mod keys;

use super::frame::{
    Crc32c,
    Header,
    HEADER_SIZE,
    INITIATE_PAYLOAD, //
};
use super::name::NameError;
use super::noise::NoiseError;
use super::opcode::Opcode;
use super::status::Status;
use super::suite::Suite;
use super::units::{
    Epoch,
    Generation,
    Handle,
    SessionId,
    Stamp, //
};

use keys::ConnectionKeys;

/// What tells a connection from every other one, and what its keys are therefore bound to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Binding {
    /// The session.
    pub session: SessionId,
    /// Number of the connection within the session.
    pub connection: u16,
    /// Epoch of the session and generation of the connection.
    pub stamp: Stamp,
}

/// What both sides have when the handshake is over.
pub struct Established {
    /// How records are sealed.
    pub suite: Suite,
    /// The keys that they are sealed with.
    pub keys: ConnectionKeys,
}

/// Why a handshake failed. It is over then: nothing was agreed upon.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HandshakeError {
    /// A message of Noise was refused, see there.
    Noise(NoiseError),
    /// The frame is not the one that has to come now, or belongs to another connection.
    Unexpected,
    /// The payload does not have the length that it has to have.
    Length,
    /// A reserved field is not zero.
    Reserved,
    /// The export has an impossible name, see there.
    Export(NameError),
    /// No suite is allowed by both sides, or the server chose one that was not offered.
    Suite,
    /// What wants to join was not made by who knows the secret of the session, or was changed.
    Mac,
    /// What wants to join belongs to another epoch than the secret of the session.
    Epoch,
}

impl HandshakeError {
    /// What to tell people, as part of a sentence.
    pub fn text(self) -> &'static str {
        match self {
            Self::Noise(error) => error.text(),
            Self::Unexpected => "unexpected frame during the handshake",
            Self::Length => "impossible length of a handshake message",
            Self::Reserved => "reserved field in use",
            Self::Export(error) => error.text(),
            Self::Suite => "no common cipher suite",
            Self::Mac => "session secrets do not match",
            Self::Epoch => "session secret of another epoch",
        }
    }

    /// The status of the BYE with which a server refuses the handshake.
    pub fn status(self) -> Status {
        match self {
            Self::Noise(NoiseError::Forged | NoiseError::WeakKey) => Status::Denied,
            Self::Noise(NoiseError::Truncated | NoiseError::Room | NoiseError::Exhausted)
            | Self::Unexpected
            | Self::Length
            | Self::Reserved
            | Self::Export(_) => Status::Invalid,
            Self::Suite => Status::Feature,
            // The client then tries a whole handshake, which decides.
            Self::Mac | Self::Epoch => Status::Stale,
        }
    }
}

impl core::fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.text())
    }
}

impl From<NoiseError> for HandshakeError {
    fn from(error: NoiseError) -> Self {
        Self::Noise(error)
    }
}

/// Bytes of the longest frame of a handshake.
const MAX_FRAME: usize = HEADER_SIZE + *INITIATE_PAYLOAD.end() as usize;

/// A frame of a handshake as on the wire, ready to be sent.
#[derive(Clone)]
pub struct Frame {
    bytes: [u8; MAX_FRAME],
    len: usize,
}

impl Frame {
    /// A frame with this header, and zeroes as payload.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Length`] if the payload is longer than any of a handshake.
    fn new(header: &Header, crc32c: Crc32c) -> Result<Self, HandshakeError> {
        let mut bytes = [0; MAX_FRAME];
        let payload = usize::try_from(header.payload).map_err(|_| HandshakeError::Length)?;
        let len = HEADER_SIZE.saturating_add(payload);

        if len > MAX_FRAME {
            return Err(HandshakeError::Length);
        }
        for (to, from) in bytes.iter_mut().zip(header.encode(crc32c)) {
            *to = from;
        }
        Ok(Self { bytes, len })
    }

    /// A frame with this header and this payload.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Length`] if the payload is longer than any of a handshake, or not as long
    /// as the header says.
    fn with_payload(
        header: &Header,
        crc32c: Crc32c,
        parts: &[&[u8]],
    ) -> Result<Self, HandshakeError> {
        let mut frame = Self::new(header, crc32c)?;
        let mut rest = frame.payload_mut();

        for part in parts {
            let (place, behind) = rest
                .split_at_mut_checked(part.len())
                .ok_or(HandshakeError::Length)?;

            place.copy_from_slice(part);
            rest = behind;
        }
        match rest.is_empty() {
            true => Ok(frame),
            false => Err(HandshakeError::Length),
        }
    }

    /// Header and payload.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// The payload, to be written.
    fn payload_mut(&mut self) -> &mut [u8] {
        self.bytes
            .get_mut(HEADER_SIZE..self.len)
            .unwrap_or_default()
    }
}

/// The header of a frame of a handshake that begins a connection.
fn request(opcode: Opcode, stamp: Stamp, payload: u32) -> Header {
    Header {
        payload,
        ..Header::request(opcode, Handle::NONE, stamp)
    }
}

/// The header of its answer.
fn answer(opcode: Opcode, stamp: Stamp, payload: u32) -> Header {
    Header {
        payload,
        ..Header::answer(opcode, Handle::NONE, stamp, Status::Ok)
    }
}

/// Checks that a frame with the header `got` is the one that has to come, for a connection that can
/// be.
///
/// # Errors
///
/// [`HandshakeError::Unexpected`]; [`HandshakeError::Length`] if `payload` is not its payload.
fn expect(expected: &Header, got: &Header, payload: &[u8]) -> Result<(), HandshakeError> {
    let Stamp { epoch, generation } = got.stamp;

    if got != expected || epoch == Epoch::default() || generation == Generation::default() {
        return Err(HandshakeError::Unexpected);
    }
    match u32::try_from(payload.len()) == Ok(got.payload) {
        true => Ok(()),
        false => Err(HandshakeError::Length),
    }
}
