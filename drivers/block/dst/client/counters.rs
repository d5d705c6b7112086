// SPDX-License-Identifier: GPL-2.0

//! What a storage has done since it was added.

use crate::{
    abstractions::bio::{
        Bio,
        Operation, //
    },
    histogram::{
        Kind,
        Timings, //
    }, //
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

/// Counters that are changed by many at the same time.
pub(crate) struct Counters {
    /// From when the block layer asked until it was told how that ended.
    pub(crate) timings: Timings,
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
    /// Returns counters that are all 0. Process context.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is not enough memory.
    pub(crate) fn new() -> Result<Self> {
        const fn zero() -> Atomic<u64> {
            Atomic::new(0)
        }
        Ok(Self {
            timings: Timings::new()?,
            errors: zero(),
            resent: zero(),
            reconnects: zero(),
            protocol_errors: zero(),
            stale_replies: zero(),
            lost_writes: zero(),
            digest_errors: zero(),
            seal_errors: zero(),
        })
    }

    /// Counts `bio`, which has ended after so many `nanoseconds`.
    pub(crate) fn ended(&self, bio: &Bio, nanoseconds: u64, ok: bool) {
        let kind = kind(bio);

        if let Some(kind) = kind {
            let bytes = if ok { bio.len().into() } else { 0 };

            self.timings.of(kind).add(nanoseconds, bytes);
        }
        if !ok || kind.is_none() {
            self.errors.fetch_add(1, Relaxed);
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
        let count = |kind| self.timings.of(kind).count();

        Totals {
            reads: count(Kind::Read),
            writes: count(Kind::Write),
            flushes: count(Kind::Flush),
            discards: count(Kind::Discard),
            write_zeroes: count(Kind::WriteZeroes),
            bytes_read: self.timings.of(Kind::Read).bytes(),
            bytes_written: self.timings.of(Kind::Write).bytes(),
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

/// Returns what `bio` counts as.
pub(super) fn kind(bio: &Bio) -> Option<Kind> {
    match bio.operation() {
        Operation::Read => Some(Kind::Read),
        Operation::Write if bio.len() == 0 => Some(Kind::Flush),
        Operation::Write => Some(Kind::Write),
        Operation::Flush => Some(Kind::Flush),
        Operation::Discard => Some(Kind::Discard),
        Operation::WriteZeroes => Some(Kind::WriteZeroes),
        Operation::Other => None,
    }
}
