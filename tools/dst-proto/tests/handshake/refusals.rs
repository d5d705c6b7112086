// SPDX-License-Identifier: GPL-2.0

//! Nobody gets in who lacks a key, and nothing that was changed on its way is believed.

use proptest::prelude::*;

use dst_proto::frame::{
    Header,
    HEADER_SIZE, //
};
use dst_proto::handshake::full::{
    Initiated,
    Offer, //
};
use dst_proto::handshake::{
    Binding,
    HandshakeError, //
};
use dst_proto::name::NameError;
use dst_proto::noise::primitives::Primitives as _;
use dst_proto::noise::NoiseError;
use dst_proto::opcode::Opcode;
use dst_proto::secret::PublicKey;
use dst_proto::status::Status;
use dst_proto::suite::{
    Suite,
    Suites, //
};
use dst_proto::units::SessionId;

use crate::common::{
    crc32c,
    stamp, //
};
use crate::parties::{
    binding,
    bytes,
    flipped,
    offer,
    pair,
    parse,
    secret,
    Parties,
    Refused, //
};
use crate::primitives::Host;

const FORGED: HandshakeError = HandshakeError::Noise(NoiseError::Forged);
const WEAK: HandshakeError = HandshakeError::Noise(NoiseError::WeakKey);

/// What became of a handshake, without the keys.
fn verdict(parties: &Parties, offer: &Offer<'_>) -> Result<(), Refused> {
    parties.shake(offer).map(|_| ())
}

/// The points that make every secret the same, see RFC 7748, section 6.1: those of small order, and
/// what is the same as one of them.
fn worthless() -> Vec<PublicKey> {
    let mut points = Vec::new();
    let order_8 = [
        [
            0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f,
            0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16,
            0x5f, 0x49, 0xb8, 0x00,
        ],
        [
            0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83,
            0xef, 0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd,
            0xd0, 0x9f, 0x11, 0x57,
        ],
    ];

    // 0, 1, and p - 1, p, p + 1 with p = 2^255 - 19.
    for low in [0, 1] {
        let mut point = [0; 32];

        point[0] = low;
        points.push(point);
    }
    for low in [0xec, 0xed, 0xee] {
        let mut point = [0xff; 32];

        point[0] = low;
        point[31] = 0x7f;
        points.push(point);
    }
    points.extend(order_8);
    points.into_iter().map(PublicKey).collect()
}

#[test]
fn both_sides_agree() {
    for suite in Suite::ALL {
        let parties = Parties {
            suite,
            ..Parties::default()
        };
        let ((client, _), (server, _)) = parties.shake(&offer()).expect("a handshake");

        assert_eq!((client.suite, server.suite), (suite, suite));
        assert_eq!(bytes(&client.keys), bytes(&server.keys));
    }
}

#[test]
fn a_wrong_key_is_refused() {
    let right = || Parties::default();

    // The client means another server.
    assert_eq!(
        verdict(
            &Parties {
                pinned: pair(0x23),
                ..right()
            },
            &offer()
        ),
        Err(Refused::Initiate(FORGED))
    );
    for preshared in [[0x33, 0x34], [0x33, 0], [0, 0x33]] {
        assert_eq!(
            verdict(
                &Parties {
                    preshared,
                    ..right()
                },
                &offer()
            ),
            Err(Refused::Finish(FORGED))
        );
    }
    assert_eq!(
        verdict(
            &Parties {
                preshared: [0, 0],
                ..right()
            },
            &offer()
        ),
        Ok(())
    );
}

#[test]
fn who_has_only_public_keys_cannot_answer() {
    // The server's key is known to all, but not its secret.
    let parties = Parties::default();
    let (client, frame) = parties.initiate(&offer());
    let (header, payload) = parse(&frame);
    let impostor = Parties {
        server: pair(0x23),
        ..Parties::default()
    };

    assert_eq!(
        impostor
            .respond(&header, payload, &offer())
            .map(|_| ())
            .expect_err("opened with another key"),
        Refused::Initiate(FORGED)
    );

    // The answer to another handshake of the same two.
    let other = Parties {
        ephemeral: [0x45, 0x56],
        ..Parties::default()
    };
    let (_, frame) = other.initiate(&offer());
    let (header, payload) = parse(&frame);
    let (frame, _) = other
        .respond(&header, payload, &offer())
        .expect("an answer");
    let (header, payload) = parse(&frame);

    assert_eq!(
        parties.finish(client, &header, payload).map(|_| ()),
        Err(Refused::Finish(FORGED))
    );
}

