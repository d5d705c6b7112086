// SPDX-License-Identifier: GPL-2.0

//! Handshakes with another implementation, which knows nothing of ours.

use snow::{
    Builder,
    HandshakeState, //
};

use blake2::{
    Blake2s256,
    Digest as _, //
};

use dst_proto::frame::{
    Header,
    HEADER_SIZE, //
};
use dst_proto::handshake::full::Initiated;
use dst_proto::handshake::join::Joining;
use dst_proto::handshake::keys::SessionSecret;
use dst_proto::handshake::{
    Binding,
    HandshakeError, //
};
use dst_proto::name::NameError;
use dst_proto::opcode::Opcode;
use dst_proto::status::Status;
use dst_proto::suite::{
    Suite,
    Suites, //
};
use dst_proto::units::Handle;

use crate::common::{
    crc32c,
    stamp, //
};
use crate::parties::{
    binding,
    bytes,
    offer,
    parse,
    Parties,
    Refused, //
};
use crate::primitives::Host;

/// The other implementation with the keys of one of the parties.
fn builder<'k>(local: &'k [u8], preshared: &'k [u8; 32], prologue: &'k [u8]) -> Builder<'k> {
    let name = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";

    Builder::new(name.parse().expect("a protocol"))
        .local_private_key(local)
        .and_then(|builder| builder.psk(2, preshared))
        .and_then(|builder| builder.prologue(prologue))
        .expect("parameters")
}

/// HMAC as RFC 2104 has it, with a key of 32 bytes.
fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let pad = |byte: u8| {
        let mut block = [byte; 64];

        block.iter_mut().zip(key).for_each(|(to, from)| *to ^= from);
        block
    };
    let hash = |parts: [&[u8]; 2]| -> [u8; 32] { Blake2s256::digest(parts.concat()).into() };

    hash([&pad(0x5c), &hash([&pad(0x36), text])])
}

/// The first two outputs of HKDF as the specification of Noise has it.
fn hkdf(chaining: &[u8], input: &[u8]) -> [[u8; 32]; 2] {
    let key = hmac(chaining, input);
    let first = hmac(&key, &[1]);

    [first, hmac(&key, &[&first[..], &[2]].concat())]
}

/// The secret of the session, from what the other implementation has in the end, as the
/// specification has it.
fn session_secret(mut state: HandshakeState) -> [u8; 32] {
    let hash = state.get_handshake_hash().to_vec();
    let (forth, back) = state.dangerously_get_raw_split();

    assert!(state.is_handshake_finished());
    hkdf(&hash, &[forth, back].concat())[0]
}

/// The keys of a connection, as the specification has them.
fn connection_keys(
    secret: &[u8; 32],
    binding: &Binding,
    suite: u32,
    nonces: [[u8; 32]; 2],
) -> [[u8; 32]; 2] {
    let mut input = b"DST1 connection".to_vec();

    input.extend(binding.session.0);
    input.extend(binding.stamp.epoch.0.to_le_bytes());
    input.extend(binding.stamp.generation.0.to_le_bytes());
    input.extend(binding.connection.to_le_bytes());
    input.extend(suite.to_le_bytes());
    input.extend(nonces.concat());
    hkdf(secret, &input)
}

/// The header that an INITIATE with this payload of Noise has.
fn initiate_header(payload: &[u8]) -> Header {
    Header {
        payload: 96 + payload.len() as u32,
        ..Header::request(Opcode::Initiate, Handle::NONE, stamp(2, 5))
    }
}

/// Has the other implementation ask for `offered`; returns it, the header and the first message.
fn their_initiator(parties: &Parties, offered: &[u8]) -> (HandshakeState, Header, Vec<u8>) {
    let header = initiate_header(offered);
    let prologue = [&b"DST1 sealed IKp2"[..], &header.encode(crc32c)].concat();
    let mut client = builder(&[0x11; 32], &[0x33; 32], &prologue)
        .remote_public_key(&parties.server.public().0)
        .and_then(Builder::build_initiator)
        .expect("an initiator");
    let mut message = [0; 512];
    let len = client
        .write_message(offered, &mut message)
        .expect("the first message");

    (client, header, message[..len].to_vec())
}

/// Has the other implementation answer `choice` to our INITIATE; returns it, the header and the
/// second message.
fn their_responder(frame: &[u8], choice: &[u8]) -> (HandshakeState, Header, Vec<u8>) {
    let prologue = [b"DST1 sealed IKp2", &frame[..HEADER_SIZE]].concat();
    let mut server = builder(&[0x22; 32], &[0x33; 32], &prologue)
        .build_responder()
        .expect("a responder");
    let mut payload = [0; 512];
    let len = server
        .read_message(&frame[HEADER_SIZE..], &mut payload)
        .expect("the first message");

    assert_eq!(payload[..len], offered());

    let mut message = [0; 512];
    let len = server
        .write_message(choice, &mut message)
        .expect("the second message");
    let header = Header {
        payload: len as u32,
        ..Header::answer(Opcode::Initiate, Handle::NONE, stamp(2, 5), Status::Ok)
    };

    (server, header, message[..len].to_vec())
}

