// SPDX-License-Identifier: GPL-2.0

//! The thread that keeps one connection of a storage: connects, greets, watches, and begins again.
//!
//! Everything that may take long is done here and in nobody else's time. A connection that is live
//! does not need its keeper for anything that requests wait for.

use super::{
    connection::{
        Connection,
        News, //
    },
    establish::{
        Attempt,
        LINGER_STEP_MS, //
    },
    storage::Storage, //
};
use crate::{
    abstractions::{
        kthread::Current,
        memory::NoIoScope,
        random::random_bytes, //
    },
    proto::{
        backoff::Backoff,
        connection::Cause,
        geometry::Geometry,
        keepalive::{
            Action,
            Keepalive, //
        },
        negotiate::WelcomeFault, //
    },
    wire::staging::Spares, //
};
use core::num::Wrapping;
use kernel::{
    prelude::*,
    sync::Arc,
    time::{
        delay::fsleep,
        msecs_to_jiffies,
        Delta,
        Instant,
        Monotonic, //
    }, //
};

/// Milliseconds that a connection that is not wanted any more gets to complete its requests, and
/// the network to let go of their memory.
const LINGER_MAX_MS: i64 = 2_000;

/// Milliseconds after which requests of a connection that the server refuses are not left to wait for
/// it any more.
const STRANDED_MS: i64 = 5_000;

/// Milliseconds after which a keeper that waits for others looks whether it still has to.
const REST_MS: u32 = 1_000;

/// What a keeper remembers from one connection to the next.
pub(super) struct Keeper<'a> {
    pub(super) storage: &'a Arc<Storage>,
    pub(super) current: &'a Current,
    /// The number of the connection.
    pub(super) number: u16,
    backoff: Backoff,
    /// Which address is tried next. Connections begin with different ones.
    pub(super) next: Wrapping<usize>,
    /// It had a connection.
    pub(super) experienced: bool,
    /// Memory that the last connection has left for the next one.
    pub(super) spares: Spares,
    /// Since when requests wait for the connection, and it is not wanted.
    stranded: Option<Instant<Monotonic>>,
}

/// Keeps the connection `number` of `storage` until the thread has to stop.
pub(super) fn run(storage: &Arc<Storage>, number: u16, current: &Current) {
    let _noio = NoIoScope::new();
    let mut keeper = Keeper {
        storage,
        current,
        number,
        backoff: Backoff::new(),
        next: Wrapping(number.into()),
        experienced: false,
        spares: Spares::new(),
        stranded: None,
    };

    while !current.should_stop() {
        let seen = storage.changes();
        // It is another thread that begins a new epoch, or the server does not want so many.
        let Some(attempt) = keeper.begin() else {
            keeper.rescue(true);
            keeper.sleep(REST_MS, || storage.changes() != seen);
            continue;
        };

        match keeper.establish(attempt) {
            Ok((connection, interval)) => {
                keeper.backoff.reset();
                keeper.stranded = None;
                let why = keeper.supervise(&connection, interval);
                keeper.end(connection, why);
            }
            Err(_) if current.should_stop() => (),
            Err(failure) => {
                keeper.rescue(failure.is_answer());
                storage.failed(failure, true);
            }
        }
        keeper.pause();
    }
    keeper.leave();
}

