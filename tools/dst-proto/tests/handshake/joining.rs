// SPDX-License-Identifier: GPL-2.0

//! Connections that join a session: what they prove, and which keys they get.

use proptest::prelude::*;

use dst_proto::handshake::join::{
    JoinRequest,
    Joining, //
};
use dst_proto::handshake::keys::{
    next_key,
    Nonce,
    SessionKeys,
    SessionSecret, //
};
use dst_proto::handshake::{
    Binding,
    Established,
    HandshakeError, //
};
use dst_proto::opcode::Opcode;
use dst_proto::secret::PublicKey;
use dst_proto::suite::{
    Suite,
    Suites, //
};
use dst_proto::units::{
    Epoch,
    SessionId, //
};

use crate::common::{
    crc32c,
    stamp, //
};
use crate::parties::{
    binding,
    bytes,
    flipped,
    offer,
    parse,
    secret,
    Parties, //
};
use crate::primitives::Host;

/// All that goes into a JOIN and its answer.
#[derive(Clone)]
struct Join {
    binding: Binding,
    suite: Suite,
    nonces: [Nonce; 2],
}

impl Default for Join {
    fn default() -> Self {
        Self {
            binding: binding(),
            suite: Suite::Aes256Gcm,
            nonces: [[6; 32], [7; 32]],
        }
    }
}

/// The secret of a session; another one for each `number`.
fn session(number: u8) -> SessionSecret {
    let parties = Parties {
        ephemeral: [number, 0x55],
        ..Parties::default()
    };
    let ((_, secret), _) = parties.shake(&offer()).expect("a handshake");

    secret
}

/// What a server remembers of a handshake that led to `secret`.
fn remembered(secret: &SessionSecret, epoch: Epoch) -> SessionKeys {
    SessionKeys {
        epoch,
        secret: secret.duplicate(),
        client: PublicKey([0; 32]),
    }
}

impl Join {
    /// The client's part, up to its frame.
    fn ask(&self, secret: &SessionSecret, suites: Suites) -> (Joining, Vec<u8>) {
        let joining = Joining::new::<Host>(secret, &self.binding, suites, self.nonces[0], crc32c)
            .expect("a JOIN");
        let frame = joining.frame().as_bytes().to_vec();

        (joining, frame)
    }

    /// The server's part, for a server that remembers `keys`.
    fn answer(
        &self,
        frame: &[u8],
        keys: &SessionKeys,
    ) -> Result<(Vec<u8>, Established), HandshakeError> {
        let (header, payload) = parse(frame);
        let request = JoinRequest::new(&header, &payload, crc32c)?;

        assert_eq!(request.session().0, payload[..16]);

        let joined = request.verify::<Host>(keys)?;

        assert_eq!(*joined.binding(), self.binding);

        let (frame, established) = joined.answer::<Host>(self.suite, self.nonces[1], crc32c)?;

        Ok((frame.as_bytes().to_vec(), established))
    }

    /// All of it; returns the keys, which have to be the same on both sides.
    fn keys(&self, secret: &SessionSecret) -> [[u8; 32]; 2] {
        let (joining, frame) = self.ask(secret, Suites::ALL);
        let (frame, server) = self
            .answer(&frame, &remembered(secret, self.binding.stamp.epoch))
            .expect("an answer");
        let (header, payload) = parse(&frame);
        let client = joining
            .finish::<Host>(&header, &payload, crc32c)
            .expect("a connection");

        assert_eq!((client.suite, server.suite), (self.suite, self.suite));
        assert_eq!(bytes(&client.keys), bytes(&server.keys));
        bytes(&client.keys)
    }
}

#[test]
fn no_two_connections_have_the_same_keys() {
    let ours = session(1);
    let default = Join::default;
    let bound = |change: fn(&mut Binding)| {
        let mut join = default();

        change(&mut join.binding);
        join
    };
    let mut seen = Vec::new();

    for join in [
        default(),
        bound(|binding| binding.stamp = stamp(3, 5)),
        bound(|binding| binding.stamp = stamp(2, 6)),
        bound(|binding| binding.stamp = stamp(5, 2)),
        bound(|binding| binding.connection = 4),
        bound(|binding| binding.session = SessionId([2; 16])),
        Join {
            suite: Suite::ChaCha20Poly1305,
            ..default()
        },
        Join {
            nonces: [[8; 32], [7; 32]],
            ..default()
        },
        Join {
            nonces: [[6; 32], [8; 32]],
            ..default()
        },
        Join {
            nonces: [[7; 32], [6; 32]],
            ..default()
        },
    ] {
        seen.extend(join.keys(&ours));
    }
    seen.extend(default().keys(&session(2)));

    // The connection that did the whole handshake.
    let ((established, _), _) = Parties {
        ephemeral: [1, 0x55],
        ..Parties::default()
    }
    .shake(&offer())
    .expect("a handshake");

    seen.extend(bytes(&established.keys));
    // And what follows each of them.
    for key in seen.clone() {
        let key = dst_proto::secret::Secret::with(|bytes| *bytes = key);

        seen.push(*next_key::<Host>(&key).expose());
    }

    let count = seen.len();

    assert_eq!(count, 48);
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), count);
}

#[test]
fn whole_handshakes_never_repeat_a_key() {
    let mut seen = Vec::new();

    for ephemeral in [[1, 2], [1, 3], [4, 2]] {
        for epoch in [2, 3] {
            let mut offer = offer();

            offer.binding.stamp = stamp(epoch, 5);

            let ((established, _), _) = Parties {
                ephemeral,
                ..Parties::default()
            }
            .shake(&offer)
            .expect("a handshake");

            seen.extend(bytes(&established.keys));
        }
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 12);
}

