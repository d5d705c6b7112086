// SPDX-License-Identifier: GPL-2.0

//! What others have published comes out of the kernel's functions, too. They run when the module is
//! loaded into a kernel with KUnit.

use super::{
    vectors::{
        HASH,
        INITIATOR,
        INITIATOR_EPHEMERAL,
        MESSAGES,
        PRESHARED,
        PROLOGUE,
        RESPONDER,
        RESPONDER_EPHEMERAL,
        RESPONDER_PUBLIC, //
    },
    *,
};
use crate::{
    abstractions::crc32c::crc32c,
    proto::{
        frame::{
            Header,
            HEADER_SIZE, //
        },
        handshake::{
            full::{
                Initiated,
                Initiating,
                Offer, //
            },
            join::{
                JoinRequest,
                Joining, //
            },
            keys::{
                ConnectionKeys,
                SessionKeys, //
            },
            Binding,
            Frame, //
        },
        noise::{
            pattern::{
                Initiator,
                KeyPair,
                Responder,
                FIRST_OVERHEAD,
                SECOND_OVERHEAD, //
            },
            primitives::{
                hash,
                TAG_SIZE, //
            },
            symmetric::CipherState, //
        },
        suite::{
            Suite,
            Suites, //
        },
        units::{
            Epoch,
            Generation,
            SessionId,
            Stamp, //
        }, //
    }, //
};

/// Room for any of the messages.
const ROOM: usize = 160;

/// The points that make every secret zero, as far as there are two ways to write them: 0, 1, those
/// of order 8, p - 1, p and p + 1, where p is 2^255 - 19.
const WORTHLESS: [[u8; KEY_SIZE]; 7] = [
    [0; KEY_SIZE],
    with_ends(1, 0, 0),
    with_ends(0xec, 0xff, 0x7f),
    with_ends(0xed, 0xff, 0x7f),
    with_ends(0xee, 0xff, 0x7f),
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4,
        0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49,
        0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef,
        0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f,
        0x11, 0x57,
    ],
];

/// Bytes that are `middle` but for the first and the last one.
const fn with_ends(first: u8, middle: u8, last: u8) -> [u8; KEY_SIZE] {
    let mut bytes = [middle; KEY_SIZE];

    bytes[0] = first;
    bytes[KEY_SIZE - 1] = last;
    bytes
}

/// The secret with these bytes.
fn secret(bytes: &[u8; KEY_SIZE]) -> Secret {
    Secret::with(|secret| *secret = *bytes)
}

/// The keys that belong to that secret.
fn pair(bytes: &[u8; KEY_SIZE]) -> Result<KeyPair> {
    KeyPair::new::<KernelPrimitives>(secret(bytes)).ok_or(EINVAL)
}

/// Takes a frame apart as a receiver does it: its header, and its payload in `buffer`.
fn parse<'b>(frame: &Frame, buffer: &'b mut [u8]) -> Result<(Header, &'b mut [u8])> {
    let (header, payload) = frame
        .as_bytes()
        .split_first_chunk::<HEADER_SIZE>()
        .ok_or(EINVAL)?;
    let header = Header::decode(header, crc32c).map_err(|_| EINVAL)?;
    let buffer = buffer.get_mut(..payload.len()).ok_or(EINVAL)?;

    buffer.copy_from_slice(payload);
    Ok((header, buffer))
}

/// Whether both are the same.
fn same(one: &ConnectionKeys, other: &ConnectionKeys) -> bool {
    one.client_to_server.expose() == other.client_to_server.expose()
        && one.server_to_client.expose() == other.server_to_client.expose()
}

#[kunit_tests(dst_crypto)]
mod cases {
    use super::*;

