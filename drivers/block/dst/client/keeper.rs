// SPDX-License-Identifier: GPL-2.0

//! The thread that keeps a storage connected.
//!
//! It makes connections and closes them, and decides when requests may flow and what may be sent
//! again. It never touches a request itself, and nothing that requests wait for is done by it while
//! a connection is live.

use super::{
    connection::{
        Connection,
        News, //
    },
    failure::Failure,
    storage::Storage, //
};
use crate::{
    abstractions::{
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
            Versions, //
        },
        session::{
            Session,
            Start, //
        },
        units::{
            Generation,
            SessionId, //
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
        Delta, //
    }, //
};

/// Milliseconds after which the keeper looks again whether the network has let go of memory.
const LINGER_STEP_MS: i64 = 2;

/// Milliseconds that a storage that goes away gives it.
const LINGER_MAX_MS: i64 = 2_000;

/// What the keeper remembers from one connection to the next.
struct Keeper<'a> {
    storage: &'a Arc<Storage>,
    current: &'a Current,
    session: Session,
    generation: Generation,
    known: Option<Known>,
    backoff: Backoff,
    /// The address that is tried next.
    next: Wrapping<usize>,
    /// The last connection, as long as the network may send from memory that was given to it.
    old: Option<Arc<Connection>>,
}

/// Keeps `storage` connected until the thread has to stop.
pub(super) fn run(storage: &Arc<Storage>, current: &Current) {
    let _noio = NoIoScope::new();
    let mut keeper = Keeper {
        storage,
        current,
        session: Session::new(SessionId(random_bytes())),
        generation: Generation::default(),
        known: None,
        backoff: Backoff::new(),
        next: Wrapping(0),
        old: None,
    };

    while !current.should_stop() {
        match keeper.establish() {
            Ok((connection, interval)) => {
                keeper.backoff.reset();
                let why = keeper.supervise(&connection, interval);
                keeper.end(connection, why);
            }
            Err(_) if current.should_stop() => (),
            Err(failure) => storage.failed(failure),
        }
        keeper.pause();
    }
    keeper.let_go();
}

