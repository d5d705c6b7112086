// SPDX-License-Identifier: GPL-2.0

//! What the connections of a storage have in common: one session with one export.

use super::handshake::Common;
use crate::{
    abstractions::random::random_bytes,
    proto::{
        hello::Welcome,
        negotiate::{
            Known,
            MAX_CONNECTIONS, //
        },
        session::{
            Resend,
            Session,
            Start, //
        },
        units::{
            Generation,
            SessionId,
            Stamp, //
        }, //
    }, //
};
use kernel::sync::Arc;

/// The session of a storage.
pub(super) struct Shared {
    /// Where it stands.
    pub(super) session: Session,
    /// The export, as it was the last time.
    pub(super) known: Option<Known>,
    /// All connections have to end before one begins.
    renewing: bool,
    /// The next connection begins another session.
    renaming: bool,
    /// How many connections the server accepts.
    allowed: u16,
    /// The last generation of each connection.
    generations: [Generation; MAX_CONNECTIONS as usize],
    /// What further sealed connections can make use of.
    common: Option<Arc<Common>>,
}

impl Shared {
    /// Returns a session that was never established.
    pub(super) fn new() -> Self {
        Self {
            session: Session::new(SessionId(random_bytes())),
            known: None,
            renewing: false,
            renaming: false,
            allowed: 1,
            generations: [Generation::default(); MAX_CONNECTIONS as usize],
            common: None,
        }
    }

    /// Returns the stamp with which the connection `number` may begin, or [`None`] if it has to
    /// wait for another one: there is one when the others have changed.
    ///
    /// Until the export is known, and so how many connections its server accepts, there is only
    /// one.
    pub(super) fn begin(&mut self, number: u16) -> Option<Stamp> {
        self.renewing &= self.session.is_up();
        if number >= self.allowed || self.renewing {
            return None;
        }
        if self.renaming && self.session.rename(SessionId(random_bytes())) {
            self.renaming = false;
        }
        let last = self.generations.get_mut(usize::from(number))?;

        match self.session.start(*last) {
            Start::Hello(stamp) => {
                *last = stamp.generation;
                Some(stamp)
            }
            Start::Wait | Start::Closed => None,
            // It goes on as another session, which may begin when this one has ended.
            Start::Exhausted if !self.session.is_up() => {
                *self = Self {
                    known: self.known,
                    allowed: self.allowed,
                    ..Self::new()
                };
                None
            }
            Start::Exhausted => None,
        }
    }

    /// Has no connection begin before all others have ended, so that it raises the epoch and its
    /// welcome fences all that was ever sent. They have to be given up, too.
    pub(super) fn renew(&mut self) {
        self.renewing = self.session.is_up();
    }

    /// Has the next connection begin another session, as soon as all others have ended.
    pub(super) fn rename(&mut self) {
        self.renew();
        self.renaming = true;
    }

    /// Notes that the hello of `stamp` was welcomed; returns what may be sent again, or [`None`] if
    /// that comes too late.
    pub(super) fn welcomed(&mut self, stamp: Stamp) -> Option<Resend> {
        match self.renewing {
            true => None,
            false => self.session.welcomed(stamp).ok(),
        }
    }

    /// Returns what a handshake has left behind for further connections.
    pub(super) fn common(&self) -> Option<Arc<Common>> {
        self.common.clone()
    }

    /// Keeps what a handshake has left behind: the server has shown that it has it, too.
    pub(super) fn keep(&mut self, common: Arc<Common>) {
        self.common = Some(common);
    }

    /// Forgets what a handshake has left behind: the server does not have it any more, or says so.
    pub(super) fn forget(&mut self, common: &Arc<Common>) {
        self.common.take_if(|kept| Arc::ptr_eq(kept, common));
    }

    /// Takes note of a welcome that was accepted.
    pub(super) fn learn(&mut self, welcome: &Welcome) {
        self.known = Some(Known::from(welcome));
        self.allowed = welcome.max_connections.clamp(1, MAX_CONNECTIONS);
    }
}
