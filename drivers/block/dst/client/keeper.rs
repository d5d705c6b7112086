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
    failure::Failure,
    route::Route,
    storage::Storage, //
};
use crate::{
    abstractions::{
        address::Address,
        kthread::Current,
        machine::NodeName,
        memory::NoIoScope,
        random::random_bytes,
        socket::Socket, //
    },
    proto::{
        backoff::Backoff,
        connection::{
            Cause,
            State, //
        },
        geometry::Geometry,
        hello::{
            Hello,
            Welcome, //
        },
        keepalive::{
            Action,
            Keepalive,
            HELLO_TIMEOUT_MS, //
        },
        negotiate::{
            Expectation,
            Features,
            Known,
            Versions,
            WelcomeFault, //
        },
        units::{
            SessionId,
            Stamp, //
        }, //
    }, //
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

/// Milliseconds after which a keeper looks again whether the network has let go of memory.
const LINGER_STEP_MS: u32 = 2;

/// Milliseconds that a connection that is not wanted any more gets to complete its requests, and
/// the network to let go of their memory.
const LINGER_MAX_MS: i64 = 2_000;

/// Milliseconds after which a keeper that waits for others looks whether it still has to.
const REST_MS: u32 = 1_000;

/// What a keeper remembers from one connection to the next.
struct Keeper<'a> {
    storage: &'a Arc<Storage>,
    current: &'a Current,
    /// The number of the connection.
    number: u16,
    backoff: Backoff,
    /// Which address is tried next. Connections begin with different ones.
    next: Wrapping<usize>,
    /// It had a connection.
    experienced: bool,
}

/// What a connection begins with. All of it belongs together.
struct Attempt {
    route: Arc<Route>,
    session: SessionId,
    stamp: Stamp,
    /// The export, as it was the last time.
    known: Option<Known>,
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
    };

    while !current.should_stop() {
        let seen = storage.changes();
        // It is another thread that begins a new epoch, or the server does not want so many.
        let Some(attempt) = keeper.begin() else {
            keeper.sleep(REST_MS, || storage.changes() != seen);
            continue;
        };

        match keeper.establish(attempt) {
            Ok((connection, interval)) => {
                keeper.backoff.reset();
                let why = keeper.supervise(&connection, interval);
                keeper.end(connection, why);
            }
            Err(_) if current.should_stop() => (),
            Err(failure) => storage.failed(failure, true),
        }
        keeper.pause();
    }
    keeper.leave();
}