#[test]
fn both_sides_get_the_same_next_key() {
    let first = secret(1);
    let second = next_key::<Host>(&first);

    assert_eq!(
        next_key::<Host>(&secret(1)).expose(),
        second.expose(),
        "both sides get the same"
    );
    assert_ne!(next_key::<Host>(&second).expose(), first.expose());
}

#[test]
fn only_who_knows_the_secret_joins() {
    let join = Join::default();
    let (ours, theirs) = (session(1), session(2));
    let epoch = join.binding.stamp.epoch;
    let (_, frame) = join.ask(&theirs, Suites::ALL);

    assert_eq!(
        join.answer(&frame, &remembered(&ours, epoch)).map(|_| ()),
        Err(HandshakeError::Mac)
    );
    for other in [Epoch(1), Epoch(3)] {
        let (_, frame) = join.ask(&ours, Suites::ALL);

        assert_eq!(
            join.answer(&frame, &remembered(&ours, other)).map(|_| ()),
            Err(HandshakeError::Epoch)
        );
    }
}

#[test]
fn an_answer_is_to_one_question() {
    let ours = session(1);
    let join = Join::default();
    let keys = remembered(&ours, join.binding.stamp.epoch);
    let (_, frame) = join.ask(&ours, Suites::ALL);
    let (frame, _) = join.answer(&frame, &keys).expect("an answer");
    let (header, payload) = parse(&frame);
    let later = Join {
        nonces: [[9; 32], [7; 32]],
        ..Join::default()
    };
    let (joining, _) = later.ask(&ours, Suites::ALL);

    assert_eq!(
        joining
            .finish::<Host>(&header, &payload, crc32c)
            .map(|_| ()),
        Err(HandshakeError::Mac)
    );
}

#[test]
fn a_suite_that_was_not_offered_is_not_used() {
    let ours = session(1);
    let join = Join::default();
    let keys = remembered(&ours, join.binding.stamp.epoch);
    let (_, frame) = join.ask(&ours, Suites::only(Suite::ChaCha20Poly1305));

    assert_eq!(
        join.answer(&frame, &keys).map(|_| ()),
        Err(HandshakeError::Suite)
    );
}

#[test]
fn only_the_frame_that_has_to_come_is_taken() {
    let ours = session(1);
    let join = Join::default();
    let keys = remembered(&ours, join.binding.stamp.epoch);
    let (_, frame) = join.ask(&ours, Suites::ALL);
    let (right, payload) = parse(&frame);
    let read = |header, payload: &[u8]| JoinRequest::new(&header, payload, crc32c).map(|_| ());

    assert_eq!(read(right, &payload), Ok(()));
    assert_eq!(read(right, &payload[1..]), Err(HandshakeError::Length));

    let mut header = right;

    header.reply = true;
    assert_eq!(read(header, &payload), Err(HandshakeError::Unexpected));
    header = right;
    header.opcode = Opcode::Initiate;
    assert_eq!(read(header, &payload), Err(HandshakeError::Unexpected));

    let mut reserved = payload.clone();

    reserved[18] = 1;
    assert_eq!(read(right, &reserved), Err(HandshakeError::Reserved));

    let (frame, _) = join.answer(&frame, &keys).expect("an answer");
    let (right, payload) = parse(&frame);
    let finish = |header, payload: &[u8]| {
        let (joining, _) = join.ask(&ours, Suites::ALL);

        joining.finish::<Host>(&header, payload, crc32c).map(|_| ())
    };

    assert_eq!(finish(right, &payload), Ok(()));
    assert_eq!(finish(right, &payload[1..]), Err(HandshakeError::Length));
    header = right;
    header.stamp = stamp(2, 6);
    assert_eq!(finish(header, &payload), Err(HandshakeError::Unexpected));
}

#[test]
fn every_flipped_bit_is_noticed() {
    let ours = session(1);
    let join = Join::default();
    let keys = remembered(&ours, join.binding.stamp.epoch);
    let (_, frame) = join.ask(&ours, Suites::ALL);
    let (header, payload) = parse(&frame);

    for changed in flipped(&payload) {
        let refused = JoinRequest::new(&header, &changed, crc32c)
            .and_then(|request| request.verify::<Host>(&keys));

        assert!(matches!(
            refused.map(|_| ()),
            Err(HandshakeError::Mac | HandshakeError::Reserved)
        ));
    }

    let (frame, _) = join.answer(&frame, &keys).expect("an answer");
    let (header, payload) = parse(&frame);

    for changed in flipped(&payload) {
        let (joining, _) = join.ask(&ours, Suites::ALL);

        assert_eq!(
            joining
                .finish::<Host>(&header, &changed, crc32c)
                .map(|_| ()),
            Err(HandshakeError::Mac)
        );
    }
}

proptest! {
    #[test]
    fn a_join_is_bound_to_its_header(epoch: u32, generation: u32) {
        let ours = session(1);
        let join = Join::default();
        let (_, frame) = join.ask(&ours, Suites::ALL);
        let (mut header, payload) = parse(&frame);

        prop_assume!(header.stamp != stamp(epoch, generation));
        header.stamp = stamp(epoch, generation);

        let refused = JoinRequest::new(&header, &payload, crc32c)
            .and_then(|request| request.verify::<Host>(&remembered(&ours, Epoch(epoch))));

        prop_assert_eq!(refused.map(|_| ()), Err(HandshakeError::Mac));
    }
}
