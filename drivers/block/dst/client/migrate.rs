// SPDX-License-Identifier: GPL-2.0

//! A storage takes another way to its data, while it is in use.
//!
//! It moves to another server that has the same data:
//!
//! 1. New requests wait; those under way are completed by the old server.
//! 2. It is asked to make durable what it has acknowledged.
//! 3. The connections to it are closed. Nothing that it was asked for is left: it is fenced.
//! 4. The new server is greeted, and has to offer the same disk.
//! 5. Requests go on. If anything went wrong, they do so on the old server.
//!
//! Or it becomes known to the server by another key. As a session belongs to one key, there has to
//! be another one, and the server could not fence what the old one has asked for, nor tell the new
//! one that the disk has failed to make something durable. If that is so, the next flush fails.

use super::{
    config::{
        KeysChange,
        StorageEvent, //
    },
    connections::GRACE_MS,
    route::{
        Route, //
    },
    storage::Storage, //
};
use crate::{
    abstractions::{
        address::Address,
        block_status::BlockStatus,
        errno::ECANCELED, //
    },
    control::{
        refusal,
        Refusal, //
    },
    proto::connection::Cause, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::Release,
        Arc,
        CondVarTimeoutResult, //
    },
    time::{
        msecs_to_jiffies,
        Instant,
        Monotonic, //
    }, //
};

/// Milliseconds between two looks at what is waited for.
const LOOK_MS: u32 = 5;

/// How long the whole move may take.
struct Deadline {
    begun: Instant<Monotonic>,
    timeout_ms: u32,
}

impl Deadline {
    /// Returns the deadline in `timeout_ms` milliseconds.
    fn new(timeout_ms: u32) -> Self {
        Self {
            begun: Instant::now(),
            timeout_ms,
        }
    }
}

impl Storage {
    /// Moves the storage to the server at `addresses`, with the keys changed as `keys` says, within
    /// `timeout_ms` milliseconds. Process context; sleeps, interruptible.
    ///
    /// # Errors
    ///
    /// A refusal that says what went wrong; the storage goes on with the old server then.
    pub(crate) fn migrate(
        &self,
        addresses: KVec<Address>,
        keys: KeysChange,
        timeout_ms: u32,
    ) -> refusal::Result {
        let _alone = self.begin_change()?;
        let deadline = Deadline::new(timeout_ms);
        let new = self.changed_route(addresses, keys)?;

        self.held(|| {
            self.leave_server(&deadline)?;
            self.join_server(new, &deadline)
        })
    }

    /// Has the connections from now on lead to one of `addresses`, unless there is none, with the
    /// keys changed as `keys` says. If the storage becomes known to the server by another key by
    /// that, they are made anew, which may take up to `timeout_ms` milliseconds. The caller keeps
    /// others from changing the storage. Process context; sleeps, interruptible.
    ///
    /// # Errors
    ///
    /// A refusal that says what went wrong; nothing was changed then.
    pub(super) fn set_route(
        &self,
        addresses: KVec<Address>,
        keys: KeysChange,
        timeout_ms: u32,
    ) -> refusal::Result {
        let deadline = Deadline::new(timeout_ms);
        let new = self.changed_route(addresses, keys)?;

        if !new.is_of_another(&self.route()) {
            drop(self.exchange_route(new));
            return Ok(());
        }
        self.held(|| {
            let busy = || {
                Refusal::new(
                    ETIMEDOUT,
                    fmt!("The server has not completed what the present key has asked for"),
                )
            };

            self.await_that(&deadline, busy, || !self.queue.lock().is_indebted())?;
            if self.live() > 0 {
                if self.settle(&deadline, busy)? != Some(BlockStatus::Ok) {
                    self.queue.lock().durability.unsettled();
                }
                return self.join_server(new, &deadline);
            }
            // There is nothing to go back to.
            drop(self.exchange_route(new));
            self.give_up_connections(Cause::Moved);
            Ok(())
        })
    }

    /// Returns the present way, with `addresses` instead of those of before unless there is none,
    /// and with the keys changed as `keys` says.
    fn changed_route(
        &self,
        addresses: KVec<Address>,
        keys: KeysChange,
    ) -> refusal::Result<Arc<Route>> {
        let now = self.route();
        let route = Route {
            addresses: match addresses.is_empty() {
                true => now.addresses.clone(),
                false => Arc::new(addresses, GFP_KERNEL)?,
            },
            keys: keys.apply(now.keys.as_ref(), self.digest())?,
        };

        Ok(Arc::new(route, GFP_KERNEL)?)
    }

