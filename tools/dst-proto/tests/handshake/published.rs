// SPDX-License-Identifier: GPL-2.0

//! What others have published comes out here, too.

use dst_proto::noise::pattern::{
    Finished,
    Initiator,
    KeyPair,
    Responder,
    FIRST_OVERHEAD,
    SECOND_OVERHEAD, //
};
use dst_proto::noise::primitives::{
    hash,
    hmac,
    Primitives as _,
    TAG_SIZE, //
};
use dst_proto::noise::symmetric::CipherState;
use dst_proto::secret::Secret;

use crate::primitives::Host;
use crate::vectors::{
    HASH,
    INITIATOR,
    INITIATOR_EPHEMERAL,
    MESSAGES,
    PRESHARED,
    PROLOGUE,
    RESPONDER,
    RESPONDER_EPHEMERAL,
    RESPONDER_PUBLIC, //
};

fn secret(bytes: [u8; 32]) -> Secret {
    Secret::with(|secret| *secret = bytes)
}

fn pair(bytes: [u8; 32]) -> KeyPair {
    KeyPair::new::<Host>(secret(bytes)).expect("a key")
}

/// Plays the handshake; returns what both sides have in the end.
fn play() -> (Finished, Finished) {
    let [first, second, ..] = MESSAGES else {
        panic!("no handshake");
    };
    let responder = pair(RESPONDER);
    let mut message = vec![0; FIRST_OVERHEAD + first.payload.len()];

    assert_eq!(responder.public().0, RESPONDER_PUBLIC);

    let initiator = Initiator::<Host>::new(pair(INITIATOR), responder.public(), &[PROLOGUE])
        .send(secret(INITIATOR_EPHEMERAL), first.payload, &mut message)
        .expect("the first message");

    assert_eq!(message, first.wire);

    let (asked, payload) = Responder::<Host>::new(responder, &[PROLOGUE])
        .receive(&mut message)
        .expect("the first message");

    assert_eq!(payload, first.payload);
    assert_eq!(asked.remote(), pair(INITIATOR).public());

    let mut message = vec![0; SECOND_OVERHEAD + second.payload.len()];
    let responder = asked
        .send(
            secret(RESPONDER_EPHEMERAL),
            &secret(PRESHARED),
            second.payload,
            &mut message,
        )
        .expect("the second message");

    assert_eq!(message, second.wire);

    let (initiator, payload) = initiator
        .receive(&secret(PRESHARED), &mut message)
        .expect("the second message");

    assert_eq!(payload, second.payload);
    (initiator, responder)
}

#[test]
fn noise() {
    let (initiator, responder) = play();

    for side in [&initiator, &responder] {
        assert_eq!(side.hash, HASH);
    }
    assert_eq!(initiator.forth.expose(), responder.forth.expose());
    assert_eq!(initiator.back.expose(), responder.back.expose());

    let mut senders = [
        CipherState::<Host>::new(initiator.forth),
        CipherState::new(initiator.back),
    ];
    let mut receivers = [
        CipherState::<Host>::new(responder.forth),
        CipherState::new(responder.back),
    ];

    assert_eq!(MESSAGES.len(), 6);
    for (number, message) in MESSAGES.iter().enumerate().skip(2) {
        let mut bytes = [message.payload, &[0; TAG_SIZE]].concat();

        senders[number % 2].encrypt(&[], &mut bytes).expect("room");
        assert_eq!(bytes, message.wire);
        receivers[number % 2]
            .decrypt(&[], &mut bytes)
            .expect("authentic");
        assert!(bytes.starts_with(message.payload));
    }
}

/// RFC 7693, appendix B.
#[test]
fn blake2s() {
    let expected = [
        0x50, 0x8c, 0x5e, 0x8c, 0x32, 0x7c, 0x14, 0xe2, 0xe1, 0xa7, 0x2b, 0xa3, 0x4e, 0xeb, 0x45,
        0x2f, 0x37, 0x45, 0x8b, 0x20, 0x9e, 0xd6, 0x3a, 0x29, 0x4d, 0x99, 0x9b, 0x4c, 0x86, 0x67,
        0x59, 0x82,
    ];

    assert_eq!(hash::<Host>(b"abc", &[]), expected);
    assert_eq!(hash::<Host>(b"a", &[b"", b"bc"]), expected);
}

/// HMAC is defined by the hash alone (RFC 2104).
#[test]
fn hmac_is_two_hashes() {
    let key = secret(core::array::from_fn(|i| i as u8));
    let pad = |byte| {
        let mut block = [byte; 64];

        for (to, from) in block.iter_mut().zip(key.expose()) {
            *to ^= from;
        }
        block
    };
    let inner = hash::<Host>(&pad(0x36), &[b"text"]);
    let outer = hash::<Host>(&pad(0x5c), &[&inner]);

    assert_eq!(*hmac::<Host>(&key, &[b"te", b"xt"]).expose(), outer);
}

/// RFC 7748, section 6.1.
#[test]
fn x25519() {
    let alice = pair([
        0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d, 0x3c, 0x16, 0xc1, 0x72, 0x51, 0xb2, 0x66,
        0x45, 0xdf, 0x4c, 0x2f, 0x87, 0xeb, 0xc0, 0x99, 0x2a, 0xb1, 0x77, 0xfb, 0xa5, 0x1d, 0xb9,
        0x2c, 0x2a,
    ]);
    let bob = secret([
        0x5d, 0xab, 0x08, 0x7e, 0x62, 0x4a, 0x8a, 0x4b, 0x79, 0xe1, 0x7f, 0x8b, 0x83, 0x80, 0x0e,
        0xe6, 0x6f, 0x3b, 0xb1, 0x29, 0x26, 0x18, 0xb6, 0xfd, 0x1c, 0x2f, 0x8b, 0x27, 0xff, 0x88,
        0xe0, 0xeb,
    ]);

    assert_eq!(
        alice.public().0,
        [
            0x85, 0x20, 0xf0, 0x09, 0x89, 0x30, 0xa7, 0x54, 0x74, 0x8b, 0x7d, 0xdc, 0xb4, 0x3e,
            0xf7, 0x5a, 0x0d, 0xbf, 0x3a, 0x0d, 0x26, 0x38, 0x1a, 0xf4, 0xeb, 0xa4, 0xa9, 0x8e,
            0xaa, 0x9b, 0x4e, 0x6a,
        ]
    );
    assert_eq!(
        *Host::agree(&bob, alice.public())
            .expect("a secret")
            .expose(),
        [
            0x4a, 0x5d, 0x9d, 0x5b, 0xa4, 0xce, 0x2d, 0xe1, 0x72, 0x8e, 0x3b, 0xf4, 0x80, 0x35,
            0x0f, 0x25, 0xe0, 0x7e, 0x21, 0xc9, 0x47, 0xd1, 0x9e, 0x33, 0x76, 0xf0, 0x9b, 0x3c,
            0x1e, 0x16, 0x17, 0x42,
        ]
    );
}
