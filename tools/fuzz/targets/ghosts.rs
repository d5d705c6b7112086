// SPDX-License-Identifier: GPL-2.0

//! Client and server with a network in between, step by step as the input says: no write lands after
//! a newer one was acknowledged. The two sides are those of the simulation in `dst-proto`.

#![no_main]

#[path = "../../dst-proto/tests/ghosts/client.rs"]
mod client;
#[path = "../../dst-proto/tests/ghosts/server.rs"]
mod server;
#[path = "../../dst-proto/tests/ghosts/wire.rs"]
mod wire;

use client::Client;
use libfuzzer_sys::fuzz_target;
use server::Server;
use wire::Sockets;

/// How the server treats a hello that has to wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fencing {
    /// By the rules.
    On,
    /// It is welcomed at once.
    #[allow(dead_code)]
    Off,
}

/// Numbers from the input, zeroes behind its end.
struct Random {
    bytes: Vec<u8>,
    next: usize,
}

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        let byte = self.bytes.get(self.next).copied().unwrap_or_default();

        self.next += 1;
        usize::from(byte) % bound
    }

    fn is_empty(&self) -> bool {
        self.next >= self.bytes.len()
    }
}

/// What both sides count.
#[derive(Debug, Default)]
struct Report {
    acknowledged: u64,
    resent: u64,
    waited: u64,
}

fuzz_target!(|bytes: Vec<u8>| {
    let mut random = Random { bytes, next: 0 };
    let mut sockets = Sockets::default();
    let mut client = Client::new();
    let mut server = Server::new(Fencing::On);
    let mut report = Report::default();

    while !random.is_empty() {
        let epoch = client.epoch();

        // Most connections live long enough for something to be under way.
        match random.below(32) {
            0..5 => client.issue(&mut random),
            5..11 => client.send(&mut random, &mut sockets),
            11..14 => client.connect(&mut random, &mut sockets),
            14..20 => server.receive(&mut random, &mut sockets),
            20..25 => client.receive(&mut random, &mut sockets, &mut report),
            25..27 => {
                if let Some(write) = server.execute(&mut random, &mut sockets) {
                    assert_eq!(
                        client.newest(write.cell),
                        write.value,
                        "a ghost: {report:?}"
                    );
                }
            }
            27..30 => server.look_at_fences(&mut random, &mut sockets),
            30 => client.lose(&mut random, &mut sockets),
            _ => server.lose(&mut random, &mut sockets),
        }
        assert!(client.epoch() >= epoch);
    }
});
