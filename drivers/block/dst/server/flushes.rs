// SPDX-License-Identifier: GPL-2.0

//! Flushes that have failed, and which clients have heard of them.
//!
//! A device says once that it has lost what was to be durable, whoever flushed it: another client,
//! or the server itself on behalf of a single write. And the reply that says so may be lost with
//! its connection, upon which the client asks again, and the device would say that all is well. So
//! the failed flushes of a device are counted. A session is told of them by its next flush, and by
//! all others until the PING that follows one of the replies is answered: then it has heard.

use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        Arc,
        Mutex, //
    }, //
};

use crate::proto::{
    status::Status,
    units::SessionId, //
};

/// Sessions without connections that are remembered; of more, the oldest is forgotten, and told of
/// everything if it comes back. Clients that never do must not take memory for ever.
const MAX_ABSENT: usize = 256;

/// The flushes of a device that have failed. Any context.
pub(super) struct Failed {
    count: Atomic<u64>,
    /// How the last one ended, by number.
    status: Atomic<u32>,
}

impl Failed {
    /// None have failed so far.
    pub(super) const fn new() -> Self {
        Self {
            count: Atomic::new(0),
            status: Atomic::new(Status::Ok as u32),
        }
    }

    /// Notes that a flush has failed with `status`.
    pub(super) fn note(&self, status: Status) {
        self.status.store(u32::from(status.number()), Relaxed);
        let _ = self.count.fetch_add(1, Release);
    }

    /// Returns how many there were.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Acquire)
    }

    /// Returns how the last one has failed.
    pub(super) fn status(&self) -> Status {
        let number = self.status.load(Relaxed);

        Status::ALL
            .into_iter()
            .find(|status| u32::from(status.number()) == number && !status.is_ok())
            .unwrap_or(Status::Io)
    }
}

/// Of how many failed flushes of its device the client of a session has heard. All functions are for
/// process context.
#[pin_data]
pub(super) struct Hearing {
    #[pin]
    heard: Mutex<u64>,
}

impl Hearing {
    /// Returns that of a client that has heard of the first `heard` ones.
    pub(super) fn new(heard: u64) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                heard <- new_mutex!(heard, "Hearing::heard"),
            }),
            GFP_KERNEL,
        )
    }

    /// Notes that the client has heard that there are `count`.
    pub(super) fn hear(&self, count: u64) {
        let mut heard = self.heard.lock();

        *heard = heard.max(count);
    }

    /// Returns of how many the client has heard.
    pub(super) fn heard(&self) -> u64 {
        *self.heard.lock()
    }
}

/// Sessions of an export that have lost all connections, and of how many failed flushes their
/// clients had heard by then.
pub(super) struct Absent {
    /// The oldest first.
    sessions: KVec<(SessionId, u64)>,
    /// Of how many each of those had heard at least that were forgotten.
    forgotten: u64,
}

impl Absent {
    /// Returns none. Allocates all the memory that there will be.
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            sessions: KVec::with_capacity(MAX_ABSENT, GFP_KERNEL)?,
            forgotten: u64::MAX,
        })
    }

    /// Remembers that the client of `session` has heard of `heard`.
    pub(super) fn add(&mut self, session: SessionId, heard: u64) {
        self.sessions.retain(|(other, _)| *other != session);
        if self.sessions.len() >= MAX_ABSENT {
            if let Ok((_, heard)) = self.sessions.remove(0) {
                self.forgotten = self.forgotten.min(heard);
            }
        }
        // There is room for it.
        let _ = self.sessions.push_within_capacity((session, heard));
    }

    /// Returns of how many the client of `session` had heard when it was here last, of `count`. If
    /// it was not, it has missed nothing, unless it is one of those that were forgotten, and not in
    /// its first epoch.
    pub(super) fn heard_by(&self, session: SessionId, is_first: bool, count: u64) -> u64 {
        let known = self.sessions.iter().find(|(other, _)| *other == session);

        match known {
            Some((_, heard)) => *heard,
            None if is_first => count,
            None => count.min(self.forgotten),
        }
    }

    /// Returns of how many all of them have heard.
    pub(super) fn heard(&self) -> u64 {
        self.sessions
            .iter()
            .map(|(_, heard)| *heard)
            .fold(self.forgotten, u64::min)
    }
}
