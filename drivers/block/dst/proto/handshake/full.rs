// SPDX-License-Identifier: GPL-2.0

//! The whole handshake: INITIATE and RESPOND.

use zerocopy::little_endian::{
    U16,
    U32, //
};
use zerocopy::{
    FromBytes as _,
    IntoBytes as _, //
};
use zerocopy_derive::{
    FromBytes,
    Immutable,
    IntoBytes,
    KnownLayout,
    Unaligned, //
};

use super::super::frame::{
    Crc32c,
    Header,
    INITIATE_PAYLOAD,
    RESPOND_PAYLOAD, //
};
use super::super::name::{
    self,
    MAX_EXPORT_NAME, //
};
use super::super::noise::pattern::{
    Finished,
    Initiator,
    InitiatorWaiting,
    KeyPair,
    Responder,
    ResponderAsked,
    FIRST_OVERHEAD,
    SECOND_OVERHEAD, //
};
use super::super::noise::primitives::Primitives;
use super::super::opcode::Opcode;
use super::super::secret::{
    PublicKey,
    Secret, //
};
use super::super::suite::{
    Suite,
    Suites, //
};
use super::super::units::SessionId;
use super::keys::{
    SessionSecret,
    NO_NONCES, //
};
use super::{
    answer,
    expect,
    request,
    Binding,
    Established,
    Frame,
    HandshakeError, //
};

/// First part of the prologue; the other one is the header of the INITIATE.
const PROLOGUE: &[u8; 16] = b"DST1 sealed IKp2";

/// Payload of the first message as on the wire; the name of the export follows.
#[derive(FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct RawOffer {
    session: [u8; 16],
    connection: U16,
    reserved: U16,
    suites: U32,
    export_len: u8,
}

/// Bytes of the payload of the first message but for the name of the export.
const OFFER_SIZE: usize = size_of::<RawOffer>();

/// Bytes of the longest payload of the first message.
const MAX_OFFER: usize = OFFER_SIZE + MAX_EXPORT_NAME;

/// Bytes of the payload of the second message: the suite.
const CHOICE_SIZE: usize = size_of::<U32>();

const _: () = {
    assert!(*INITIATE_PAYLOAD.start() as usize == FIRST_OVERHEAD + OFFER_SIZE + 1);
    assert!(*INITIATE_PAYLOAD.end() as usize == FIRST_OVERHEAD + MAX_OFFER);
    assert!(RESPOND_PAYLOAD as usize == SECOND_OVERHEAD + CHOICE_SIZE);
};

/// What a client wants to connect to, and how.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Offer<'a> {
    /// The connection; the stamp is that of the header.
    pub binding: Binding,
    /// The suites that the client allows.
    pub suites: Suites,
    /// Name of the export, valid by [`super::super::name::export`].
    pub export: &'a str,
}

impl<'a> Offer<'a> {
    /// Writes the payload of the first message to the beginning of `buffer`; returns it.
    fn encode<'b>(&self, buffer: &'b mut [u8; MAX_OFFER]) -> Result<&'b [u8], HandshakeError> {
        let export = name::export(self.export.as_bytes()).map_err(HandshakeError::Export)?;
        let raw = RawOffer {
            session: self.binding.session.0,
            connection: self.binding.connection.into(),
            reserved: U16::ZERO,
            suites: self.suites.bits().into(),
            export_len: u8::try_from(export.len()).map_err(|_| HandshakeError::Length)?,
        };
        let bytes = raw.as_bytes().iter().chain(export.as_bytes());

        for (to, from) in buffer.iter_mut().zip(bytes) {
            *to = *from;
        }
        buffer
            .get(..OFFER_SIZE.saturating_add(export.len()))
            .ok_or(HandshakeError::Length)
    }

    /// Reads the payload of the first message, which came with the header `header`.
    fn decode(header: &Header, payload: &'a [u8]) -> Result<Self, HandshakeError> {
        let (raw, export) =
            RawOffer::read_from_prefix(payload).map_err(|_| HandshakeError::Length)?;

        if raw.reserved.get() != 0 {
            return Err(HandshakeError::Reserved);
        }
        if export.len() != usize::from(raw.export_len) {
            return Err(HandshakeError::Length);
        }
        Ok(Self {
            binding: Binding {
                session: SessionId(raw.session),
                connection: raw.connection.get(),
                stamp: header.stamp,
            },
            suites: Suites::from_bits(raw.suites.get()),
            export: name::export(export).map_err(HandshakeError::Export)?,
        })
    }
}

/// What comes out of the handshake for both sides.
fn establish<P: Primitives>(
    finished: &Finished,
    binding: &Binding,
    suite: Suite,
) -> (Established, SessionSecret) {
    let secret = SessionSecret::new::<P>(finished);
    let keys = secret.connection_keys::<P>(binding, suite, NO_NONCES);

    (Established { suite, keys }, secret)
}

