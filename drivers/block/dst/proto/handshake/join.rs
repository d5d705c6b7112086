// SPDX-License-Identifier: GPL-2.0

//! Further connections of a session: JOIN and JOINED, which cost some hashes instead of a whole
//! handshake.

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
    JOINED_PAYLOAD,
    JOIN_PAYLOAD, //
};
use super::super::noise::primitives::{
    short_mac,
    Primitives,
    MAC_SIZE, //
};
use super::super::opcode::Opcode;
use super::super::suite::{
    Suite,
    Suites, //
};
use super::super::units::SessionId;
use super::keys::{
    Nonce,
    SessionKeys,
    SessionSecret,
    NONCE_SIZE, //
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

/// Payload of JOIN as on the wire; the code follows.
#[derive(FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct RawJoin {
    session: [u8; 16],
    connection: U16,
    reserved: U16,
    suites: U32,
    nonce: [u8; NONCE_SIZE],
}

/// Payload of JOINED as on the wire; the code follows.
#[derive(FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct RawJoined {
    nonce: [u8; NONCE_SIZE],
    suite: U32,
}

const _: () = {
    assert!(JOIN_PAYLOAD as usize == size_of::<RawJoin>() + MAC_SIZE);
    assert!(JOINED_PAYLOAD as usize == size_of::<RawJoined>() + MAC_SIZE);
};

/// Splits a payload into what the code is for and the code.
fn split(payload: &[u8]) -> Result<(&[u8], &[u8; MAC_SIZE]), HandshakeError> {
    payload
        .split_last_chunk::<MAC_SIZE>()
        .ok_or(HandshakeError::Length)
}

/// The client's side: JOIN is on its way.
pub struct Joining {
    secret: SessionSecret,
    binding: Binding,
    suites: Suites,
    nonce: Nonce,
    request: Frame,
}

impl Joining {
    /// Makes the JOIN; `nonce` has to be random and new. The secret has to come from a handshake of
    /// the same epoch.
    ///
    /// # Errors
    ///
    /// None that could happen.
    pub fn new<P: Primitives>(
        secret: &SessionSecret,
        binding: &Binding,
        suites: Suites,
        nonce: Nonce,
        crc32c: Crc32c,
    ) -> Result<Self, HandshakeError> {
        let header = request(Opcode::Join, binding.stamp, JOIN_PAYLOAD);
        let raw = RawJoin {
            session: binding.session.0,
            connection: binding.connection.into(),
            reserved: U16::ZERO,
            suites: suites.bits().into(),
            nonce,
        };
        let key = secret.join_key::<P>();
        let mac = short_mac::<P>(&key, &[&header.encode(crc32c), raw.as_bytes()]);

        Ok(Self {
            secret: secret.duplicate(),
            binding: *binding,
            suites,
            nonce,
            request: Frame::with_payload(&header, crc32c, &[raw.as_bytes(), &mac])?,
        })
    }

    /// The JOIN.
    #[inline]
    pub fn frame(&self) -> &Frame {
        &self.request
    }

    /// Takes the JOINED.
    ///
    /// # Errors
    ///
    /// See [`HandshakeError`].
    pub fn finish<P: Primitives>(
        self,
        header: &Header,
        payload: &[u8],
        crc32c: Crc32c,
    ) -> Result<Established, HandshakeError> {
        let expected = answer(Opcode::Join, self.binding.stamp, JOINED_PAYLOAD);

        expect(&expected, header, payload)?;

        let (bytes, mac) = split(payload)?;
        let parts = [self.request.as_bytes(), &header.encode(crc32c), bytes];

        if !P::equal(mac, &short_mac::<P>(&self.secret.join_key::<P>(), &parts)) {
            return Err(HandshakeError::Mac);
        }

        let raw = RawJoined::read_from_bytes(bytes).map_err(|_| HandshakeError::Length)?;
        let suite = Suite::from_bit(raw.suite.get())
            .filter(|suite| self.suites.contains(*suite))
            .ok_or(HandshakeError::Suite)?;
        let nonces = [self.nonce, raw.nonce];

        Ok(Established {
            suite,
            keys: self
                .secret
                .connection_keys::<P>(&self.binding, suite, nonces),
        })
    }
}