impl Keeper<'_> {
    /// Sleeps for as long as the next attempt should be put off.
    fn pause(&mut self) {
        let random = u32::from_ne_bytes(random_bytes());
        let wait = self.backoff.next_ms(random);

        if wait > 0 {
            self.sleep(wait, || false);
        }
    }

    /// Sleeps for up to `ms` milliseconds until `ready`, or until the thread has to stop.
    fn sleep(&self, ms: u32, ready: impl Fn() -> bool) {
        self.current
            .sleep_until_timeout(msecs_to_jiffies(ms).max(1), ready);
    }

    /// Makes a connection over which requests can flow. Returns it and its keepalive interval.
    fn establish(&mut self) -> Result<(Arc<Connection>, u32), Failure> {
        let storage = self.storage;
        let Some(address) = storage.address(self.next.0) else {
            return Err(Failure::new(Cause::Unreachable, EINVAL));
        };
        self.next += 1;

        let stamp = match self.session.start(self.generation) {
            Start::Hello(stamp) => stamp,
            // With one connection there is none to wait for. A session that has used up its
            // numbers goes on as a new one.
            Start::Wait | Start::Closed | Start::Exhausted => {
                self.session = Session::new(SessionId(random_bytes()));
                self.generation = Generation::default();
                return Err(Failure::new(Cause::Unreachable, EAGAIN));
            }
        };
        self.generation = stamp.generation;
        storage.trying(&address, self.session.id(), stamp);

        let machine = NodeName::get();
        let hello = Hello {
            versions: Versions::OURS,
            write: !storage.read_only(),
            features: Features::NONE,
            session: self.session.id(),
            uuid: self
                .known
                .map_or(storage.expected_uuid(), |known| known.uuid),
            stamp,
            connection: 0,
            connections: 1,
            export: storage.export(),
            client: Some(machine.as_str()).filter(|name| !name.is_empty()),
        };
        let result = self.greet(&hello);
        if result.is_err() {
            self.session.failed(stamp);
        }
        result
    }

    /// Connects to the address that was chosen, and takes the connection into service if the
    /// server's answer is acceptable.
    fn greet(&mut self, hello: &Hello<'_>) -> Result<(Arc<Connection>, u32), Failure> {
        let storage = self.storage;
        let address = storage
            .peer()
            .ok_or(Failure::new(Cause::Unreachable, EINVAL))?;
        let unreachable = |error| Failure::new(Cause::Unreachable, error);

        let socket = Socket::connect(storage.net(), &address).map_err(unreachable)?;
        let connection =
            Connection::new(storage, storage.threads(), socket, hello).map_err(unreachable)?;

        match self.await_welcome(&connection).and_then(|welcome| {
            self.accept(&connection, hello, &welcome)
                .map(|()| welcome.keepalive_ms)
        }) {
            Ok(interval) => Ok((connection, interval)),
            Err(failure) => {
                // It has carried no data, so `old`, which may have, stays the one to wait for.
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
                News::Over(cause) => {
                    return Err(Failure::of(cause, connection.take_message()));
                }
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

    /// Takes `connection` into service: the server has said that nothing of the past is being worked
    /// on any more.
    fn accept(
        &mut self,
        connection: &Arc<Connection>,
        hello: &Hello<'_>,
        welcome: &Welcome,
    ) -> Result<(), Failure> {
        let storage = self.storage;
        let expectation = Expectation {
            hello: *hello,
            required: Features::NONE,
            known: self.known,
        };
        let accepted = expectation.check(welcome).map_err(Failure::unacceptable)?;

        // What was sent over the old connection may end now, or be sent from other memory. The
        // network must not send it from there any more.
        self.let_go();
        if self.current.should_stop() {
            return Err(Failure::new(Cause::Lost, EINTR));
        }
        if self.session.welcomed(hello.stamp).is_err() {
            return Err(Failure::of(Cause::Lost, None));
        }
        if !connection.accept() {
            // It broke meanwhile, so it counts as one that was live.
            self.session.lost(hello.stamp);
            return Err(Failure::of(Cause::Lost, None));
        }
        if accepted.lost_writes {
            storage.restarted();
        }
        let again = self.known.is_some();
        self.known = Some(Known::from(welcome));
        storage.connected(connection, welcome, again, accepted.grown);
        connection.transmit();
        Ok(())
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
                    if let Some(known) = &mut self.known {
                        match known.check_change(&geometry) {
                            Ok(_) => {
                                known.geometry = geometry;
                                self.storage.resized(geometry);
                            }
                            Err(fault) => {
                                pr_warn!("{}: {}\n", self.storage.name(), fault.text());
                            }
                        }
                    }
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

    /// Closes a connection that was live.
    fn end(&mut self, connection: Arc<Connection>, why: Option<Cause>) {
        self.session.lost(connection.stamp);
        self.storage.disconnected();
        match why {
            Some(cause) => {
                let message = connection.take_message();
                self.storage.failed(Failure::of(cause, message));
            }
            None => connection.bye(),
        }
        connection.close();
        self.old = Some(connection);
    }

    /// Waits until the network does not send from our memory any more.
    ///
    /// The connection was reset, so only packets that have left it already can still be on their
    /// way. If they get stuck for good, a storage that goes away does not wait for them: what they
    /// might still send goes to nobody.
    fn let_go(&mut self) {
        let Some(old) = self.old.take() else {
            return;
        };
        let mut waited = 0;

        while old.socket.sending() && !(self.current.should_stop() && waited >= LINGER_MAX_MS) {
            fsleep(Delta::from_millis(LINGER_STEP_MS));
            waited += LINGER_STEP_MS;
        }
    }
}
