// SPDX-License-Identifier: GPL-2.0

//! What everybody but the connection itself may know of a connection and do to it.

use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Full,
            Relaxed,
            Release, //
        },
        Arc, //
    }, //
};

use crate::{
    abstractions::address::Address,
    proto::{
        keepalive::{
            Action,
            Keepalive,
            Silence,
            HELLO_TIMEOUT_MS, //
        },
        status::Status, //
    }, //
};

use super::{
    connection::End,
    io::Mailbox,
    listener::Listener,
    memory::Short,
    walls::Visit, //
};

/// Milliseconds between two looks at a fence that is waited for.
pub(super) const DRAINING_TICK: u64 = 300;

/// A connection waits for the system to have memory.
const SHORT: u32 = 1;

/// A connection waits for the network to give pages back.
const LENT: u32 = 2;

/// Where a connection stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
pub(super) enum Stage {
    /// The client has to introduce itself.
    Greeting,
    /// The client has to wait until its older requests are done.
    Fenced,
    /// Requests are served.
    Serving,
    /// It is closed, and its requests are being completed.
    Closing,
}

/// Why a connection is cut.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
pub(super) enum Cut {
    /// The client came back.
    Superseded = 1,
    /// The export goes away.
    Gone = 2,
    /// The client is not allowed any more.
    Denied = 3,
    /// Nothing was heard of the client for too long.
    Silent = 4,
    /// Too many clients do not introduce themselves, and this was the first of them.
    Crowded = 5,
}

impl Cut {
    /// The reason with this number.
    fn from_number(number: u32) -> Option<Self> {
        [
            Self::Superseded,
            Self::Gone,
            Self::Denied,
            Self::Silent,
            Self::Crowded,
        ]
        .into_iter()
        .find(|cut| *cut as u32 == number)
    }

    /// What the client is told, if it is worth telling.
    pub(super) fn status(self) -> Option<Status> {
        match self {
            Self::Superseded => Some(Status::Stale),
            Self::Gone => Some(Status::Gone),
            Self::Denied => Some(Status::Denied),
            Self::Silent | Self::Crowded => None,
        }
    }

    /// What the log is told, as part of a sentence.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Superseded => "superseded by a newer connection",
            Self::Gone => "the export is being removed",
            Self::Denied => "not permitted any more",
            Self::Silent => "nothing heard for too long",
            Self::Crowded => "others came while it said nothing",
        }
    }
}

/// A connection as others see it.
pub(super) struct Link {
    mailbox: Arc<Mailbox>,
    visit: Visit,
    /// Where the client is.
    peer: Address,
    /// Where it has come in.
    listener: Arc<Listener>,
    /// Why it has to end, or 0.
    cut: Atomic<u32>,
    stage: Atomic<u32>,
    /// Requests that were accepted and are not done.
    inflight: Atomic<u32>,
    /// When the client last showed a sign of life, first of all by coming.
    heard: Atomic<u64>,
    /// Milliseconds of silence after which the client is dead, once it has introduced itself.
    keepalive: Atomic<u32>,
    /// What memory it waits for, if any: [`SHORT`] or [`LENT`].
    starved: Atomic<u32>,
    /// Whether replies wait because the network takes no more.
    blocked: Atomic<bool>,
}

impl Link {
    /// Returns a connection with `peer` that has come in at `listener` just now.
    pub(super) fn new(
        mailbox: Arc<Mailbox>,
        peer: Address,
        listener: Arc<Listener>,
        visit: Visit,
        now: u64,
    ) -> Result<Arc<Self>> {
        let link = Self {
            mailbox,
            visit,
            peer,
            listener,
            cut: Atomic::new(0),
            stage: Atomic::new(Stage::Greeting as u32),
            inflight: Atomic::new(0),
            heard: Atomic::new(now),
            keepalive: Atomic::new(HELLO_TIMEOUT_MS),
            starved: Atomic::new(0),
            blocked: Atomic::new(false),
        };

        Ok(Arc::new(link, GFP_KERNEL)?)
    }