impl Keeper<'_> {
    /// Returns whether there must be no connection any more.
    pub(super) fn must_end(&self) -> bool {
        self.current.should_stop() || self.storage.is_forsaken()
    }

    /// Returns what the next connection begins with, or [`None`] if others have to come first.
    fn begin(&self) -> Option<Attempt> {
        let mut shared = self.storage.session.lock();
        let stamp = shared.begin(self.number)?;

        Some(Attempt {
            // It is not exchanged as long as the session is locked.
            route: self.storage.route(),
            session: shared.session.id(),
            stamp,
            known: shared.known,
            common: shared.common(),
        })
    }

    /// Has all connections made anew if this one `is_refused` for long, and requests that it had wait
    /// for it while others are live: only a new epoch fences them then. A server that does not even
    /// answer would not answer that either.
    fn rescue(&mut self, is_refused: bool) {
        let storage = self.storage;
        let waits = || storage.live() > 0 && storage.queue.lock().is_unfenced(self.number);

        if !is_refused || !waits() {
            self.stranded = None;
            return;
        }

        let since = *self.stranded.get_or_insert_with(Instant::now);

        if since.elapsed().as_millis() >= STRANDED_MS {
            self.stranded = None;
            storage.give_up_connections(Cause::Moved);
        }
    }

    /// Sleeps for as long as the next attempt should be put off.
    fn pause(&mut self) {
        let random = u32::from_ne_bytes(random_bytes());
        let wait = self.backoff.next_ms(random);

        if wait > 0 {
            let moves = self.storage.moves();

            // Another way is worth an attempt at once.
            self.sleep(wait, || self.storage.moves() != moves);
        }
    }

    /// Sleeps for up to `ms` milliseconds until `ready`, or until the thread has to stop, and does
    /// meanwhile what has to be done every now and then. `ready` must not sleep.
    pub(super) fn sleep(&self, ms: u32, ready: impl Fn() -> bool) {
        let storage = self.storage;
        let begun = Instant::<Monotonic>::now();

        loop {
            let seen = storage.changes();
            let spent = u32::try_from(begun.elapsed().as_millis()).unwrap_or(u32::MAX);
            let mut slice = ms.saturating_sub(spent);

            if slice == 0 || self.current.should_stop() || ready() {
                return;
            }
            // One looks after the limits for all.
            if self.number == 0 {
                slice = slice.min(storage.patience().unwrap_or(slice));
            }
            if storage.is_lingering(None) {
                slice = slice.min(LINGER_STEP_MS);
            }
            self.current
                .sleep_until_timeout(msecs_to_jiffies(slice).max(1), || {
                    ready() || storage.changes() != seen
                });
            storage.let_go(None);
            if self.number == 0 {
                storage.expire();
            }
        }
    }

    /// Watches over a live connection; returns why it has to be closed, or [`None`] if the thread
    /// has to stop.
    fn supervise(&mut self, connection: &Connection, interval: u32) -> Option<Cause> {
        let keepalive = Keepalive::client(interval);

        loop {
            if self.current.should_stop() {
                return None;
            }
            if self.storage.is_forsaken() {
                return Some(Cause::Lost);
            }
            match connection.news() {
                News::Over(cause) => return Some(cause),
                News::Geometry(geometry) => {
                    self.learn(geometry);
                    continue;
                }
                News::Answer(_) | News::Welcome(_) | News::None => (),
            }
            let now = connection.now();
            let wait = match keepalive.check(now, connection.silence()) {
                Action::Dead => return Some(Cause::Silent),
                Action::Ping => {
                    connection.ping();
                    continue;
                }
                Action::Wait(until) => until.saturating_sub(now),
            };
            self.sleep(u32::try_from(wait).unwrap_or(interval).max(1), || {
                connection.has_news() || self.storage.is_forsaken()
            });
        }
    }

    /// Takes note of a new description of the disk, which each connection brings.
    fn learn(&self, geometry: Geometry) {
        let storage = self.storage;
        let mut shared = storage.session.lock();
        let Some(known) = &mut shared.known else {
            return;
        };

        if known.geometry == geometry {
            return;
        }
        // A connection may have been granted less than the largest frame of another length takes.
        let same_frames = known.geometry.max_frame_sectors == geometry.max_frame_sectors;
        let checked = match known.check_change(&geometry) {
            Ok(_) if !same_frames => Err(WelcomeFault::Limits),
            checked => checked,
        };

        match checked {
            Ok(_) => {
                let old = core::mem::replace(&mut known.geometry, geometry);

                drop(shared);
                storage.described(&old, geometry);
            }
            Err(fault) if storage.may_log() => {
                pr_warn!("{}: {}\n", storage.name(), fault.text());
            }
            Err(_) => (),
        }
    }

    /// Closes a connection that was live.
    fn end(&mut self, connection: Arc<Connection>, why: Option<Cause>) {
        let storage = self.storage;

        if why.is_none() {
            self.complete(&connection);
        }
        storage.disconnected(self.number);
        match why {
            Some(cause) => storage.failed(connection.failure(cause), false),
            None => connection.bye(),
        }
        connection.close(&mut self.spares);
        storage.closed(connection);
    }

    /// Lets a connection that is not wanted any more complete what it has. If it does not, all
    /// connections are made anew, so that the others may send it again.
    fn complete(&self, connection: &Connection) {
        let storage = self.storage;

        storage.queue.lock().shut(self.number);
        self.linger(|| connection.is_over() || !storage.queue.lock().is_carrying(self.number));
        if storage.queue.lock().is_carrying(self.number) {
            storage.give_up_connections(Cause::Moved);
        }
    }

    /// Lets go of all that its connections had: there is nobody who would do it later.
    ///
    /// It was reset, so only packets that have left it already can still be on their way. If they
    /// get stuck for good, what they might still send goes to nobody.
    fn leave(&self) {
        let storage = self.storage;

        self.linger(|| {
            storage.let_go(None);
            !storage.is_lingering(Some(self.number))
        });
        storage.let_go(Some(self.number));
        // Nobody comes back under this number, so only a new epoch fences what it has left.
        if !storage.is_forsaken() && storage.queue.lock().is_unfenced(self.number) {
            storage.give_up_connections(Cause::Moved);
        }
    }

    /// Waits for a while until `ready`, though the thread has to stop.
    fn linger(&self, ready: impl Fn() -> bool) {
        let begun = Instant::<Monotonic>::now();

        while !ready() && begun.elapsed().as_millis() < LINGER_MAX_MS {
            fsleep(Delta::from_millis(LINGER_STEP_MS.into()));
        }
    }
}
