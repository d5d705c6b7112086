// SPDX-License-Identifier: GPL-2.0

//! What an export is told, and what it and its sessions can tell.
//!
//! Plain values that the control plane fills in and shows. All sizes are bytes, all times
//! milliseconds, unless they say otherwise.

use kernel::{
    prelude::*,
    str::CString,
    sync::Arc, //
};

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
        access::{
            Rights,
            Rule, //
        },
        secret::PublicKey,
        suite::Suite,
        units::{
            Epoch,
            SessionId,
            Uuid,
            MAX_RUN_PAGES, //
        }, //
    }, //
};

/// Pages that a session may have in flight, if nobody says anything else: 8 MiB.
pub(crate) const DEFAULT_WINDOW: u32 = 2048;

/// The smallest window in pages: the largest frame fits.
pub(crate) const MIN_WINDOW: u32 = MAX_RUN_PAGES;

/// The largest window in pages.
pub(crate) const MAX_WINDOW: u32 = 65536;

/// Milliseconds after which a silent client is dropped, if nobody says anything else.
pub(crate) const DEFAULT_KEEPALIVE: u32 = 10_000;

/// Rules for addresses that an export may have.
pub(crate) const MAX_RULES: usize = 256;

/// Keys that an export may have.
pub(crate) const MAX_KEYS: usize = 256;

/// How many sessions may write at the same time.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Writers {
    /// One. Others are refused until it is gone.
    #[default]
    Exclusive,
    /// Any number; they have to coordinate themselves.
    Shared,
}

/// A key that is to be let in, or be let in with other rights.
pub(crate) struct KeyChange {
    /// Whose it is.
    pub(crate) key: PublicKey,
    /// What its owner may do.
    pub(crate) rights: Rights,
    /// What its owner has to know besides.
    pub(crate) psk: PskChange,
}

/// What can be said about a key that is let in.
pub(crate) struct KeyInfo {
    /// Whose it is.
    pub(crate) key: PublicKey,
    /// What its owner may do.
    pub(crate) rights: Rights,
    /// Whether its owner has to know a preshared key.
    pub(crate) has_psk: bool,
}

/// All that makes a new export.
pub(crate) struct ExportConfig {
    /// What clients ask for.
    pub(crate) name: CString,
    /// Path of the block device.
    pub(crate) device: CString,
    /// Network namespace that it belongs to, and where it listens.
    pub(crate) net: Namespace,
    /// Where to listen, at least one address.
    pub(crate) listen: KVec<Address>,
    /// Who is let in by address. Who is on this machine, if there is none and no key.
    pub(crate) rules: KVec<Rule>,
    /// Whether nobody is let in without a key, as it is anyway if there are some.
    pub(crate) keyed: bool,
    /// Who is let in by key.
    pub(crate) keys: KVec<KeyChange>,
    /// Identity of the data.
    pub(crate) uuid: Uuid,
    /// What clients may do at most.
    pub(crate) access: Rights,
    /// How many of them may write.
    pub(crate) writers: Writers,
    /// Whether others may have the device open, too.
    pub(crate) share_device: bool,
    /// Whether everything is durable before it is acknowledged.
    pub(crate) write_through: bool,
    /// Pages that each session may have in flight.
    pub(crate) window: u32,
    /// Milliseconds after which a silent client is dropped, in
    /// [`KEEPALIVE_MS`](crate::proto::negotiate::KEEPALIVE_MS).
    pub(crate) keepalive: u32,
}

/// What to change of an export. [`None`] stays as it is.
#[derive(Default)]
pub(crate) struct ExportChange {
    /// Where to listen from now on.
    pub(crate) listen: Option<KVec<Address>>,
    /// Who is let in by address from now on. Clients that are not any longer are cut off.
    pub(crate) rules: Option<KVec<Rule>>,
    /// Whether nobody is let in without a key from now on. If not, all keys are forgotten.
    pub(crate) keyed: Option<bool>,
    /// What clients may do at most. Clients that lose a right are cut off.
    pub(crate) access: Option<Rights>,
    /// How many sessions may write from now on. The ones that do are not touched.
    pub(crate) writers: Option<Writers>,
    /// Pages that each session that begins from now on may have in flight.
    pub(crate) window: Option<u32>,
    /// Milliseconds after which a silent client of a later session is dropped.
    pub(crate) keepalive: Option<u32>,
}

/// What an export is doing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ExportState {
    /// Clients are served.
    Active,
    /// The device is gone. Requests are answered with an error.
    Lost,
    /// It is on its way out.
    Removing,
}

