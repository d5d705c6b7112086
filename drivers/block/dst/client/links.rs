// SPDX-License-Identifier: GPL-2.0

//! The connections of a storage that carry requests.

use super::connection::Connection;
use crate::proto::negotiate::MAX_CONNECTIONS;
use kernel::sync::Arc;

/// Live connections, each in the place of its number.
pub(super) struct Links {
    places: [Option<Arc<Connection>>; MAX_CONNECTIONS as usize],
    live: u16,
}

impl Links {
    /// Returns no connections.
    pub(super) const fn new() -> Self {
        Self {
            places: [const { None }; MAX_CONNECTIONS as usize],
            live: 0,
        }
    }

    /// Returns how many there are.
    pub(super) fn live(&self) -> u16 {
        self.live
    }

    /// Adds a connection, in the place of none.
    pub(super) fn add(&mut self, connection: Arc<Connection>) {
        if let Some(place) = self.places.get_mut(usize::from(connection.number)) {
            if place.replace(connection).is_none() {
                self.live += 1;
            }
        }
    }

    /// Takes the connection `number` out.
    pub(super) fn remove(&mut self, number: u16) -> Option<Arc<Connection>> {
        let connection = self.places.get_mut(usize::from(number))?.take()?;

        self.live -= 1;
        Some(connection)
    }

    /// Returns the connection `number`, if it is live.
    pub(super) fn get(&self, number: u16) -> Option<Arc<Connection>> {
        self.places.get(usize::from(number))?.clone()
    }

    /// Returns the `n`th connection; after the last one comes the first one again.
    pub(super) fn nth(&self, n: u32) -> Option<Arc<Connection>> {
        let n = n.checked_rem(self.live.into())?;

        self.places.iter().flatten().nth(n as usize).cloned()
    }
}
