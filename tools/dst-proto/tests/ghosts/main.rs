// SPDX-License-Identifier: GPL-2.0

//! No write ever lands after a newer one was acknowledged, whatever the network does.
//!
//! A client with several connections and a server are simulated down to single frames; which of
//! all possible steps comes next is drawn from a seed: frames are delivered or stay in flight,
//! connections break on one side only, the disk executes requests in any order and at any time.
//! With the fence taken away the same simulation has to find the ghost.

mod client;
mod server;
mod wire;

use client::Client;
use server::Server;
use wire::Sockets;

/// How the server treats a hello that has to wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fencing {
    /// By the rules.
    On,
    /// It is welcomed at once.
    Off,
}

/// Numbers from a seed (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }
}

/// What a round has seen.
#[derive(Debug, Default)]
struct Report {
    /// Writes acknowledged to the application.
    acknowledged: u64,
    /// Writes sent again after a fence.
    resent: u64,
    /// Sessions established anew.
    epochs: u32,
    /// Fences that had to wait.
    waited: u64,
    /// Writes that landed after a newer one had been begun: must not be.
    ghosts: u64,
}

/// Plays one round.
fn play(seed: u64, steps: usize, fencing: Fencing) -> Report {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut sockets = Sockets::default();
    let mut client = Client::new();
    let mut server = Server::new(fencing);
    let mut report = Report::default();

    for _ in 0..steps {
        match random.below(100) {
            0..15 => client.issue(&mut random),
            15..35 => client.send(&mut random, &mut sockets),
            35..45 => client.connect(&mut random, &mut sockets),
            45..65 => server.receive(&mut random, &mut sockets),
            65..80 => client.receive(&mut random, &mut sockets, &mut report),
            80..88 => {
                if let Some(write) = server.execute(&mut random, &mut sockets) {
                    // The application writes a cell again only after the last write to it was
                    // acknowledged, so the newest one is the only one that may land.
                    report.ghosts += u64::from(client.newest(write.cell) != write.value);
                }
            }
            88..97 => server.look_at_fences(&mut random, &mut sockets),
            97..99 => client.lose(&mut random, &mut sockets),
            _ => server.lose(&mut random, &mut sockets),
        }
    }
    report.epochs = client.epoch();
    report
}

#[test]
fn no_ghost_in_any_order() {
    let mut sum = Report::default();

    for seed in 0..600 {
        let report = play(seed, 3000, Fencing::On);

        assert_eq!(report.ghosts, 0, "seed {seed}: {report:?}");
        sum.acknowledged += report.acknowledged;
        sum.resent += report.resent;
        sum.epochs += report.epochs;
        sum.waited += report.waited;
    }

    // Something has happened at all.
    assert!(sum.acknowledged > 10_000, "{sum:?}");
    assert!(sum.resent > 1_000, "{sum:?}");
    assert!(sum.epochs > 1_000, "{sum:?}");
    assert!(sum.waited > 1_000, "{sum:?}");
}

#[test]
fn without_the_fence_there_are_ghosts() {
    let ghosts: u64 = (0..600)
        .map(|seed| play(seed, 3000, Fencing::Off).ghosts)
        .sum();

    assert!(ghosts > 0);
}