/// The server's side: a JOIN has come. Nothing that it says is to be believed yet.
pub struct JoinRequest {
    binding: Binding,
    suites: Suites,
    nonce: Nonce,
    mac: [u8; MAC_SIZE],
    request: Frame,
}

impl JoinRequest {
    /// Takes the JOIN.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Unexpected`], [`HandshakeError::Length`], [`HandshakeError::Reserved`].
    pub fn new(header: &Header, payload: &[u8], crc32c: Crc32c) -> Result<Self, HandshakeError> {
        let expected = request(Opcode::Join, header.stamp, JOIN_PAYLOAD);

        expect(&expected, header, payload)?;

        let (bytes, mac) = split(payload)?;
        let raw = RawJoin::read_from_bytes(bytes).map_err(|_| HandshakeError::Length)?;

        if raw.reserved.get() != 0 {
            return Err(HandshakeError::Reserved);
        }
        Ok(Self {
            binding: Binding {
                session: SessionId(raw.session),
                connection: raw.connection.get(),
                stamp: header.stamp,
            },
            suites: Suites::from_bits(raw.suites.get()),
            nonce: raw.nonce,
            mac: *mac,
            request: Frame::with_payload(header, crc32c, &[payload])?,
        })
    }

    /// The session whose secret has to be looked up.
    #[inline]
    pub fn session(&self) -> SessionId {
        self.binding.session
    }

    /// Checks the JOIN against what the server remembers of the session. It may still be an old
    /// one that somebody sends again; the fence sees to that when the HELLO comes.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Epoch`], [`HandshakeError::Mac`].
    #[inline(never)]
    pub fn verify<P: Primitives>(self, keys: &SessionKeys) -> Result<Joined, HandshakeError> {
        if self.binding.stamp.epoch != keys.epoch {
            return Err(HandshakeError::Epoch);
        }

        let bytes = self.request.as_bytes();
        let (bytes, _) = split(bytes)?;

        if !P::equal(
            &self.mac,
            &short_mac::<P>(&keys.secret.join_key::<P>(), &[bytes]),
        ) {
            return Err(HandshakeError::Mac);
        }
        Ok(Joined {
            secret: keys.secret.duplicate(),
            request: self,
        })
    }
}

/// The server's side: the JOIN was made by who knows the secret of the session.
pub struct Joined {
    secret: SessionSecret,
    request: JoinRequest,
}

impl Joined {
    /// The connection that joins.
    #[inline]
    pub fn binding(&self) -> &Binding {
        &self.request.binding
    }

    /// The suites that the client allows.
    #[inline]
    pub fn suites(&self) -> Suites {
        self.request.suites
    }

    /// Makes the JOINED; `nonce` has to be random and new.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Suite`] if the client did not offer `suite`.
    #[inline(never)]
    pub fn answer<P: Primitives>(
        self,
        suite: Suite,
        nonce: Nonce,
        crc32c: Crc32c,
    ) -> Result<(Frame, Established), HandshakeError> {
        let Self { secret, request } = self;

        if !request.suites.contains(suite) {
            return Err(HandshakeError::Suite);
        }

        let header = answer(Opcode::Join, request.binding.stamp, JOINED_PAYLOAD);
        let raw = RawJoined {
            nonce,
            suite: suite.bit().into(),
        };
        let parts = [
            request.request.as_bytes(),
            &header.encode(crc32c),
            raw.as_bytes(),
        ];
        let mac = short_mac::<P>(&secret.join_key::<P>(), &parts);
        let frame = Frame::with_payload(&header, crc32c, &[raw.as_bytes(), &mac])?;
        let nonces = [request.nonce, nonce];

        Ok((
            frame,
            Established {
                suite,
                keys: secret.connection_keys::<P>(&request.binding, suite, nonces),
            },
        ))
    }
}
