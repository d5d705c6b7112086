// SPDX-License-Identifier: GPL-2.0

//! A storage moves to another server that has the same data, while it is in use.
//!
//! 1. New requests wait; those under way are completed by the old server.
//! 2. It is asked to make durable what it has acknowledged.
//! 3. The connections to it are closed. Nothing that it was asked for is left: it is fenced.
//! 4. The new server is greeted, and has to offer the same disk.
//! 5. Requests go on. If anything went wrong, they do so on the old server.

use super::{
    config::StorageEvent,
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

impl Storage {
    /// Moves the storage to the server at `addresses` within `timeout_ms` milliseconds. Process
    /// context; sleeps, interruptible.
    ///
    /// # Errors
    ///
    /// A refusal that says what went wrong; the storage goes on with the old server then.
    pub(crate) fn migrate(&self, addresses: KVec<Address>, timeout_ms: u32) -> refusal::Result {
        let _alone = self.begin_change()?;
        let deadline = Deadline {
            begun: Instant::now(),
            timeout_ms,
        };
        let new = Arc::new(addresses, GFP_KERNEL)?;
        let held = self.queue.lock().hold();
        let was_open = held.ok_or_else(|| self.leaving())?;
        let result = self
            .leave_server(&deadline)
            .and_then(|()| self.join_server(new, &deadline));

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
                fmt!(
                    "The present server has not completed its requests: it must not be left. If it \
                     is dead for good, make sure that it is off, and set the new address"
                ),
            )
        };

        self.await_that(deadline, busy, || self.queue.lock().in_flight() == 0)?;
        self.queue.lock().settle();
        self.transmit();
        self.await_that(deadline, busy, || {
            let queue = self.queue.lock();

            queue.in_flight() == 0 && queue.settled.is_some()
        })?;

        let settled = self.queue.lock().settled.take();

        match settled {
            Some(BlockStatus::Ok) => Ok(()),
            _ => Err(Refusal::new(
                EIO,
                fmt!("The present server cannot make durable what was written"),
            )),
        }
    }

    /// Goes over to the server at `addresses`, or back if that does not work.
    fn join_server(&self, addresses: Arc<KVec<Address>>, deadline: &Deadline) -> refusal::Result {
        // No attempt is made at the new addresses on behalf of connections to the old ones.
        self.session.lock().renew();

        // Before anybody can see the new addresses.
        self.moving.store(true, Release);

        let old = self.exchange_addresses(addresses);
        let late = || Refusal::new(ETIMEDOUT, fmt!("The new server did not answer in time"));
        let epoch = self.session.lock().session.epoch();

        self.give_up_connections(Cause::Moved);

        let joined = self
            .await_that(deadline, late, || {
                // Attempts of this epoch were made with the old addresses.
                let is_new = self.session.lock().session.epoch() != epoch;

                self.status.lock().refused.is_some() || (is_new && self.live() > 0)
            })
            .and_then(|()| match self.status.lock().refused.take() {
                Some(refusal) => Err(refusal),
                None => Ok(()),
            });

        self.moving.store(false, Release);
        match joined {
            Ok(()) => self.observer.storage(self, StorageEvent::State),
            Err(_) => {
                drop(self.exchange_addresses(old));
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
