// SPDX-License-Identifier: GPL-2.0

//! Errors of flushes that their clients may not have heard of.
//!
//! A device says once that it has lost what was to be durable. If the connection breaks meanwhile,
//! the client asks again over another one, and the device, asked again, would say that all is well.
//! So what it has said is kept for the session, whether that is forgotten meanwhile or not, and is
//! the answer to the next flush.

use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Release, //
        },
        Mutex, //
    }, //
};

use crate::proto::{
    status::Status,
    units::SessionId, //
};

/// Sessions for which something is kept; of more, the oldest is forgotten. Clients that never come
/// back must not take memory for ever.
const MOST: usize = 64;

/// The errors of an export. All functions are for process context.
#[pin_data]
pub(super) struct Unheard {
    /// Whether there are any: flushes look at this first.
    any: Atomic<bool>,
    /// The oldest first. There is room for [`MOST`] of them.
    #[pin]
    errors: Mutex<KVec<(SessionId, Status)>>,
}

impl Unheard {
    /// Returns none. Allocates all the memory that there will be.
    pub(super) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            any: Atomic::new(false),
            errors <- new_mutex!(KVec::with_capacity(MOST, GFP_KERNEL)?, "Unheard::errors"),
        })
    }

    /// Keeps `status` for `session`. This has to come before the fence that its client waits for.
    pub(super) fn keep(&self, session: SessionId, status: Status) {
        let mut errors = self.errors.lock();

        errors.retain(|(other, _)| *other != session);
        if errors.len() >= MOST {
            let _ = errors.remove(0);
        }
        // There is room for it.
        let _ = errors.push_within_capacity((session, status));
        self.any.store(true, Release);
    }

    /// Returns what was kept for `session`, once.
    pub(super) fn take(&self, session: SessionId) -> Option<Status> {
        if !self.any.load(Acquire) {
            return None;
        }

        let mut errors = self.errors.lock();
        let place = errors.iter().position(|(other, _)| *other == session)?;
        let (_, status) = errors.remove(place).ok()?;

        self.any.store(!errors.is_empty(), Release);
        Some(status)
    }
}
