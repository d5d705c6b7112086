// SPDX-License-Identifier: GPL-2.0

//! What a storage is told, and what it can tell.
//!
//! Plain values that the control plane fills in and shows.

use super::counters::Totals;
use crate::{
    abstractions::{
        address::Address,
        namespace::Namespace, //
    },
    crypto::keys::{
        KeyPair,
        PskChange, //
    },
    proto::{
        geometry::Geometry,
        secret::{
            PublicKey,
            Secret, //
        },
        suite::Suite,
        units::{
            SessionId,
            Stamp,
            Uuid, //
        }, //
    },
    wire::{
        cipher::Ciphers,
        digest::Method, //
    }, //
};
use kernel::{
    prelude::*,
    str::CString,
    sync::Arc, //
};

/// What seals connections.
pub(crate) struct Keys {
    /// By which the server knows the storage.
    pub(crate) own: Arc<KeyPair>,
    /// By which the storage knows the server.
    pub(crate) server: PublicKey,
    /// What both have to know besides, if anything.
    pub(crate) psk: Option<Arc<Secret>>,
    /// The only cipher to be used, if not any will do.
    pub(crate) suite: Option<Suite>,
    /// The ciphers that may be used.
    pub(crate) ciphers: Ciphers,
}

/// What to change of [`Keys`], or of there being none. [`None`] stays as it is.
pub(crate) struct KeysChange {
    /// By which the server knows the storage.
    pub(crate) own: Option<Arc<KeyPair>>,
    /// By which the storage knows the server.
    pub(crate) server: Option<PublicKey>,
    /// What both have to know besides.
    pub(crate) psk: PskChange,
    /// The only cipher to be used, or any.
    pub(crate) suite: Option<Option<Suite>>,
}

/// What there is to know about [`Keys`].
pub(crate) struct KeysInfo {
    /// By which the server knows the storage.
    pub(crate) public: PublicKey,
    /// By which the storage knows the server.
    pub(crate) server: PublicKey,
    /// Whether both have to know something besides.
    pub(crate) has_psk: bool,
    /// The cipher that is used, or is to be used, if not any will do.
    pub(crate) suite: Option<Suite>,
}

/// All that makes a new storage.
pub(crate) struct StorageConfig {
    /// Name on this machine; the device is `/dev/dst-NAME`.
    pub(crate) name: CString,
    /// Name of the export on the server.
    pub(crate) export: CString,
    /// Where the server listens, at least one address, tried in this order.
    pub(crate) addresses: KVec<Address>,
    /// Network namespace that it belongs to, and of the connections.
    pub(crate) net: Namespace,
    /// Identity that the export has to have, or [`Uuid::ANY`].
    pub(crate) uuid: Uuid,
    /// Whether to ask only for reading.
    pub(crate) read_only: bool,
    /// Milliseconds to wait for the first connection, 0 not to wait.
    pub(crate) timeout: u32,
    /// Connections to make, 0 for as many as usual.
    pub(crate) connections: u16,
    /// For how long requests may wait.
    pub(crate) policy: Policy,
    /// The digest that data has to have on its way, if any.
    pub(crate) digest: Option<Method>,
    /// What is known of keys. Without any, connections are not sealed.
    pub(crate) keys: KeysChange,
}

/// For how long requests wait, if not for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Policy {
    /// Milliseconds without any connection after which all requests fail until there is one, 0 for
    /// never.
    pub(crate) fail_after: u32,
    /// Milliseconds that a request may take; then it fails and the connections are made anew. 0
    /// for any time.
    pub(crate) io_timeout: u32,
}

/// What to change of a [`Policy`]. [`None`] stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PolicyChange {
    /// See [`Policy::fail_after`].
    pub(crate) fail_after: Option<u32>,
    /// See [`Policy::io_timeout`].
    pub(crate) io_timeout: Option<u32>,
}

impl PolicyChange {
    /// Returns what becomes of the policy `now`.
    pub(crate) fn apply(self, now: Policy) -> Policy {
        Policy {
            fail_after: self.fail_after.unwrap_or(now.fail_after),
            io_timeout: self.io_timeout.unwrap_or(now.io_timeout),
        }
    }
}

/// What to change of a storage.
pub(crate) struct StorageChange {
    /// Where the server listens; none leaves those that there are.
    pub(crate) addresses: KVec<Address>,
    /// What to change of the keys.
    pub(crate) keys: KeysChange,
    /// Connections to have; [`None`] leaves the number as it is.
    pub(crate) connections: Option<u16>,
    /// What to change of the policy.
    pub(crate) policy: PolicyChange,
}

impl StorageChange {
    /// Returns whether nothing but the policy is to be changed.
    pub(crate) fn is_of_policy_only(&self) -> bool {
        self.addresses.is_empty() && self.keys.is_empty() && self.connections.is_none()
    }
}

/// What a storage is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StorageState {
    /// The first connection is being made; there is no disk yet.
    Connecting,
    /// Requests flow.
    Connected,
    /// The connection is lost; requests wait while new ones are tried.
    Reconnecting,
    /// The server completes what it had accepted before; requests wait.
    Draining,
    /// Requests wait because somebody said so.
    Suspended,
    /// The server refuses, or is not the right one; requests wait.
    Failed,
    /// It is on its way out.
    Removing,
}

impl StorageState {
    /// Returns the state as one word.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Reconnecting => "reconnecting",
            Self::Draining => "draining",
            Self::Suspended => "suspended",
            Self::Failed => "failed",
            Self::Removing => "removing",
        }
    }
}

/// What happened to a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StorageEvent {
    /// It was added; there is no disk yet.
    Added,
    /// It is gone.
    Removed,
    /// Requests flow (again), and there is a disk.
    Connected,
    /// The connection was lost.
    Disconnected,
    /// It is in another state.
    State,
    /// The disk has another size.
    Resized,
}

/// What there is to know about a storage now.
pub(crate) struct StorageInfo {
    /// What it is doing.
    pub(crate) state: StorageState,
    /// Milliseconds since that is so.
    pub(crate) state_ms: u64,
    /// Major and minor number of the disk, if there is one.
    pub(crate) device: Option<(u32, u32)>,
    /// How many have the disk open.
    pub(crate) openers: u32,
    /// The disk as the server describes it, once it has.
    pub(crate) geometry: Option<Geometry>,
    /// Identity of the export, [`Uuid::ANY`] as long as it is not known.
    pub(crate) uuid: Uuid,
    /// How many connections it would like to have.
    pub(crate) connections: u16,
    /// How many carry requests.
    pub(crate) live: u16,
    /// Requests that the server still has to complete before others are sent again.
    pub(crate) draining: u32,
    /// For how long requests may wait.
    pub(crate) policy: Policy,
    /// The server that the connection leads to, or that is tried.
    pub(crate) peer: Option<Address>,
    /// Identity of the session.
    pub(crate) session: SessionId,
    /// Epoch and generation of the last connection.
    pub(crate) stamp: Stamp,
    /// Version of the protocol, 0 as long as there is no connection.
    pub(crate) protocol: u16,
    /// Pages that the server lets be in flight.
    pub(crate) window: u32,
    /// Milliseconds of silence after which the connection is given up.
    pub(crate) keepalive: u32,
    /// Why the last connection was lost or could not be made.
    pub(crate) error: Option<CString>,
    /// What it has done.
    pub(crate) totals: Totals,
    /// What connections are sealed with, if they are.
    pub(crate) keys: Option<KeysInfo>,
    /// Pieces of requests that have a handle: they wait to be sent, or to be answered.
    pub(crate) in_flight: u32,
}