/// What a session is doing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SessionState {
    /// Requests are served.
    Active,
    /// The client came back, and what it had asked for before is being completed.
    Draining,
    /// No connection is left, but requests are.
    Idle,
}

/// What was done, for a client or for all.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Reads completed.
    pub(crate) reads: u64,
    /// Writes completed.
    pub(crate) writes: u64,
    /// Flushes completed.
    pub(crate) flushes: u64,
    /// Discards completed.
    pub(crate) discards: u64,
    /// Requests to write zeroes completed.
    pub(crate) write_zeroes: u64,
    /// Bytes read.
    pub(crate) bytes_read: u64,
    /// Bytes written, zeroes not counted.
    pub(crate) bytes_written: u64,
    /// Requests that failed.
    pub(crate) errors: u64,
    /// Connections dropped because the client broke the protocol.
    pub(crate) protocol_errors: u64,
    /// Connections dropped because data was damaged on its way.
    pub(crate) digest_errors: u64,
    /// Connections dropped because what came was not authentic.
    pub(crate) seal_errors: u64,
    /// Requests that the device was asked for and has not completed.
    pub(crate) in_flight: u64,
    /// Connections cut because what they were allowed was taken back or made less.
    pub(crate) revoked: u64,
}

/// What can be said about an export.
pub(crate) struct ExportInfo {
    /// The network namespace that it belongs to.
    pub(crate) net: Namespace,
    /// What clients ask for.
    pub(crate) name: CString,
    /// Path of the block device.
    pub(crate) device: CString,
    /// Where it listens.
    pub(crate) listen: KVec<Address>,
    /// Who is let in by address.
    pub(crate) rules: KVec<Rule>,
    /// Who is let in by key, if the export has keys.
    pub(crate) keys: Option<KVec<KeyInfo>>,
    /// Identity of the data.
    pub(crate) uuid: Uuid,
    /// What clients may do at most.
    pub(crate) access: Rights,
    /// How many of them may write.
    pub(crate) writers: Writers,
    /// Whether others may have the device open, too.
    pub(crate) share_device: bool,
    /// Whether everything is durable before it is acknowledged.
    pub(crate) write_through: bool,
    /// Pages that each session may have in flight.
    pub(crate) window: u32,
    /// Milliseconds after which a silent client is dropped.
    pub(crate) keepalive: u32,
    /// What it is doing.
    pub(crate) state: ExportState,
    /// Major number of the block device.
    pub(crate) major: u32,
    /// Minor number of the block device.
    pub(crate) minor: u32,
    /// Size in bytes.
    pub(crate) size: u64,
    /// Bytes in a logical block.
    pub(crate) logical_block: u32,
    /// Bytes in a physical block.
    pub(crate) physical_block: u32,
    /// Sessions it has.
    pub(crate) sessions: u32,
    /// Connections that all of them have.
    pub(crate) connections: u32,
    /// The last thing that went wrong.
    pub(crate) error: Option<CString>,
    /// What it has done.
    pub(crate) counts: Counts,
}

/// What can be said about a session.
pub(crate) struct SessionInfo {
    /// The network namespace that its export belongs to.
    pub(crate) net: Namespace,
    /// Name of the export.
    pub(crate) export: CString,
    /// Identity of the session.
    pub(crate) id: SessionId,
    /// What it is doing.
    pub(crate) state: SessionState,
    /// Where its newest connection comes from.
    pub(crate) peer: Option<Address>,
    /// The key that it began with, if the export has keys.
    pub(crate) key: Option<PublicKey>,
    /// Host name that the client gave, without control characters. It is not verified.
    pub(crate) client: CString,
    /// What the client may do.
    pub(crate) access: Rights,
    /// Epoch it is in.
    pub(crate) epoch: Epoch,
    /// Connections it has.
    pub(crate) connections: u32,
    /// Pages it may have in flight.
    pub(crate) window: u32,
    /// Milliseconds since it began.
    pub(crate) age_ms: u64,
    /// What was done for it.
    pub(crate) counts: Counts,
}

/// What to change of what all exports of a network namespace have in common. [`None`] stays as it is.
pub(crate) struct ServerChange<F> {
    /// With which the server shows who it is.
    pub(crate) keys: Option<Arc<KeyPair>>,
    /// The only suite to seal connections with, or any.
    pub(crate) suite: Option<Option<Suite>>,
    /// What changes the limits.
    pub(crate) limits: Option<F>,
}
