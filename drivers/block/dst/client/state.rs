// SPDX-License-Identifier: GPL-2.0

//! What is shown of a storage.

use super::config::StorageState;
use crate::{
    abstractions::{
        address::Address,
        errno::ECANCELED, //
    },
    control::Refusal,
    proto::{
        drain::Drains,
        geometry::Geometry,
        hello::Welcome,
        suite::Suite,
        units::{
            SessionId,
            Stamp,
            Uuid, //
        }, //
    }, //
};
use kernel::{
    prelude::*,
    str::CString,
    time::{
        Instant,
        Monotonic, //
    }, //
};

/// Whether the first connection was made, and the disk added.
pub(super) enum First {
    /// Nobody knows yet.
    Pending,
    /// It was.
    Up,
    /// It was not, and the storage is of no use.
    Failed(Refusal),
}

impl First {
    /// Nobody is going to know any more: the storage is being removed.
    pub(super) fn give_up(&mut self) {
        match self {
            Self::Pending => {
                *self = Self::Failed(Refusal::new(
                    ECANCELED.into(),
                    fmt!("It was removed before there was a connection"),
                ));
            }
            Self::Up | Self::Failed(_) => (),
        }
    }
}

/// What is shown of the storage.
pub(super) struct Status {
    /// What the storage is doing, apart from being suspended.
    state: StorageState,
    /// Whether requests have to wait until somebody says otherwise.
    pub(super) suspended: bool,
    /// Since when.
    pub(super) since: Instant<Monotonic>,
    /// Whether there is a disk.
    pub(super) first: First,
    /// The server that was tried last.
    pub(super) peer: Option<Address>,
    /// Identity of the session.
    pub(super) session: SessionId,
    /// Stamp of the last connection.
    pub(super) stamp: Stamp,
    /// Identity of the export, or the expected one.
    pub(super) uuid: Uuid,
    /// The disk as the server described it last.
    pub(super) geometry: Option<Geometry>,
    /// Version of the protocol.
    pub(super) protocol: u16,
    /// Pages that may be in flight.
    pub(super) window: u32,
    /// Keepalive interval in milliseconds.
    pub(super) keepalive: u32,
    /// What the last sealed connection is sealed with.
    pub(super) suite: Option<Suite>,
    /// What the server completes before it lets requests be sent again.
    pub(super) drains: Drains,
    /// Why there was no connection the last time.
    pub(super) error: Option<CString>,
    /// How often a connection was tried since the addresses were set.
    pub(super) tries: usize,
    /// Why no address is of any use, if that is so, until somebody has taken note of it.
    pub(super) refused: Option<Refusal>,
    /// Since when there is no connection, if there was one.
    pub(super) down_since: Option<Instant<Monotonic>>,
    /// Since when requests need not wait because somebody said so.
    pub(super) open_since: Instant<Monotonic>,
}

impl Status {
    /// Returns the status of a storage that begins to connect to an export that has to have the
    /// identity `uuid`.
    pub(super) fn new(uuid: Uuid) -> Self {
        Self {
            state: StorageState::Connecting,
            suspended: false,
            since: Instant::now(),
            first: First::Pending,
            peer: None,
            session: SessionId([0; 16]),
            stamp: Stamp::default(),
            uuid,
            geometry: None,
            protocol: 0,
            window: 0,
            keepalive: 0,
            suite: None,
            drains: Drains::default(),
            error: None,
            tries: 0,
            refused: None,
            down_since: None,
            open_since: Instant::now(),
        }
    }

    /// Returns what the storage is doing.
    pub(super) fn state(&self) -> StorageState {
        match self.state {
            StorageState::Connecting | StorageState::Removing => self.state,
            _ if self.suspended => StorageState::Suspended,
            state => state,
        }
    }

    /// Goes into another state; returns whether it is another one. Nothing follows a removal.
    pub(super) fn go(&mut self, state: StorageState) -> bool {
        let before = self.state();

        if self.state != StorageState::Removing {
            self.state = state;
        }
        self.note_change(before)
    }

    /// Has requests wait until somebody says otherwise, or not any more; returns whether that is
    /// another state.
    pub(super) fn suspend(&mut self, suspended: bool) -> bool {
        let before = self.state();

        if self.suspended && !suspended {
            // Limits do not count the time in which nobody was to be served.
            self.open_since = Instant::now();
            self.down_since = self.down_since.map(|_| self.open_since);
        }
        self.suspended = suspended;
        self.note_change(before)
    }

    /// Notes since when the state is another one than `before`, if it is; returns whether that is
    /// so.
    fn note_change(&mut self, before: StorageState) -> bool {
        let changed = self.state() != before;

        if changed {
            self.since = Instant::now();
        }
        changed
    }

    /// Begins to count attempts anew: there are other addresses.
    pub(super) fn forget_tries(&mut self) {
        self.tries = 0;
        self.refused = None;
    }

    /// Notes what the server said.
    pub(super) fn welcomed(&mut self, welcome: &Welcome) {
        self.uuid = welcome.uuid;
        self.geometry = Some(welcome.geometry);
        self.protocol = welcome.version;
        self.window = welcome.window;
        self.keepalive = welcome.keepalive_ms;
    }
}