    #[test]
    fn a_handshake_is_as_published() -> Result {
        let responder = pair(&RESPONDER)?;
        let [first, second, rest @ ..] = MESSAGES else {
            return Err(EINVAL);
        };

        assert_eq!(responder.public().0, RESPONDER_PUBLIC);

        let mut room = [0; ROOM];
        let message = &mut room[..FIRST_OVERHEAD + first.payload.len()];
        let initiator =
            Initiator::<KernelPrimitives>::new(pair(&INITIATOR)?, responder.public(), &[PROLOGUE])
                .send(secret(&INITIATOR_EPHEMERAL), first.payload, message)
                .map_err(|_| EINVAL)?;

        assert!(*message == *first.wire);

        let (asked, payload) = Responder::<KernelPrimitives>::new(responder, &[PROLOGUE])
            .receive(message)
            .map_err(|_| EIO)?;

        assert!(*payload == *first.payload);
        assert_eq!(asked.remote(), pair(&INITIATOR)?.public());

        let message = &mut room[..SECOND_OVERHEAD + second.payload.len()];
        let responder = asked
            .send(
                secret(&RESPONDER_EPHEMERAL),
                &secret(&PRESHARED),
                second.payload,
                message,
            )
            .map_err(|_| EINVAL)?;

        assert!(*message == *second.wire);

        let (initiator, payload) = initiator
            .receive(&secret(&PRESHARED), message)
            .map_err(|_| EIO)?;

        assert!(*payload == *second.payload);
        assert_eq!(initiator.hash, HASH);
        assert_eq!(responder.hash, HASH);

        let mut senders = [
            CipherState::<KernelPrimitives>::new(initiator.forth),
            CipherState::new(initiator.back),
        ];
        let mut receivers = [
            CipherState::<KernelPrimitives>::new(responder.forth),
            CipherState::new(responder.back),
        ];

        assert_eq!(rest.len(), 4);
        for (number, message) in rest.iter().enumerate() {
            let len = message.payload.len();
            let bytes = &mut room[..len + TAG_SIZE];

            bytes[..len].copy_from_slice(message.payload);
            assert!(senders[number % 2].encrypt(&[], bytes).is_ok());
            assert!(*bytes == *message.wire);
            assert!(receivers[number % 2].decrypt(&[], bytes).is_ok());
            assert!(bytes[..len] == *message.payload);
        }
        Ok(())
    }

    // RFC 7693, appendix B.
    #[test]
    fn a_hash_is_as_published() {
        let expected = [
            0x50, 0x8c, 0x5e, 0x8c, 0x32, 0x7c, 0x14, 0xe2, 0xe1, 0xa7, 0x2b, 0xa3, 0x4e, 0xeb,
            0x45, 0x2f, 0x37, 0x45, 0x8b, 0x20, 0x9e, 0xd6, 0x3a, 0x29, 0x4d, 0x99, 0x9b, 0x4c,
            0x86, 0x67, 0x59, 0x82,
        ];

        assert_eq!(hash::<KernelPrimitives>(b"abc", &[]), expected);
        assert_eq!(hash::<KernelPrimitives>(b"a", &[b"", b"bc"]), expected);
    }

    // RFC 7748, section 6.1. Both secret keys have bits that have to be fixed.
    #[test]
    fn a_shared_secret_is_as_published() -> Result {
        let alice = [
            0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d, 0x3c, 0x16, 0xc1, 0x72, 0x51, 0xb2,
            0x66, 0x45, 0xdf, 0x4c, 0x2f, 0x87, 0xeb, 0xc0, 0x99, 0x2a, 0xb1, 0x77, 0xfb, 0xa5,
            0x1d, 0xb9, 0x2c, 0x2a,
        ];
        let bob = [
            0x5d, 0xab, 0x08, 0x7e, 0x62, 0x4a, 0x8a, 0x4b, 0x79, 0xe1, 0x7f, 0x8b, 0x83, 0x80,
            0x0e, 0xe6, 0x6f, 0x3b, 0xb1, 0x29, 0x26, 0x18, 0xb6, 0xfd, 0x1c, 0x2f, 0x8b, 0x27,
            0xff, 0x88, 0xe0, 0xeb,
        ];
        let shared = [
            0x4a, 0x5d, 0x9d, 0x5b, 0xa4, 0xce, 0x2d, 0xe1, 0x72, 0x8e, 0x3b, 0xf4, 0x80, 0x35,
            0x0f, 0x25, 0xe0, 0x7e, 0x21, 0xc9, 0x47, 0xd1, 0x9e, 0x33, 0x76, 0xf0, 0x9b, 0x3c,
            0x1e, 0x16, 0x17, 0x42,
        ];

        for (one, other) in [(alice, bob), (bob, alice)] {
            let public = *pair(&other)?.public();
            let secret = KernelPrimitives::agree(&secret(&one), &public).ok_or(EINVAL)?;

            assert_eq!(*secret.expose(), shared);
        }
        Ok(())
    }

    #[test]
    fn worthless_keys_are_refused() {
        assert!(KernelPrimitives::public_key(&Secret::zero()).is_none());
        for point in WORTHLESS {
            assert!(KernelPrimitives::agree(&secret(&RESPONDER), &PublicKey(point)).is_none());
        }
    }

