// SPDX-License-Identifier: GPL-2.0

//! What an export or a session has done since it began.

use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

use crate::proto::opcode::Opcode;

use super::{
    config::Counts,
    io::Io, //
};

/// Counters that are changed by many at the same time.
#[derive(Default)]
pub(super) struct Counters {
    reads: Counter,
    writes: Counter,
    flushes: Counter,
    discards: Counter,
    write_zeroes: Counter,
    bytes_read: Counter,
    bytes_written: Counter,
    errors: Counter,
    protocol_errors: Counter,
    digest_errors: Counter,
    seal_errors: Counter,
    revoked: Counter,
}

/// One of them.
struct Counter(Atomic<u64>);

impl Default for Counter {
    fn default() -> Self {
        Self(Atomic::new(0))
    }
}

impl Counter {
    /// Adds to the counter.
    fn add(&self, value: u64) {
        self.0.add(value, Relaxed);
    }

    /// Returns what it says.
    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Counters {
    /// Counts a request that is done.
    pub(super) fn done(&self, io: &Io) {
        let count = match io.opcode {
            Opcode::Read => &self.reads,
            Opcode::Write => &self.writes,
            Opcode::Flush => &self.flushes,
            Opcode::Discard => &self.discards,
            Opcode::WriteZeroes => &self.write_zeroes,
            Opcode::Hello
            | Opcode::Draining
            | Opcode::Ping
            | Opcode::Bye
            | Opcode::Event
            | Opcode::Initiate
            | Opcode::Join
            | Opcode::Rekey => return,
        };

        count.add(1);
        if !io.status.is_ok() {
            self.errors.add(1);
            return;
        }
        match io.opcode {
            Opcode::Read => self.bytes_read.add(io.bytes()),
            Opcode::Write => self.bytes_written.add(io.bytes()),
            Opcode::Flush
            | Opcode::Discard
            | Opcode::WriteZeroes
            | Opcode::Hello
            | Opcode::Draining
            | Opcode::Ping
            | Opcode::Bye
            | Opcode::Event
            | Opcode::Initiate
            | Opcode::Join
            | Opcode::Rekey => (),
        }
    }

    /// Counts a connection that was dropped because the client broke the protocol.
    pub(super) fn violated(&self) {
        self.protocol_errors.add(1);
    }

    /// Counts a connection that was dropped because data was damaged on its way.
    pub(super) fn damaged(&self) {
        self.digest_errors.add(1);
    }

    /// Counts a connection that was dropped because what came was not authentic.
    pub(super) fn forged(&self) {
        self.seal_errors.add(1);
    }

    /// Counts `connections` that were cut because their client may do less than before.
    pub(super) fn revoked(&self, connections: u64) {
        self.revoked.add(connections);
    }

    /// Returns what the counters say, with `in_flight` requests that they do not know of.
    pub(super) fn counts(&self, in_flight: u32) -> Counts {
        Counts {
            reads: self.reads.get(),
            writes: self.writes.get(),
            flushes: self.flushes.get(),
            discards: self.discards.get(),
            write_zeroes: self.write_zeroes.get(),
            bytes_read: self.bytes_read.get(),
            bytes_written: self.bytes_written.get(),
            errors: self.errors.get(),
            protocol_errors: self.protocol_errors.get(),
            digest_errors: self.digest_errors.get(),
            seal_errors: self.seal_errors.get(),
            in_flight: in_flight.into(),
            revoked: self.revoked.get(),
        }
    }
}
