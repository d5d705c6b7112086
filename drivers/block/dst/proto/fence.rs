// SPDX-License-Identifier: GPL-2.0

//! The server's decision about a hello: who is newer, who has to be waited for, who may write.
//!
//! A request of an older epoch or generation may still be on its way through the server when its
//! client is already back. If the client were welcomed at once, it would send the request again,
//! go on, write something newer to the same place, and the old request could land on top of it.
//! So nobody is welcomed before everything older of the same scope is done.

use super::access::Rights;
use super::hello::Hello;
use super::status::Status;
use super::units::{
    Epoch,
    Generation,
    SessionId,
    Stamp, //
};

/// What a server knows of the session that a hello names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KnownSession {
    /// The highest epoch it has seen, welcomed or not.
    pub epoch: Epoch,
    /// The highest generation it has seen in that epoch for the connection of the hello; 0 is
    /// none.
    pub generation: Generation,
    /// Requests of older epochs, of all connections, that are not done.
    pub older_inflight: u32,
    /// Requests of this epoch, of earlier generations of the connection of the hello, that are not
    /// done.
    pub connection_inflight: u32,
    /// Whether the session was opened for writing.
    pub write: bool,
}

/// Who has an export that only one session may write to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Writer {
    /// Any number of sessions may write.
    #[default]
    Shared,
    /// Nobody at the moment.
    Vacant,
    /// This session: until it is gone and its last request is done.
    Held(SessionId),
}

/// What a fence has to wait for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scope {
    /// All older epochs of the session; all their connections are cut.
    Session,
    /// The earlier generations of this connection only; they are cut.
    Connection(u16),
}

/// What to do with a hello.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Decision {
    /// Welcome it at once: there is nothing older.
    Accept,
    /// Cut what is older, wait until all its requests are done, and welcome it then.
    ///
    /// Recording the new stamp and cutting have to be one step for other hellos of the session,
    /// before the wait begins: what has been cut accepts no further request, so that the counts
    /// can only fall, and what is even older is refused meanwhile.
    Fence(Scope),
    /// Refuse it with this status.
    Refuse(Status),
}

/// Decides about a hello that fulfils the [terms](super::negotiate::Terms).
///
/// `known` is what the server knows of the session, `rights` what the client's address allows.
pub fn decide(
    hello: &Hello<'_>,
    known: Option<&KnownSession>,
    writer: Writer,
    rights: Rights,
) -> Decision {
    match (rights, hello.write) {
        (Rights::None, _) | (Rights::ReadOnly, true) => return Decision::Refuse(Status::Denied),
        (Rights::ReadOnly, false) | (Rights::ReadWrite, _) => (),
    }
    if hello.write {
        match writer {
            Writer::Held(session) if session != hello.session => {
                return Decision::Refuse(Status::InUse)
            }
            Writer::Held(_) | Writer::Vacant | Writer::Shared => (),
        }
    }

    let Some(known) = known else {
        return Decision::Accept;
    };

    // What a session may do is settled by its first hello.
    if known.write != hello.write {
        return Decision::Refuse(Status::Invalid);
    }
    if hello.stamp.epoch > known.epoch {
        return Decision::Fence(Scope::Session);
    }
    if hello.stamp.epoch < known.epoch || hello.stamp.generation <= known.generation {
        return Decision::Refuse(Status::Stale);
    }
    // The hello that raised the epoch may still be waiting; nobody overtakes it.
    if known.older_inflight != 0 {
        return Decision::Fence(Scope::Session);
    }
    match known.generation {
        Generation(0) => Decision::Accept,
        Generation(_) => Decision::Fence(Scope::Connection(hello.connection)),
    }
}

/// A fence that is being waited for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Fence {
    /// Stamp of the hello that waits.
    stamp: Stamp,
    /// What it waits for.
    scope: Scope,
}

/// Where a fence stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FenceState {
    /// So many requests are left; tell the client in a DRAINING frame now and then.
    Draining(u32),
    /// Everything older is done: welcome the client.
    Done,
    /// A newer hello has come meanwhile: refuse with [`Status::Stale`].
    Superseded,
}

impl Fence {
    /// A fence for the hello with this stamp.
    #[inline]
    pub fn new(stamp: Stamp, scope: Scope) -> Self {
        Self { stamp, scope }
    }

    /// What it waits for.
    #[inline]
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// Where it stands, given what the server knows of the session now.
    ///
    /// The counts of `known` must not include requests of the connection that waits: it has none.
    pub fn state(&self, known: &KnownSession) -> FenceState {
        if known.epoch != self.stamp.epoch || known.generation != self.stamp.generation {
            return FenceState::Superseded;
        }

        match known
            .older_inflight
            .saturating_add(known.connection_inflight)
        {
            0 => FenceState::Done,
            left => FenceState::Draining(left),
        }
    }
}