/// The client's side: INITIATE is on its way.
pub struct Initiating<P> {
    noise: InitiatorWaiting<P>,
    binding: Binding,
    suites: Suites,
}

impl<P: Primitives> Initiating<P> {
    /// Makes the INITIATE to the server that has the key `server`; `ephemeral` has to be random and
    /// new.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Export`] if that is no name; [`HandshakeError::Noise`] if a key is
    /// worthless.
    pub fn new(
        keys: &KeyPair,
        server: &PublicKey,
        ephemeral: Secret,
        offer: &Offer<'_>,
        crc32c: Crc32c,
    ) -> Result<(Self, Frame), HandshakeError> {
        let mut buffer = [0; MAX_OFFER];
        let payload = offer.encode(&mut buffer)?;
        let len = FIRST_OVERHEAD.saturating_add(payload.len());
        let len = u32::try_from(len).map_err(|_| HandshakeError::Length)?;
        let header = request(Opcode::Initiate, offer.binding.stamp, len);
        let mut frame = Frame::new(&header, crc32c)?;
        let prologue: [&[u8]; 2] = [PROLOGUE, &header.encode(crc32c)];
        let noise = Initiator::new(keys.duplicate(), server, &prologue).send(
            ephemeral,
            payload,
            frame.payload_mut(),
        )?;

        Ok((
            Self {
                noise,
                binding: offer.binding,
                suites: offer.suites,
            },
            frame,
        ))
    }

    /// Takes the RESPOND, whose payload is decrypted in place. `preshared` is [`Secret::zero`] if
    /// there is none.
    ///
    /// # Errors
    ///
    /// See [`HandshakeError`].
    pub fn finish(
        self,
        preshared: &Secret,
        header: &Header,
        payload: &mut [u8],
    ) -> Result<(Established, SessionSecret), HandshakeError> {
        let expected = answer(Opcode::Initiate, self.binding.stamp, RESPOND_PAYLOAD);

        expect(&expected, header, payload)?;

        let (finished, choice) = self.noise.receive(preshared, payload)?;
        let choice = U32::read_from_bytes(choice).map_err(|_| HandshakeError::Length)?;
        let suite = Suite::from_bit(choice.get())
            .filter(|suite| self.suites.contains(*suite))
            .ok_or(HandshakeError::Suite)?;

        Ok(establish::<P>(&finished, &self.binding, suite))
    }
}

/// The server's side: an INITIATE has come that is authentic, but possibly an old one.
pub struct Initiated<P> {
    noise: ResponderAsked<P>,
    binding: Binding,
    suites: Suites,
}

impl<P: Primitives> Initiated<P> {
    /// Takes the INITIATE, whose payload is decrypted in place. The client is
    /// [`Self::client`]: whether it may have the export is for the caller to decide.
    ///
    /// # Errors
    ///
    /// See [`HandshakeError`].
    pub fn new<'m>(
        keys: &KeyPair,
        header: &Header,
        payload: &'m mut [u8],
        crc32c: Crc32c,
    ) -> Result<(Self, Offer<'m>), HandshakeError> {
        let expected = request(Opcode::Initiate, header.stamp, header.payload);

        expect(&expected, header, payload)?;

        let prologue: [&[u8]; 2] = [PROLOGUE, &header.encode(crc32c)];
        let (noise, payload) = Responder::new(keys.duplicate(), &prologue).receive(payload)?;
        let offer = Offer::decode(header, payload)?;

        Ok((
            Self {
                noise,
                binding: offer.binding,
                suites: offer.suites,
            },
            offer,
        ))
    }

    /// The static key of the client.
    #[inline]
    pub fn client(&self) -> &PublicKey {
        self.noise.remote()
    }

    /// Makes the RESPOND; `ephemeral` has to be random and new, `preshared` is [`Secret::zero`] if
    /// there is none for this client.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Suite`] if the client did not offer `suite`; [`HandshakeError::Noise`] if
    /// a key is worthless.
    pub fn respond(
        self,
        ephemeral: Secret,
        preshared: &Secret,
        suite: Suite,
        crc32c: Crc32c,
    ) -> Result<(Frame, Established, SessionSecret), HandshakeError> {
        if !self.suites.contains(suite) {
            return Err(HandshakeError::Suite);
        }

        let header = answer(Opcode::Initiate, self.binding.stamp, RESPOND_PAYLOAD);
        let mut frame = Frame::new(&header, crc32c)?;
        let choice = suite.bit().to_le_bytes();
        let finished = self
            .noise
            .send(ephemeral, preshared, &choice, frame.payload_mut())?;
        let (established, secret) = establish::<P>(&finished, &self.binding, suite);

        Ok((frame, established, secret))
    }
}