#[test]
fn worthless_keys_are_refused() {
    assert!(Host::public_key(&secret(0)).is_none());
    for point in worthless() {
        assert!(Host::agree(&secret(7), &point).is_none(), "{point:?}");

        let parties = Parties::default();
        let (client, frame) = parties.initiate(&offer());
        let (header, mut payload) = parse(&frame);

        payload[..32].copy_from_slice(&point.0);
        assert_eq!(
            parties
                .respond(&header, payload, &offer())
                .map(|_| ())
                .expect_err("no secret"),
            Refused::Initiate(WEAK)
        );

        let (header, payload) = parse(&frame);
        let (frame, _) = parties
            .respond(&header, payload, &offer())
            .expect("an answer");
        let (header, mut payload) = parse(&frame);

        payload[..32].copy_from_slice(&point.0);
        assert_eq!(
            parties.finish(client, &header, payload).map(|_| ()),
            Err(Refused::Finish(WEAK))
        );
    }
}

#[test]
fn the_handshake_is_bound_to_its_header() {
    let parties = Parties::default();

    for other in [stamp(3, 5), stamp(2, 6)] {
        let (client, frame) = parties.initiate(&offer());
        let (mut header, payload) = parse(&frame);

        header.stamp = other;
        assert_eq!(
            parties
                .respond(&header, payload, &offer())
                .map(|_| ())
                .expect_err("another connection"),
            Refused::Initiate(FORGED)
        );

        let (header, payload) = parse(&frame);
        let (frame, _) = parties
            .respond(&header, payload, &offer())
            .expect("an answer");
        let (mut header, payload) = parse(&frame);

        header.stamp = other;
        assert_eq!(
            parties.finish(client, &header, payload).map(|_| ()),
            Err(Refused::Finish(HandshakeError::Unexpected))
        );
    }
}

#[test]
fn only_the_frame_that_has_to_come_is_taken() {
    let parties = Parties::default();
    let (_, frame) = parties.initiate(&offer());
    let (right, payload) = parse(&frame);

    for (opcode, reply) in [(Opcode::Hello, false), (Opcode::Initiate, true)] {
        let mut header = right;

        header.opcode = opcode;
        header.reply = reply;
        assert_eq!(
            Initiated::<Host>::new(&parties.server, &header, &mut payload.clone(), crc32c)
                .map(|_| ()),
            Err(HandshakeError::Unexpected)
        );
    }
    for len in [0, 31, 32, 80, 95, 96, payload.len() - 1] {
        let mut header = right;

        assert_eq!(
            Initiated::<Host>::new(
                &parties.server,
                &header,
                &mut payload[..len].to_vec(),
                crc32c
            )
            .map(|_| ()),
            Err(HandshakeError::Length)
        );
        header.payload = len as u32;
        assert!(matches!(
            Initiated::<Host>::new(
                &parties.server,
                &header,
                &mut payload[..len].to_vec(),
                crc32c
            ),
            Err(HandshakeError::Noise(_))
        ));
    }
}

#[test]
fn a_suite_that_was_not_offered_is_not_used() {
    let chacha = Offer {
        suites: Suites::only(Suite::ChaCha20Poly1305),
        ..offer()
    };

    assert_eq!(
        verdict(&Parties::default(), &chacha),
        Err(Refused::Respond(HandshakeError::Suite))
    );
}

#[test]
fn suites_are_chosen() {
    let none = Suites::NONE;
    let chacha = Suites::only(Suite::ChaCha20Poly1305);
    let aes = Suites::only(Suite::Aes256Gcm);

    for preferred in Suite::ALL {
        assert_eq!(Suites::ALL.choose(Suites::ALL, preferred), Some(preferred));
        for (one, only) in [
            (chacha, Suite::ChaCha20Poly1305),
            (aes, Suite::Aes256Gcm), //
        ] {
            assert_eq!(one.choose(Suites::ALL, preferred), Some(only));
            assert_eq!(Suites::ALL.choose(one, preferred), Some(only));
            assert_eq!(one.choose(none, preferred), None);
        }
        assert_eq!(chacha.choose(aes, preferred), None);
        // What nobody knows yet is passed over.
        assert_eq!(
            Suites::from_bits(0xffff_fffd).choose(Suites::ALL, preferred),
            Some(Suite::ChaCha20Poly1305)
        );
    }
    for suite in Suite::ALL {
        assert_eq!(Suite::from_bit(suite.bit()), Some(suite));
        assert_eq!(Suite::from_name(suite.name()), Some(suite));
    }
    for bit in [0, 3, 4, u32::MAX] {
        assert_eq!(Suite::from_bit(bit), None);
    }
}

