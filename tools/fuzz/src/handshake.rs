// SPDX-License-Identifier: GPL-2.0

//! INITIATE and RESPOND with somebody in between: only what nobody has touched leads to keys, and
//! then to the same ones on both sides.

use arbitrary::Arbitrary;
use dst_proto::handshake::full::{
    Initiated,
    Initiating,
    Offer, //
};
use dst_proto::handshake::keys::SessionSecret;
use dst_proto::handshake::{
    Binding,
    Established, //
};
use dst_proto::suite::{
    Suite,
    Suites, //
};
use dst_proto::units::SessionId;

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

/// Two handshakes of the same client, the second one disturbed.
#[derive(Arbitrary, Debug)]
pub struct Input {
    /// The key of the server is not the one that the client takes for it.
    wrong_server: bool,
    /// The client has another preshared key.
    wrong_preshared: bool,
    /// The client offers only one suite, and the server chooses that one or not.
    suites: (u8, bool),
    export: u8,
    /// Session, connection, epoch and generation of the two handshakes.
    bindings: [(u8, u16, u32, u32); 2],
    /// What happens to INITIATE and to RESPOND.
    mutations: [Vec<Mutation>; 2],
}

/// What one side has in the end.
type Side = (Established, SessionSecret);

const CLIENT: u8 = 1;
const SERVER: u8 = 2;

impl Input {
    /// Whether there can be such a connection: epochs and generations begin with one.
    fn possible(&self, number: usize) -> bool {
        let (_, _, epoch, generation) = self.bindings[number];

        epoch != 0 && generation != 0
    }

    fn offer(&self, number: usize) -> Offer<'static> {
        const NAME: &str = "an-export_with.a-name-that-is-as-long-as-the-protocol-allows-it";
        let (session, connection, epoch, generation) = self.bindings[number];

        Offer {
            binding: Binding {
                session: SessionId([session; 16]),
                connection,
                stamp: stamp(epoch, generation),
            },
            suites: match self.suites.0 % 3 {
                0 => Suites::ALL,
                1 => Suites::only(Suite::Aes256Gcm),
                _ => Suites::only(Suite::ChaCha20Poly1305),
            },
            export: &NAME[..1 + usize::from(self.export) % NAME.len()],
        }
    }

    fn choice(&self) -> Suite {
        match self.suites.1 {
            true => Suite::Aes256Gcm,
            false => Suite::ChaCha20Poly1305,
        }
    }

    fn initiate(&self, number: usize) -> (Initiating<Small>, Vec<u8>) {
        let server = pair(SERVER + u8::from(self.wrong_server));
        let ephemeral = secret(10 + number as u8);
        let (client, frame) = Initiating::new(
            &pair(CLIENT),
            server.public(),
            ephemeral,
            &self.offer(number),
            crc32c,
        )
        .expect("an INITIATE");

        (client, frame.as_bytes().to_vec())
    }

    /// The server's part, as far as it takes the INITIATE at all; what it answers, if it does.
    fn respond(&self, received: &Received, number: usize) -> Option<Option<(Vec<u8>, Side)>> {
        let mut payload = received.payload.clone();
        let (asked, offer) =
            Initiated::<Small>::new(&pair(SERVER), &received.header, &mut payload, crc32c).ok()?;
        let genuine = [self.offer(0), self.offer(1)];

        assert_eq!(asked.client(), pair(CLIENT).public(), "somebody else");
        assert!(genuine.contains(&offer), "an offer that nobody made");

        let offered = offer.suites.contains(self.choice());
        let answer = asked.respond(
            secret(20 + number as u8),
            &secret(30),
            self.choice(),
            crc32c,
        );

        assert_eq!(answer.is_ok(), offered);
        Some(
            answer.ok().map(|(frame, established, secret)| {
                (frame.as_bytes().to_vec(), (established, secret))
            }),
        )
    }

    fn finish(&self, client: Initiating<Small>, received: &Received) -> Option<Side> {
        let mut payload = received.payload.clone();
        let preshared = secret(30 + u8::from(self.wrong_preshared));

        client
            .finish(&preshared, &received.header, &mut payload)
            .ok()
    }
}

/// The frame as it was sent.
fn untouched(frame: &[u8]) -> Received {
    deliver(frame, &[], &[]).expect("a frame")
}

/// Shakes hands twice, the second time with somebody in between who has seen the first.
pub fn fuzz(input: &Input) {
    let mut seen = Vec::new();

    // The first one is left alone, as an eavesdropper knows it.
    let (client, initiate) = input.initiate(0);
    let answered = input.respond(&untouched(&initiate), 0);

    assert_eq!(answered.is_some(), input.possible(0) && !input.wrong_server);
    seen.push(initiate);
    if let Some(Some((respond, server))) = answered {
        let finished = input.finish(client, &untouched(&respond));

        assert_eq!(finished.is_some(), !input.wrong_preshared);
        if let Some(client) = finished {
            compare(&client, &server);
        }
        seen.push(respond);
    }

    let (client, initiate) = input.initiate(1);

    seen.push(initiate.clone());

    let Some(received) = deliver(&initiate, &input.mutations[0], &seen) else {
        return;
    };
    let intact = received == untouched(&initiate);
    let replayed = received == untouched(&seen[0]);
    let answered = input.respond(&received, 1);

    assert_eq!(
        answered.is_some(),
        (intact && input.possible(1) || replayed && input.possible(0)) && !input.wrong_server,
        "an INITIATE that was changed, or a good one refused"
    );

    // Without an answer there are still the frames of old.
    let genuine = answered.flatten();
    let sent = genuine
        .as_ref()
        .map_or(&seen[0], |answer| &answer.0)
        .clone();

    seen.push(sent.clone());

    let Some(received) = deliver(&sent, &input.mutations[1], &seen) else {
        return;
    };
    let good =
        genuine.is_some() && intact && received == untouched(&sent) && !input.wrong_preshared;
    let finished = input.finish(client, &received);

    assert_eq!(
        finished.is_some(),
        good,
        "completed though changed, or the reverse"
    );
    if let (Some(client), Some((_, server))) = (finished, genuine) {
        compare(&client, &server);
    }
}

/// Both sides have the same, and the two directions do not.
fn compare(client: &Side, server: &Side) {
    let keys = |side: &Side| {
        let keys = &side.0.keys;

        (
            *keys.client_to_server.expose(),
            *keys.server_to_client.expose(),
        )
    };

    assert_eq!(client.0.suite, server.0.suite);
    assert_eq!(keys(client), keys(server));
    assert_ne!(keys(client).0, keys(client).1);
}
