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
        geometry::Geometry,
        hello::Welcome,
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
    /// What the storage is doing.
    pub(super) state: StorageState,
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
    /// Why there was no connection the last time.
    pub(super) error: Option<CString>,
    /// How often a connection was tried.
    pub(super) tries: usize,
}

impl Status {
    /// Returns the status of a storage that begins to connect to an export that has to have the
    /// identity `uuid`.
    pub(super) fn new(uuid: Uuid) -> Self {
        Self {
            state: StorageState::Connecting,
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
            error: None,
            tries: 0,
        }
    }

    /// Goes into another state; returns whether it is another one. Nothing follows a removal.
    pub(super) fn go(&mut self, state: StorageState) -> bool {
        if self.state == state || self.state == StorageState::Removing {
            return false;
        }
        self.state = state;
        self.since = Instant::now();
        true
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