#[test]
fn sets_of_suites_have_names() {
    let chacha = Suites::only(Suite::ChaCha20Poly1305);
    let aes = Suites::only(Suite::Aes256Gcm);
    let unknown = Suites::from_bits(0xffff_fffc);

    for (suites, text) in [
        (Suites::NONE, ""),
        (chacha, "chacha20-poly1305"),
        (aes, "aes-256-gcm"),
        (Suites::ALL, "chacha20-poly1305, aes-256-gcm"),
        (unknown, ""),
    ] {
        assert_eq!(suites.to_string(), text);
        assert_eq!(suites.is_empty(), suites == Suites::NONE);
        assert_eq!(suites.common(Suites::ALL).to_string(), text);
    }
    assert_eq!(Suites::ALL.common(aes), aes);
    assert!(chacha.common(aes).is_empty());
    assert!(unknown.common(Suites::ALL).is_empty());
}

#[test]
fn refusals_have_a_status() {
    for (error, status) in [
        (FORGED, Status::Denied),
        (WEAK, Status::Denied),
        (
            HandshakeError::Noise(NoiseError::Truncated),
            Status::Invalid,
        ),
        (HandshakeError::Unexpected, Status::Invalid),
        (HandshakeError::Length, Status::Invalid),
        (HandshakeError::Reserved, Status::Invalid),
        (HandshakeError::Export(NameError::Empty), Status::Invalid),
        (HandshakeError::Suite, Status::Feature),
        (HandshakeError::Mac, Status::Stale),
        (HandshakeError::Epoch, Status::Stale),
    ] {
        assert_eq!(error.status(), status);
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    let parties = Parties::default();
    let (_, frame) = parties.initiate(&offer());
    let (header, payload) = parse(&frame);

    for changed in flipped(&payload) {
        assert!(matches!(
            parties.respond(&header, changed, &offer()),
            Err(Refused::Initiate(HandshakeError::Noise(_)))
        ));
    }

    let (frame, _) = parties
        .respond(&header, payload, &offer())
        .expect("an answer");
    let (header, payload) = parse(&frame);

    for changed in flipped(&payload) {
        // The ephemeral key is the same as before.
        let (client, _) = parties.initiate(&offer());

        assert!(matches!(
            parties.finish(client, &header, changed),
            Err(Refused::Finish(HandshakeError::Noise(_)))
        ));
    }
}

#[test]
fn every_flipped_bit_of_the_header_is_noticed() {
    let parties = Parties::default();
    let (_, frame) = parties.initiate(&offer());
    let (head, payload) = frame.split_first_chunk::<HEADER_SIZE>().expect("a header");
    let mut decoded = 0;

    for mut changed in flipped(&head[..HEADER_SIZE - 4]) {
        changed.extend(crc32c(&changed).to_le_bytes());

        let head = changed.first_chunk().expect("a header");

        if let Ok(header) = Header::decode(head, crc32c) {
            let mut payload = payload.to_vec();

            decoded += 1;
            assert!(
                Initiated::<Host>::new(&parties.server, &header, &mut payload, crc32c).is_err()
            );
        }
    }
    // Epoch and generation can have any value, and some other lengths are possible.
    assert!(decoded >= 64);
}

proptest! {
    #[test]
    fn what_was_asked_for_arrives(
        session: [u8; 16],
        connection: u16,
        epoch: u32,
        generation: u32,
        suites: u32,
        export in "[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}",
    ) {
        let offer = Offer {
            binding: Binding {
                session: SessionId(session),
                connection,
                stamp: stamp(epoch, generation),
            },
            suites: Suites::from_bits(suites | Suite::Aes256Gcm.bit()),
            export: &export,
        };
        let parties = Parties::default();
        // The server asserts that it got what was offered.
        let ((client, _), (server, _)) = parties.shake(&offer).expect("a handshake");

        prop_assert_eq!(bytes(&client.keys), bytes(&server.keys));
    }

    #[test]
    fn a_name_that_is_none_is_not_sent(export in ".{0,80}") {
        let parties = Parties::default();
        let offer = Offer { export: &export, ..offer() };
        let sent = dst_proto::handshake::full::Initiating::<Host>::new(
            &parties.client,
            parties.server.public(),
            secret(9),
            &offer,
            crc32c,
        );

        match dst_proto::name::export(export.as_bytes()) {
            Ok(_) => prop_assert!(sent.is_ok()),
            Err(error) => {
                prop_assert_eq!(sent.map(|_| ()).err(), Some(HandshakeError::Export(error)));
            }
        }
    }

    #[test]
    fn noise_is_refused(mut payload in prop::collection::vec(any::<u8>(), 0..300)) {
        let parties = Parties::default();
        let (_, frame) = parties.initiate(&Offer { binding: binding(), ..offer() });
        let (mut header, _) = parse(&frame);

        header.payload = payload.len() as u32;
        prop_assert!(
            Initiated::<Host>::new(&parties.server, &header, &mut payload, crc32c).is_err()
        );
    }
}