impl Keeper<'_> {
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
        })
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
    fn sleep(&self, ms: u32, ready: impl Fn() -> bool) {
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

    /// Makes a connection as `attempt` says over which requests can flow. Returns it and its
    /// keepalive interval.
    ///
    /// Nothing of the attempt is kept, lest secrets outlive the change of a key.
    fn establish(&mut self, attempt: Attempt) -> Result<(Arc<Connection>, u32), Failure> {
        let storage = self.storage;
        let addresses = &attempt.route.addresses;
        let index = self.next.0.checked_rem(addresses.len()).unwrap_or(0);
        let result = match addresses.get(index) {
            Some(address) => self.greet(&attempt, address),
            None => Err(Failure::new(Cause::Unreachable, EINVAL)),
        };

        if result.is_err() {
            self.next += 1;
            storage.session.lock().session.failed(attempt.stamp);
            storage.wake_keepers();
        }
        result
    }

    /// Connects to `address`, one of those of the `attempt`, and takes the connection into service
    /// if the server's answer is acceptable.
    fn greet(
        &mut self,
        attempt: &Attempt,
        address: &Address,
    ) -> Result<(Arc<Connection>, u32), Failure> {
        let storage = self.storage;
        let unreachable = |error| Failure::new(Cause::Unreachable, error);
        let machine = NodeName::get();
        let hello = Hello {
            versions: Versions::OURS,
            write: !storage.read_only(),
            features: features(storage),
            session: attempt.session,
            uuid: attempt
                .known
                .map_or(storage.expected_uuid(), |known| known.uuid),
            stamp: attempt.stamp,
            connection: self.number,
            connections: storage.connections().max(self.number + 1),
            export: storage.export(),
            client: Some(machine.as_str()).filter(|name| !name.is_empty()),
            digest: storage.digest().map(|method| method.digest().name()),
        };

        storage.trying(address, attempt.session, attempt.stamp);
        // Nothing goes out in plain that was meant to be sealed.
        if attempt.route.keys.is_some() {
            return Err(Failure::unsealed());
        }

        let socket = Socket::connect(storage.net(), address).map_err(unreachable)?;
        let connection =
            Connection::new(storage, storage.threads(), socket, &hello).map_err(unreachable)?;

        match self.await_welcome(&connection).and_then(|welcome| {
            self.accept(&connection, &hello, &welcome, &attempt.route)
                .map(|()| welcome.keepalive_ms)
        }) {
            Ok(interval) => Ok((connection, interval)),
            Err(failure) => {
                // It has carried no data, so nothing has to be let go of.
                connection.close();
                Err(failure)
            }
        }
    }

    /// Waits for the answer to the hello, however long the server says that it has to drain.
    fn await_welcome(&self, connection: &Connection) -> Result<Welcome, Failure> {
        loop {
            match connection.news() {
                News::Welcome(welcome) => return Ok(welcome),
                News::Over(cause) => return Err(connection.failure(cause)),
                News::Geometry(_) | News::None => (),
            }
            if self.current.should_stop() {
                return Err(Failure::new(Cause::Lost, EINTR));
            }
            let silent = connection
                .now()
                .saturating_sub(connection.silence().last_rx);
            let Some(left) = u64::from(HELLO_TIMEOUT_MS).checked_sub(silent) else {
                return Err(Failure::of(Cause::Silent, None));
            };
            if let State::Draining { left } = connection.state() {
                self.storage.draining(left);
            }
            let draining = connection.state();
            self.sleep(u32::try_from(left).unwrap_or(HELLO_TIMEOUT_MS) + 1, || {
                connection.has_news() || connection.state() != draining
            });
        }
    }

    /// Takes `connection` into service: the server has said that nothing of the past that it has to
    /// do with is being worked on any more.
    fn accept(
        &mut self,
        connection: &Arc<Connection>,
        hello: &Hello<'_>,
        welcome: &Welcome,
        route: &Arc<Route>,
    ) -> Result<(), Failure> {
        let storage = self.storage;
        let lost = || Failure::of(Cause::Lost, None);
        let (known, alone) = {
            let shared = storage.session.lock();

            (shared.known, !shared.session.is_up())
        };
        let accepted = Expectation {
            hello: *hello,
            required: hello.features,
            known,
        }
        .check(welcome)
        .map_err(Failure::unacceptable)?;
        let was_read_only = known.is_some_and(|known| known.geometry.is_read_only());
        let is_read_only = welcome.geometry.is_read_only();

        // Where it could not be written, it need not have gone.
        if is_read_only && !was_read_only && hello.write && storage.is_moving() {
            return Err(Failure::unacceptable(WelcomeFault::ReadOnly));
        }
        if accepted.restarted && !alone {
            // The others lead to a server that is no more, and have not noticed it yet.
            storage.give_up_connections(Cause::Lost);
            return Err(lost());
        }
        self.await_release(if alone { None } else { Some(self.number) })?;

        let resend = {
            let mut shared = storage.session.lock();

            if !Arc::ptr_eq(route, &storage.route()) {
                return Err(Failure::of(Cause::Moved, None));
            }
            let resend = shared.welcomed(hello.stamp).ok_or_else(lost)?;

            if !connection.accept() {
                // It broke meanwhile, so it counts as one that was live.
                shared.session.lost(hello.stamp);
                return Err(lost());
            }
            if accepted.lost_writes {
                storage.restarted();
            }
            shared.learn(welcome);
            resend
        };

        if core::mem::replace(&mut self.experienced, true) {
            storage.counters.reconnected();
        }
        storage.connected(connection, welcome, resend, known.is_none());
        if let Some(known) = known.filter(|known| known.geometry != welcome.geometry) {
            storage.described(&known.geometry, welcome.geometry);
        }
        Ok(())
    }

    /// Waits until the network does not send any more from memory that was given to the connection
    /// `number`, or to any: it may end now, or be sent from by other connections.
    fn await_release(&self, number: Option<u16>) -> Result<(), Failure> {
        let storage = self.storage;

        loop {
            storage.let_go(None);
            if !storage.is_lingering(number) {
                return Ok(());
            }
            if self.current.should_stop() {
                return Err(Failure::new(Cause::Lost, EINTR));
            }
            self.sleep(LINGER_STEP_MS, || false);
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
            match connection.news() {
                News::Over(cause) => return Some(cause),
                News::Geometry(geometry) => {
                    self.learn(geometry);
                    continue;
                }
                News::Welcome(_) | News::None => (),
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
                connection.has_news()
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
        match known.check_change(&geometry) {
            Ok(_) => {
                let old = core::mem::replace(&mut known.geometry, geometry);

                drop(shared);
                storage.described(&old, geometry);
            }
            Err(fault) => pr_warn!("{}: {}\n", storage.name(), fault.text()),
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
        connection.close();
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
    }

    /// Waits for a while until `ready`, though the thread has to stop.
    fn linger(&self, ready: impl Fn() -> bool) {
        let begun = Instant::<Monotonic>::now();

        while !ready() && begun.elapsed().as_millis() < LINGER_MAX_MS {
            fsleep(Delta::from_millis(LINGER_STEP_MS.into()));
        }
    }
}

/// Returns the features without which `storage` has no connection.
fn features(storage: &Storage) -> Features {
    match storage.digest() {
        Some(_) => Features::DIGEST,
        None => Features::NONE,
    }
}
