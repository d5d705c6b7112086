// SPDX-License-Identifier: GPL-2.0

//! A client and a server that shake hands.

use dst_proto::frame::{
    Header,
    HEADER_SIZE, //
};
use dst_proto::handshake::full::{
    Initiated,
    Initiating,
    Offer, //
};
use dst_proto::handshake::keys::{
    ConnectionKeys,
    SessionSecret, //
};
use dst_proto::handshake::{
    Binding,
    Established,
    HandshakeError, //
};
use dst_proto::noise::pattern::KeyPair;
use dst_proto::secret::Secret;
use dst_proto::suite::{
    Suite,
    Suites, //
};
use dst_proto::units::SessionId;

use crate::common::{
    crc32c,
    stamp, //
};
use crate::primitives::Host;

/// The secret whose bytes are all `byte`.
pub(crate) fn secret(byte: u8) -> Secret {
    Secret::with(|bytes| bytes.fill(byte))
}

/// The keys that belong to that secret.
pub(crate) fn pair(byte: u8) -> KeyPair {
    KeyPair::new::<Host>(secret(byte)).expect("a key")
}

/// A connection.
pub(crate) fn binding() -> Binding {
    Binding {
        session: SessionId([1; 16]),
        connection: 3,
        stamp: stamp(2, 5),
    }
}

/// What a client asks for that has both suites.
pub(crate) fn offer() -> Offer<'static> {
    Offer {
        binding: binding(),
        suites: Suites::ALL,
        export: "storage",
    }
}

/// A frame, taken apart as a receiver does it.
pub(crate) fn parse(frame: &[u8]) -> (Header, Vec<u8>) {
    let (header, payload) = frame.split_first_chunk::<HEADER_SIZE>().expect("a header");
    let header = Header::decode(header, crc32c).expect("a frame");

    assert_eq!(header.payload as usize, payload.len());
    (header, payload.to_vec())
}

/// The keys as bytes, to be compared.
pub(crate) fn bytes(keys: &ConnectionKeys) -> [[u8; 32]; 2] {
    [
        *keys.client_to_server.expose(),
        *keys.server_to_client.expose(),
    ]
}

/// These bytes with one bit flipped, once for each bit.
pub(crate) fn flipped(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    (0..bytes.len() * 8).map(|bit| {
        let mut changed = bytes.to_vec();

        changed[bit / 8] ^= 1 << (bit % 8);
        changed
    })
}

/// All that goes into a handshake. Each party has its own idea of what both have to agree upon.
pub(crate) struct Parties {
    pub(crate) client: KeyPair,
    pub(crate) server: KeyPair,
    /// The key that the client takes for that of the server.
    pub(crate) pinned: KeyPair,
    /// What the client and the server have as preshared key.
    pub(crate) preshared: [u8; 2],
    /// The suite that the server chooses.
    pub(crate) suite: Suite,
    pub(crate) ephemeral: [u8; 2],
}

impl Default for Parties {
    fn default() -> Self {
        Self {
            client: pair(0x11),
            server: pair(0x22),
            pinned: pair(0x22),
            preshared: [0x33; 2],
            suite: Suite::Aes256Gcm,
            ephemeral: [0x44, 0x55],
        }
    }
}

/// Where a handshake came to its end.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Refused {
    /// The server refused the INITIATE.
    Initiate(HandshakeError),
    /// The server did not answer.
    Respond(HandshakeError),
    /// The client refused the RESPOND.
    Finish(HandshakeError),
}

/// What one side has in the end.
pub(crate) type Side = (Established, SessionSecret);

impl Parties {
    /// The client's part of the handshake, up to its first frame.
    pub(crate) fn initiate(&self, offer: &Offer<'_>) -> (Initiating<Host>, Vec<u8>) {
        let ephemeral = secret(self.ephemeral[0]);
        let (client, frame) =
            Initiating::new(&self.client, self.pinned.public(), ephemeral, offer, crc32c)
                .expect("an INITIATE");

        (client, frame.as_bytes().to_vec())
    }

    /// The server's part of the handshake.
    pub(crate) fn respond(
        &self,
        header: &Header,
        mut payload: Vec<u8>,
        offer: &Offer<'_>,
    ) -> Result<(Vec<u8>, Side), Refused> {
        let (asked, got) = Initiated::<Host>::new(&self.server, header, &mut payload, crc32c)
            .map_err(Refused::Initiate)?;

        assert_eq!(got, *offer);
        assert_eq!(asked.client(), self.client.public());

        let (frame, established, session) = asked
            .respond(
                secret(self.ephemeral[1]),
                &secret(self.preshared[1]),
                self.suite,
                crc32c,
            )
            .map_err(Refused::Respond)?;

        Ok((frame.as_bytes().to_vec(), (established, session)))
    }

    /// The client's part of the rest of the handshake.
    pub(crate) fn finish(
        &self,
        client: Initiating<Host>,
        header: &Header,
        mut payload: Vec<u8>,
    ) -> Result<Side, Refused> {
        client
            .finish(&secret(self.preshared[0]), header, &mut payload)
            .map_err(Refused::Finish)
    }

    /// The whole handshake; returns what client and server have in the end.
    pub(crate) fn shake(&self, offer: &Offer<'_>) -> Result<(Side, Side), Refused> {
        let (client, frame) = self.initiate(offer);
        let (header, payload) = parse(&frame);
        let (frame, server) = self.respond(&header, payload, offer)?;
        let (header, payload) = parse(&frame);
        let client = self.finish(client, &header, payload)?;

        Ok((client, server))
    }
}
