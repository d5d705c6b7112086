// SPDX-License-Identifier: GPL-2.0

//! JOIN and JOINED with somebody in between.

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use dst_proto::handshake::full::{
    Initiated,
    Initiating,
    Offer, //
};
use dst_proto::handshake::join::{
    JoinRequest,
    Joining, //
};
use dst_proto::handshake::keys::{
    SessionKeys,
    SessionSecret, //
};
use dst_proto::handshake::{
    Binding,
    Established, //
};
use dst_proto::suite::{
    Suite,
    Suites, //
};
use dst_proto::units::{
    Epoch,
    SessionId, //
};

use crate::mutation::{
    deliver,
    Mutation,
    Received, //
};
use crate::primitives::{
    pair,
    secret,
    Small, //
};
use crate::{
    crc32c,
    stamp, //
};

/// Two connections that join, the second one disturbed.
#[derive(Arbitrary, Debug)]
pub struct Input {
    /// The server knows the secret of another session.
    wrong_secret: bool,
    /// The epoch of the server's secret, and of each connection.
    epochs: [u8; 3],
    /// Number and generation of each connection.
    connections: [(u16, u32); 2],
    /// Whether the two sides contribute the same random bytes again.
    repeat: [bool; 2],
    /// The client allows only one suite, and the server chooses that one or not.
    suites: (u8, bool),
    mutations: [Vec<Mutation>; 2],
}

/// The secrets of two sessions.
static SECRETS: LazyLock<[SessionSecret; 2]> = LazyLock::new(|| [whole(40), whole(50)]);

/// The secret that a whole handshake leads to.
fn whole(number: u8) -> SessionSecret {
    let offer = Offer {
        binding: binding(1, (0, 1)),
        suites: Suites::ALL,
        export: "disk",
    };
    let (_, frame) =
        Initiating::<Small>::new(&pair(1), pair(2).public(), secret(number), &offer, crc32c)
            .expect("an INITIATE");
    let mut received = untouched(frame.as_bytes());
    let (asked, _) =
        Initiated::<Small>::new(&pair(2), &received.header, &mut received.payload, crc32c)
            .expect("an INITIATE");

    asked
        .respond(secret(number + 1), &secret(30), Suite::Aes256Gcm, crc32c)
        .expect("a RESPOND")
        .2
}

/// A connection of the session.
fn binding(epoch: u8, (connection, generation): (u16, u32)) -> Binding {
    Binding {
        session: SessionId([7; 16]),
        connection,
        stamp: stamp(u32::from(epoch), generation),
    }
}

/// The frame as it was sent.
fn untouched(frame: &[u8]) -> Received {
    deliver(frame, &[], &[]).expect("a frame")
}

impl Input {
    fn join(&self, number: usize) -> Joining {
        let suites = match self.suites.0 % 3 {
            0 => Suites::ALL,
            1 => Suites::only(Suite::Aes256Gcm),
            _ => Suites::only(Suite::ChaCha20Poly1305),
        };
        let nonce = [if self.repeat[0] { 1 } else { 2 + number as u8 }; 32];
        let binding = binding(self.epochs[1 + number], self.connections[number]);

        Joining::new::<Small>(&SECRETS[0], &binding, suites, nonce, crc32c).expect("a JOIN")
    }

    /// The server's part, as far as it takes the JOIN; what it answers, if it does.
    fn answer(&self, received: &Received, number: usize) -> Option<Option<(Vec<u8>, Established)>> {
        let keys = SessionKeys {
            epoch: Epoch(u32::from(self.epochs[0])),
            secret: SECRETS[usize::from(self.wrong_secret)].duplicate(),
            client: *pair(1).public(),
        };
        let suite = match self.suites.1 {
            true => Suite::Aes256Gcm,
            false => Suite::ChaCha20Poly1305,
        };
        let nonce = [if self.repeat[1] { 1 } else { 2 + number as u8 }; 32];
        let joined = JoinRequest::new(&received.header, &received.payload, crc32c)
            .ok()?
            .verify::<Small>(&keys)
            .ok()?;
        let genuine =
            [0, 1].map(|number| binding(self.epochs[1 + number], self.connections[number]));
        let offered = joined.suites().contains(suite);

        assert!(
            genuine.contains(joined.binding()),
            "a connection that nobody made"
        );

        let answer = joined.answer::<Small>(suite, nonce, crc32c);

        assert_eq!(answer.is_ok(), offered);
        Some(
            answer
                .ok()
                .map(|(frame, established)| (frame.as_bytes().to_vec(), established)),
        )
    }
}

/// Joins twice, the second time with somebody in between who has seen the first.
pub fn fuzz(input: &Input) {
    // Epochs and generations begin with one.
    let possible =
        |number: usize| input.epochs[1 + number] != 0 && input.connections[number].1 != 0;
    let fine = |number: usize| {
        possible(number) && input.epochs[1 + number] == input.epochs[0] && !input.wrong_secret
    };
    let mut seen = Vec::new();
    let mut keys = Vec::new();

    let client = input.join(0);
    let first = client.frame().as_bytes().to_vec();
    let answered = input.answer(&untouched(&first), 0);

    assert_eq!(answered.is_some(), fine(0));
    seen.push(first);
    if let Some(Some((joined, server))) = answered {
        let received = untouched(&joined);
        let client = client
            .finish::<Small>(&received.header, &received.payload, crc32c)
            .expect("nobody has touched it");

        keys.push(compare(&client, &server));
        seen.push(joined);
    }

    let client = input.join(1);
    let second = client.frame().as_bytes().to_vec();

    seen.push(second.clone());

    let Some(received) = deliver(&second, &input.mutations[0], &seen) else {
        return;
    };
    let intact = received == untouched(&second);
    let replayed = received == untouched(&seen[0]);
    let answered = input.answer(&received, 1);

    assert_eq!(
        answered.is_some(),
        intact && fine(1) || replayed && fine(0),
        "a JOIN that was changed, or a good one refused"
    );

    let genuine = answered.flatten();
    let sent = genuine
        .as_ref()
        .map_or(&seen[0], |answer| &answer.0)
        .clone();

    seen.push(sent.clone());

    let Some(received) = deliver(&sent, &input.mutations[1], &seen) else {
        return;
    };
    // With the same random bytes on both sides for the same connection it is the same exchange.
    let same = seen[0] == second && seen.len() > 3 && received == untouched(&seen[1]);
    let good = genuine.is_some() && intact && received == untouched(&sent);
    let finished = client.finish::<Small>(&received.header, &received.payload, crc32c);

    assert_eq!(
        finished.is_ok(),
        good || same,
        "completed though changed, or the reverse"
    );
    if let (Ok(client), Some((_, server)), true) = (finished, genuine, good) {
        keys.push(compare(&client, &server));
    }
    if let [one, other] = keys[..] {
        let again = seen[0] == second && input.repeat[1];

        assert_eq!(
            one == other,
            again,
            "keys that were used before, or not the same again"
        );
    }
}

/// Both sides have the same, and the two directions do not. Returns the keys.
fn compare(client: &Established, server: &Established) -> [[u8; 32]; 2] {
    let keys = |side: &Established| {
        [
            *side.keys.client_to_server.expose(),
            *side.keys.server_to_client.expose(),
        ]
    };

    assert_eq!(client.suite, server.suite);
    assert_eq!(keys(client), keys(server));
    assert_ne!(keys(client)[0], keys(client)[1]);
    keys(client)
}
