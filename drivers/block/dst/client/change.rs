// SPDX-License-Identifier: GPL-2.0

//! Changes of a storage that is in use.

use super::{
    config::StorageChange,
    storage::Storage, //
};
use crate::control::refusal;
use kernel::sync::Arc;

impl Storage {
    /// Changes what `change` says: all of it, or nothing. If the storage becomes known to the server
    /// by another key, its connections are made anew, which may take up to `timeout_ms` milliseconds;
    /// connections that are too many complete what they have, which may take about two seconds.
    /// Process context; sleeps, interruptible.
    ///
    /// # Errors
    ///
    /// A refusal if somebody else changes the storage, it is being removed, there is no memory, the
    /// number of connections is impossible, or the new way to the server does not work; nothing was
    /// changed then.
    pub(crate) fn change(
        self: &Arc<Self>,
        change: StorageChange,
        timeout_ms: u32,
    ) -> refusal::Result {
        // For how long requests wait can be changed at any time: nothing else depends on it.
        if change.is_of_policy_only() {
            self.change_policy(change.policy);
            return Ok(());
        }

        // Nobody else gets a turn between one part and the next.
        let _alone = self.begin_change()?;

        if self.is_forsaken() {
            return Err(self.leaving());
        }

        let staff = match change.connections {
            Some(connections) => Some((connections, self.recruit(connections)?)),
            None => None,
        };

        if !change.addresses.is_empty() || !change.keys.is_empty() {
            self.set_route(change.addresses, change.keys, timeout_ms)?;
        }

        // From here on nothing is refused.
        if let Some((connections, recruits)) = staff {
            self.dismiss(connections);
            self.employ(connections, recruits);
        }
        self.change_policy(change.policy);
        Ok(())
    }
}
