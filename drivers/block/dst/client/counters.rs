// SPDX-License-Identifier: GPL-2.0

//! What a storage has done since it was added.

use crate::abstractions::bio::Operation;
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// Counters that are changed by many at the same time.
pub(crate) struct Counters {
    reads: Atomic<u64>,
    writes: Atomic<u64>,
    flushes: Atomic<u64>,
    discards: Atomic<u64>,
    write_zeroes: Atomic<u64>,
    bytes_read: Atomic<u64>,
    bytes_written: Atomic<u64>,
    errors: Atomic<u64>,
    resent: Atomic<u64>,
    reconnects: Atomic<u64>,
    protocol_errors: Atomic<u64>,
    stale_replies: Atomic<u64>,
    lost_writes: Atomic<u64>,
    digest_errors: Atomic<u64>,
    seal_errors: Atomic<u64>,
}

/// What the counters said at some time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    /// Reads that ended.
    pub(crate) reads: u64,
    /// Writes that ended.
    pub(crate) writes: u64,
    /// Flushes that ended.
    pub(crate) flushes: u64,
    /// Discards that ended.
    pub(crate) discards: u64,
    /// Writes of zeroes that ended.
    pub(crate) write_zeroes: u64,
    /// Bytes that were read.
    pub(crate) bytes_read: u64,
    /// Bytes that were written, without zeroes.
    pub(crate) bytes_written: u64,
    /// Of all these, the ones that failed.
    pub(crate) errors: u64,
    /// Pages that were sent again because a connection broke.
    pub(crate) resent: u64,
    /// Connections that took the place of broken ones.
    pub(crate) reconnects: u64,
    /// Connections given up because the server broke the protocol.
    pub(crate) protocol_errors: u64,
    /// Replies that answered nothing that was asked.
    pub(crate) stale_replies: u64,
    /// Restarts of the server that may have lost writes.
    pub(crate) lost_writes: u64,
    /// Connections given up because data was damaged on its way.
    pub(crate) digest_errors: u64,
    /// Connections given up because what came was not authentic.
    pub(crate) seal_errors: u64,
}

impl Counters {
    /// Returns counters that are all 0.
    pub(crate) const fn new() -> Self {
        const fn zero() -> Atomic<u64> {
            Atomic::new(0)
        }
        Self {
            reads: zero(),
            writes: zero(),
            flushes: zero(),
            discards: zero(),
            write_zeroes: zero(),
            bytes_read: zero(),
            bytes_written: zero(),
            errors: zero(),
            resent: zero(),
            reconnects: zero(),
            protocol_errors: zero(),
            stale_replies: zero(),
            lost_writes: zero(),
            digest_errors: zero(),
            seal_errors: zero(),
        }
    }

    /// Counts an operation of `bytes` bytes that ended.
    pub(crate) fn ended(&self, operation: Operation, bytes: u32, ok: bool) {
        let (count, sum) = match operation {
            Operation::Read => (&self.reads, Some(&self.bytes_read)),
            Operation::Write if bytes == 0 => (&self.flushes, None),
            Operation::Write => (&self.writes, Some(&self.bytes_written)),
            Operation::Flush => (&self.flushes, None),
            Operation::Discard => (&self.discards, None),
            Operation::WriteZeroes => (&self.write_zeroes, None),
            Operation::Other => (&self.errors, None),
        };

        count.fetch_add(1, Relaxed);
        match (ok, sum) {
            (true, Some(sum)) => {
                sum.fetch_add(bytes.into(), Relaxed);
            }
            (true, None) => (),
            (false, _) => {
                self.errors.fetch_add(1, Relaxed);
            }
        }
    }

    /// Counts pages that are sent again.
    pub(crate) fn resent(&self, pages: u32) {
        self.resent.fetch_add(pages.into(), Relaxed);
    }

    /// Counts a connection that takes the place of a broken one.
    pub(crate) fn reconnected(&self) {
        self.reconnects.fetch_add(1, Relaxed);
    }

    /// Counts a connection that was given up because of what the server sent.
    pub(crate) fn protocol_error(&self) {
        self.protocol_errors.fetch_add(1, Relaxed);
    }

    /// Counts a reply to nothing.
    pub(crate) fn stale_reply(&self) {
        self.stale_replies.fetch_add(1, Relaxed);
    }

    /// Counts a restart of the server that may have lost writes.
    pub(crate) fn lost_writes(&self) {
        self.lost_writes.fetch_add(1, Relaxed);
    }

    /// Counts a connection that was given up because data was damaged on its way.
    pub(crate) fn digest_error(&self) {
        self.digest_errors.fetch_add(1, Relaxed);
    }

    /// Counts a connection that was given up because what came was not authentic.
    pub(crate) fn seal_error(&self) {
        self.seal_errors.fetch_add(1, Relaxed);
    }

    /// Returns what the counters say.
    pub(crate) fn totals(&self) -> Totals {
        Totals {
            reads: self.reads.load(Relaxed),
            writes: self.writes.load(Relaxed),
            flushes: self.flushes.load(Relaxed),
            discards: self.discards.load(Relaxed),
            write_zeroes: self.write_zeroes.load(Relaxed),
            bytes_read: self.bytes_read.load(Relaxed),
            bytes_written: self.bytes_written.load(Relaxed),
            errors: self.errors.load(Relaxed),
            resent: self.resent.load(Relaxed),
            reconnects: self.reconnects.load(Relaxed),
            protocol_errors: self.protocol_errors.load(Relaxed),
            stale_replies: self.stale_replies.load(Relaxed),
            lost_writes: self.lost_writes.load(Relaxed),
            digest_errors: self.digest_errors.load(Relaxed),
            seal_errors: self.seal_errors.load(Relaxed),
        }
    }
}