    #[test]
    fn a_changed_bit_is_noticed() {
        let key = secret(&PRESHARED);
        let mut sealed = [7; 64];

        assert!(KernelPrimitives::seal(&key, 5, b"more", &mut sealed).is_some());
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed;

            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(KernelPrimitives::open(&key, 5, b"more", &mut changed).is_none());
        }
        for (nonce, associated) in [(4, &b"more"[..]), (5 << 32, b"more"), (5, b"mor"), (5, b"")] {
            let mut bytes = sealed;

            assert!(KernelPrimitives::open(&key, nonce, associated, &mut bytes).is_none());
        }
        assert!(KernelPrimitives::open(&secret(&HASH), 5, b"more", &mut sealed.clone()).is_none());
        assert!(KernelPrimitives::open(&key, 5, b"more", &mut sealed).is_some());
        assert_eq!(sealed[..48], [7; 48]);
    }

    #[test]
    fn what_is_too_short_is_refused() {
        let key = secret(&PRESHARED);

        for len in 0..TAG_SIZE {
            let bytes = &mut [0; TAG_SIZE][..len];

            assert!(KernelPrimitives::seal(&key, 0, &[], bytes).is_none());
            assert!(KernelPrimitives::open(&key, 0, &[], bytes).is_none());
        }

        let mut tag = [0; TAG_SIZE];

        assert!(KernelPrimitives::seal(&key, 0, &[], &mut tag).is_some());
        assert!(KernelPrimitives::open(&key, 0, &[], &mut tag).is_some());
    }

    #[test]
    fn codes_are_compared() {
        assert!(KernelPrimitives::equal(&[7; MAC_SIZE], &[7; MAC_SIZE]));
        for at in 0..MAC_SIZE {
            let mut other = [7; MAC_SIZE];

            other[at] = 6;
            assert!(!KernelPrimitives::equal(&[7; MAC_SIZE], &other));
        }
    }

    #[test]
    fn connections_are_opened_and_joined() -> Result {
        let (client, server) = (pair(&INITIATOR)?, pair(&RESPONDER)?);
        let binding = |connection| Binding {
            session: SessionId([1; 16]),
            connection,
            stamp: Stamp {
                epoch: Epoch(2),
                generation: Generation(1),
            },
        };
        let offer = Offer {
            binding: binding(0),
            suites: Suites::ALL,
            export: "storage",
        };
        let none = Secret::zero();
        let mut buffer = [0; 256];

        let (initiating, frame) = Initiating::<KernelPrimitives>::new(
            &client,
            server.public(),
            new_secret()?,
            &offer,
            crc32c,
        )
        .map_err(|_| EINVAL)?;
        let (header, payload) = parse(&frame, &mut buffer)?;
        let (initiated, got) =
            Initiated::<KernelPrimitives>::new(&server, &header, payload, crc32c)
                .map_err(|_| EIO)?;

        assert!(got == offer);
        assert_eq!(initiated.client(), client.public());

        let (frame, ours, secret) = initiated
            .respond(new_secret()?, &none, Suite::Aes256Gcm, crc32c)
            .map_err(|_| EINVAL)?;
        let (header, payload) = parse(&frame, &mut buffer)?;
        let (theirs, their_secret) = initiating
            .finish(&none, &header, payload)
            .map_err(|_| EIO)?;

        assert!(same(&ours.keys, &theirs.keys));

        let joining = Joining::new::<KernelPrimitives>(
            &their_secret,
            &binding(1),
            Suites::ALL,
            [6; 32],
            crc32c,
        )
        .map_err(|_| EINVAL)?;
        let keys = SessionKeys {
            epoch: Epoch(2),
            secret,
            client: *client.public(),
        };
        let (header, payload) = parse(joining.frame(), &mut buffer)?;
        let (frame, ours) = JoinRequest::new(&header, payload, crc32c)
            .and_then(|request| request.verify::<KernelPrimitives>(&keys))
            .and_then(|joined| joined.answer::<KernelPrimitives>(Suite::Aes256Gcm, [7; 32], crc32c))
            .map_err(|_| EIO)?;
        let (header, payload) = parse(&frame, &mut buffer)?;
        let joined = joining
            .finish::<KernelPrimitives>(&header, payload, crc32c)
            .map_err(|_| EIO)?;

        assert!(same(&ours.keys, &joined.keys));
        assert!(!same(&joined.keys, &theirs.keys));
        Ok(())
    }
}