    /// Returns where its requests come back, and what wakes it.
    pub(super) fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }

    /// Returns what the client takes from what there is for all.
    pub(super) fn visit(&self) -> &Visit {
        &self.visit
    }

    /// Returns where the client is.
    pub(super) fn peer(&self) -> &Address {
        &self.peer
    }

    /// Returns where it has come in.
    pub(super) fn listener(&self) -> &Arc<Listener> {
        &self.listener
    }

    /// Ends the connection. The first reason counts. Any context.
    pub(super) fn cut(&self, why: Cut) {
        let _ = self.cut.cmpxchg(0, why as u32, Full);
        self.mailbox.wake();
    }

    /// Returns why it has to end, if it has to.
    pub(super) fn is_cut(&self) -> Option<Cut> {
        Cut::from_number(self.cut.load(Acquire))
    }

    /// Ends who works for the connection if it has to end.
    ///
    /// # Errors
    ///
    /// Why it has to.
    pub(super) fn check_cut(&self) -> Result<(), End> {
        match self.is_cut() {
            Some(cut) => Err(End::Cut(cut)),
            None => Ok(()),
        }
    }

    /// Notes where it stands. Process context.
    pub(super) fn set_stage(&self, stage: Stage) {
        self.stage.store(stage as u32, Release);
        if stage == Stage::Serving {
            self.visit.welcomed();
        }
    }

    /// Returns whether it stands at `stage`.
    pub(super) fn is_at(&self, stage: Stage) -> bool {
        self.stage.load(Acquire) == stage as u32
    }

    /// Notes that a request was accepted.
    pub(super) fn begin(&self) {
        self.inflight.add(1, Relaxed);
    }

    /// Notes that a request is done.
    pub(super) fn end(&self) {
        self.inflight.fetch_sub(1, Full);
    }

    /// Returns how many requests were accepted and are not done.
    pub(super) fn inflight(&self) -> u32 {
        self.inflight.load(Acquire)
    }

    /// Notes a sign of life at the time `now`.
    pub(super) fn hear(&self, now: u64) {
        self.heard.store(now, Relaxed);
    }

    /// Sets after how many milliseconds of silence the client is dead.
    pub(super) fn set_keepalive(&self, keepalive: u32) {
        self.keepalive.store(keepalive, Relaxed);
    }

    /// Notes whether it waits for memory. It is woken at the next tick then.
    pub(super) fn set_starved(&self, starved: Option<Short>) {
        let starved = match starved {
            None => 0,
            Some(Short::System) => SHORT,
            Some(Short::Lent) => LENT,
        };

        self.starved.store(starved, Relaxed);
    }

    /// Notes whether replies wait because the network takes no more.
    pub(super) fn set_blocked(&self, blocked: bool) {
        self.blocked.store(blocked, Relaxed);
    }

    /// Does what has to be done every now and then, at the time `now`. Process context.
    pub(super) fn tick(&self, now: u64) {
        if self.is_at(Stage::Closing) {
            return;
        }
        let starved = self.starved.load(Relaxed);

        if self.is_at(Stage::Fenced) || starved == SHORT {
            // It is the server that lets the client wait.
            self.hear(now);
            return self.mailbox.wake();
        }
        if starved == LENT {
            // It is the client that does not take what was sent.
            self.mailbox.wake();
        }

        let silence = Silence {
            last_rx: self.heard.load(Relaxed),
            last_tx: now,
            ping_pending: false,
        };
        let keepalive = self.keepalive.load(Relaxed);

        if Keepalive::server(keepalive).check(now, silence) == Action::Dead {
            return self.cut(Cut::Silent);
        }
        // The socket tells that it has room when there is much. That there is any is a sign of life.
        if self.blocked.load(Relaxed) && now >= silence.last_rx + u64::from(keepalive / 3) {
            self.mailbox.wake();
        }
    }
}