/// What the client asks for, as the specification has it.
fn offered() -> Vec<u8> {
    let mut payload = vec![1; 16];

    payload.extend([3, 0, 0, 0, 3, 0, 0, 0, 7]);
    payload.extend(b"storage");
    payload
}

#[test]
fn client_with_their_responder() {
    let parties = Parties::default();
    let (client, frame) = parties.initiate(&offer());
    let (server, header, message) = their_responder(&frame, &[2, 0, 0, 0]);

    assert_eq!(
        server.get_remote_static(),
        Some(&parties.client.public().0[..])
    );

    let (established, ours) = parties
        .finish(client, &header, message)
        .expect("a handshake");
    let secret = session_secret(server);

    assert_eq!(established.suite, Suite::Aes256Gcm);
    assert_eq!(
        bytes(&established.keys),
        connection_keys(&secret, &binding(), 2, [[0; 32]; 2])
    );
    join(&ours, &secret);
}

/// Joins with our secret `ours`, and checks every byte with `secret`, which has to be the same.
fn join(ours: &SessionSecret, secret: &[u8; 32]) {
    let binding = Binding {
        connection: 4,
        ..binding()
    };
    let joining =
        Joining::new::<Host>(ours, &binding, Suites::ALL, [6; 32], crc32c).expect("a JOIN");
    let request = joining.frame().as_bytes().to_vec();
    let header = Header {
        payload: 72,
        ..Header::request(Opcode::Join, Handle::NONE, stamp(2, 5))
    };
    let [key, _] = hkdf(secret, b"DST1 join");
    let mut expected = header.encode(crc32c).to_vec();

    expected.extend([1; 16]);
    expected.extend([4, 0, 0, 0, 3, 0, 0, 0]);
    expected.extend([6; 32]);
    expected.extend(&hmac(&key, &expected)[..16]);
    assert_eq!(request, expected);

    let header = Header {
        payload: 52,
        ..Header::answer(Opcode::Join, Handle::NONE, stamp(2, 5), Status::Ok)
    };
    let mut payload = [7; 32].to_vec();

    payload.extend([1, 0, 0, 0]);

    let mac = hmac(
        &key,
        &[&request[..], &header.encode(crc32c), &payload].concat(),
    );

    payload.extend(&mac[..16]);

    let established = joining
        .finish::<Host>(&header, &payload, crc32c)
        .expect("a connection");

    assert_eq!(established.suite, Suite::ChaCha20Poly1305);
    assert_eq!(
        bytes(&established.keys),
        connection_keys(secret, &binding, 1, [[6; 32], [7; 32]])
    );
}

#[test]
fn server_with_their_initiator() {
    let parties = Parties::default();
    let (mut client, header, message) = their_initiator(&parties, &offered());
    let (frame, (established, _)) = parties
        .respond(&header, message, &offer())
        .expect("a handshake");
    let (header, message) = parse(&frame);
    let mut payload = [0; 512];
    let len = client
        .read_message(&message, &mut payload)
        .expect("the second message");

    assert_eq!(
        header,
        Header {
            payload: 52,
            ..Header::answer(Opcode::Initiate, Handle::NONE, stamp(2, 5), Status::Ok)
        }
    );
    assert_eq!(payload[..len], [2, 0, 0, 0]);
    assert_eq!(
        bytes(&established.keys),
        connection_keys(&session_secret(client), &binding(), 2, [[0; 32]; 2])
    );
}

#[test]
fn an_offer_that_makes_no_sense_is_refused() {
    let parties = Parties::default();
    let changed = |at: usize, value: u8| {
        let mut payload = offered();

        payload[at] = value;
        payload
    };

    for (payload, error) in [
        (changed(18, 1), HandshakeError::Reserved),
        (changed(19, 1), HandshakeError::Reserved),
        (changed(24, 6), HandshakeError::Length),
        (changed(24, 8), HandshakeError::Length),
        (
            changed(25, b'/'),
            HandshakeError::Export(NameError::FirstCharacter),
        ),
        (
            changed(31, 0xff),
            HandshakeError::Export(NameError::Character),
        ),
        (
            [&offered()[..24], &[0]].concat(),
            HandshakeError::Export(NameError::Empty),
        ),
        (offered()[..24].to_vec(), HandshakeError::Length),
        (vec![], HandshakeError::Length),
    ] {
        let (_, header, mut message) = their_initiator(&parties, &payload);

        assert_eq!(
            Initiated::<Host>::new(&parties.server, &header, &mut message, crc32c).map(|_| ()),
            Err(error)
        );
    }
}

#[test]
fn a_choice_that_was_not_offered_is_refused() {
    let parties = Parties::default();

    for choice in [0, 3, 4, u32::MAX] {
        let (client, frame) = parties.initiate(&offer());
        let (_, header, message) = their_responder(&frame, &choice.to_le_bytes());

        assert_eq!(
            parties.finish(client, &header, message).map(|_| ()),
            Err(Refused::Finish(HandshakeError::Suite))
        );
    }
}
