// SPDX-License-Identifier: GPL-2.0

//! Bios while they are carried out.

use super::{
    counters::Counters,
    trace, //
};
use crate::abstractions::{
    bio::{
        Accounting,
        Bio, //
    },
    block_status::BlockStatus, //
};
use kernel::{
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    time::{
        Instant,
        Monotonic, //
    }, //
};

/// A bio and how it is doing.
///
/// All the runs that it was split into share it. When the last of them lets go, the bio ends with
/// the first error that was noted, or without one: it can neither end early nor be forgotten.
pub(crate) struct Request {
    /// Always there until the request is dropped.
    bio: Option<Bio>,
    accounting: Accounting,
    begun: Instant<Monotonic>,
    /// The first error as [`BlockStatus::to_raw`], 0 as long as there is none.
    status: Atomic<i32>,
    /// What has to be flushed before has been.
    flushed: bool,
    counters: Arc<Counters>,
}

impl Request {
    /// Begins to carry out `bio`.
    pub(crate) fn new(bio: Bio, counters: Arc<Counters>) -> Self {
        Self {
            accounting: bio.start_accounting(),
            begun: Instant::now(),
            flushed: !bio.preflush(),
            bio: Some(bio),
            status: Atomic::new(0),
            counters,
        }
    }

    /// Returns the bio.
    pub(crate) fn bio(&self) -> Option<&Bio> {
        self.bio.as_ref()
    }

    /// Returns how long ago it came, in milliseconds.
    pub(crate) fn age_ms(&self) -> u32 {
        self.accounting.age_ms()
    }

    /// Returns how long ago it came, in nanoseconds.
    pub(crate) fn age_ns(&self) -> u64 {
        self.begun.elapsed().as_nanos().unsigned_abs()
    }

    /// Returns whether nothing has to be flushed (any more) before the bio is carried out.
    pub(crate) fn is_flushed(&self) -> bool {
        self.flushed
    }

    /// Notes that what has to be flushed before has been.
    pub(crate) fn set_flushed(&mut self) {
        self.flushed = true;
    }

    /// Returns whether no error was noted.
    pub(crate) fn is_ok(&self) -> bool {
        self.status.load(Relaxed) == 0
    }

    /// Notes how a part of it ended.
    pub(crate) fn note(&self, status: BlockStatus) {
        if status != BlockStatus::Ok {
            // Only the first error counts; which one that is when there are two at the same time
            // does not matter.
            let _ = self.status.cmpxchg(0, status.to_raw().into(), Relaxed);
        }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let Some(bio) = self.bio.take() else {
            return;
        };
        let raw = u8::try_from(self.status.load(Relaxed)).unwrap_or(u8::MAX);
        let status = BlockStatus::from_raw(raw);

        let age = self.age_ns();

        bio.end_accounting(self.accounting);
        self.counters.ended(&bio, age, status == BlockStatus::Ok);
        trace::complete(&bio, status, age);
        bio.end(status);
    }
}