    /// Does `what` while new requests wait.
    fn held(&self, what: impl FnOnce() -> refusal::Result) -> refusal::Result {
        let held = self.queue.lock().hold();
        let was_open = held.ok_or_else(|| self.leaving())?;
        let result = what();

        if was_open {
            self.queue.lock().resume();
        }
        self.transmit();
        result
    }

    /// Has the server complete and make durable all that it was asked for.
    fn leave_server(&self, deadline: &Deadline) -> refusal::Result {
        let busy = || {
            Refusal::new(
                ETIMEDOUT,
                fmt!("The present server is not done. If it is off for good, set the new address"),
            )
        };

        self.await_that(deadline, busy, || self.queue.lock().in_flight() == 0)?;
        match self.settle(deadline, busy)? {
            Some(BlockStatus::Ok) => Ok(()),
            _ => Err(Refusal::new(
                EIO,
                fmt!("The present server cannot make durable what was written"),
            )),
        }
    }

    /// Has the server make durable what it has acknowledged; nothing is under way. Returns how that
    /// ended. If it takes too long it is a case for `late`.
    fn settle(
        &self,
        deadline: &Deadline,
        late: impl Fn() -> Refusal,
    ) -> refusal::Result<Option<BlockStatus>> {
        self.queue.lock().settle();
        self.transmit();
        self.await_that(deadline, late, || {
            let queue = self.queue.lock();

            queue.in_flight() == 0 && queue.settled.is_some()
        })?;
        Ok(self.queue.lock().settled.take())
    }

    /// Takes the way `route`, or goes back if that does not work.
    fn join_server(&self, route: Arc<Route>, deadline: &Deadline) -> refusal::Result {
        // No attempt is made at the new way on behalf of connections that went by the old one.
        self.session.lock().renew();

        // Before anybody can see the new way.
        self.moving.store(true, Release);

        let old = self.exchange_route(route);
        let begun = Instant::<Monotonic>::now();
        let late = || Refusal::new(ETIMEDOUT, fmt!("The new server did not answer in time"));
        let epoch = self.session.lock().session.epoch();

        self.give_up_connections(Cause::Moved);

        // Attempts of this epoch were made by the old way.
        let has_joined = || {
            let is_new = self.session.lock().session.epoch() != epoch;

            is_new && self.live() > 0
        };
        let is_refused = || match &self.status.lock().refused {
            // The server may not have noticed yet that the session of before has ended.
            Some(refusal) if refusal.error() == EBUSY => {
                begun.elapsed().as_millis() >= GRACE_MS.into()
            }
            refused => refused.is_some(),
        };
        let joined = self
            .await_that(deadline, late, || has_joined() || is_refused())
            .and_then(|()| match self.status.lock().refused.take() {
                Some(refusal) if !has_joined() => Err(refusal),
                _ => Ok(()),
            });

        self.moving.store(false, Release);
        match joined {
            Ok(()) => self.observer.storage(self, StorageEvent::State),
            Err(_) => {
                drop(self.exchange_route(old));
                self.give_up_connections(Cause::Moved);
            }
        }
        joined
    }

    /// Waits until `ready`; if that takes too long it is a case for `late`.
    fn await_that(
        &self,
        deadline: &Deadline,
        late: impl Fn() -> Refusal,
        ready: impl Fn() -> bool,
    ) -> refusal::Result {
        while !ready() {
            if self.queue.lock().is_dead() {
                return Err(self.leaving());
            }
            if deadline.begun.elapsed().as_millis() >= deadline.timeout_ms.into() {
                return Err(late());
            }
            // Requests end in many places, none of which has to know of this.
            let step = msecs_to_jiffies(LOOK_MS).max(1);
            let mut status = self.status.lock();

            if let CondVarTimeoutResult::Signal { .. } =
                self.settled.wait_interruptible_timeout(&mut status, step)
            {
                return Err(Refusal::new(ECANCELED.into(), fmt!("Interrupted")));
            }
        }
        Ok(())
    }
}
