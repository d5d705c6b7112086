// SPDX-License-Identifier: GPL-2.0

//! For how long requests wait, and when they do not.

use super::{
    config::{
        Policy,
        PolicyChange,
        StorageEvent,
        StorageState, //
    },
    flight::Over,
    storage::Storage, //
};
use crate::{
    abstractions::block_status::BlockStatus,
    control::{
        refusal,
        Refusal, //
    },
    proto::connection::Cause, //
};
use kernel::{
    prelude::*,
    sync::MutexGuard, //
};

/// How many times within a limit it is looked whether something has reached it.
const LOOKS: u32 = 8;

impl Storage {
    /// Returns for how long requests may wait.
    pub(crate) fn policy(&self) -> Policy {
        *self.policy.lock()
    }

    /// Changes for how long requests may wait, also for those that wait already. Process context.
    pub(super) fn change_policy(&self, change: PolicyChange) {
        {
            let mut policy = self.policy.lock();

            *policy = change.apply(*policy);
        }
        self.wake_keepers();
    }

    /// Has new requests wait until [`Self::resume`]; what is under way is completed. Nothing fails
    /// meanwhile, whatever the policy says. Process context.
    ///
    /// # Errors
    ///
    /// A refusal if the storage is being removed, or changed by somebody else.
    pub(crate) fn suspend(&self) -> refusal::Result {
        let _alone = self.begin_change()?;
        let held = self.queue.lock().hold();

        if held.is_none() {
            return Err(self.leaving());
        }
        self.set_suspended(true);
        Ok(())
    }

    /// Lets requests go on that wait because of [`Self::suspend`]. Process context.
    ///
    /// # Errors
    ///
    /// A refusal if the storage is being removed, or changed by somebody else: on its way to another
    /// server nothing may be sent to the old one any more.
    pub(crate) fn resume(&self) -> refusal::Result {
        let _alone = self.begin_change()?;

        if self.queue.lock().is_dead() {
            return Err(self.leaving());
        }
        self.set_suspended(false);
        self.queue.lock().resume();
        self.transmit();
        Ok(())
    }

    /// Keeps others from changing the storage as long as the guard exists.
    pub(super) fn begin_change(&self) -> refusal::Result<MutexGuard<'_, ()>> {
        self.changing
            .try_lock()
            .ok_or_else(|| Refusal::new(EBUSY, fmt!("{} is being changed already", self.name())))
    }

    /// Returns the refusal to do anything with a storage that is being removed.
    pub(super) fn leaving(&self) -> Refusal {
        Refusal::new(EBUSY, fmt!("{} is being removed", self.name()))
    }

    /// Shows that requests wait, or not any more.
    fn set_suspended(&self, suspended: bool) {
        let changed = self.status.lock().suspend(suspended);

        if changed {
            self.observer.storage(self, StorageEvent::State);
        }
    }

    /// Ends what has waited for too long. Process context; sleeps, but not for the network.
    pub(super) fn expire(&self) {
        let policy = self.policy();

        if policy.fail_after > 0 {
            self.fail_if_down(policy.fail_after);
        }
        if policy.io_timeout > 0 {
            self.fail_overdue(policy.io_timeout);
        }
    }

    /// Returns the milliseconds after which [`Self::expire`] should be called again at the latest.
    pub(super) fn patience(&self) -> Option<u32> {
        let policy = self.policy();

        [policy.fail_after, policy.io_timeout]
            .into_iter()
            .filter(|limit| *limit > 0)
            .min()
            .map(|limit| (limit / LOOKS).max(1))
    }

    /// Lets everything fail if there was no connection for `limit` milliseconds.
    fn fail_if_down(&self, limit: u32) {
        let down = {
            let status = self.status.lock();

            status.state() != StorageState::Removing
                && status
                    .down_since
                    .is_some_and(|since| since.elapsed().as_millis() >= limit.into())
        };

        if down && self.queue.lock().fail(BlockStatus::Transport) {
            pr_err!(
                "{}: no connection for {} ms: requests fail until there is one\n",
                self.name(),
                limit
            );
        }
        if down {
            self.sweep();
        }
    }

    /// Ends requests that have taken `limit` milliseconds. If the server may still carry some of
    /// them out, all connections are given up first: nothing may follow them before it has said
    /// that it will not.
    fn fail_overdue(&self, limit: u32) {
        let mut stuck = false;
        let mut ended = 0;

        if self.status.lock().open_since.elapsed().as_millis() < limit.into() {
            return;
        }
        loop {
            let over = self.queue.lock().pop_overdue(limit, &mut stuck);

            match over {
                Over::Nothing => break,
                over => drop(over),
            }
            ended += 1;
        }
        if ended > 0 {
            self.feed();
            pr_err!(
                "{}: {} requests took {} ms and fail\n",
                self.name(),
                ended,
                limit
            );
        }
        if stuck {
            self.give_up_connections(Cause::Overdue);
        }
    }
}
