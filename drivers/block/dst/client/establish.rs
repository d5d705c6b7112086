// SPDX-License-Identifier: GPL-2.0

//! How a keeper makes a connection: it connects, shakes hands if keys are used, greets the server and
//! checks what that says.

use super::{
    config::Keys,
    connection::{
        Connection,
        News, //
    },
    failure::Failure,
    handshake::{
        Common,
        Handshake,
        Sealed, //
    },
    keeper::Keeper,
    route::Route,
    storage::Storage, //
};
use crate::{
    abstractions::{
        address::Address,
        machine::NodeName,
        socket::Socket, //
    },
    proto::{
        connection::{
            Cause,
            State, //
        },
        handshake::{
            Binding,
            Frame, //
        },
        hello::{
            Hello,
            Welcome, //
        },
        keepalive::HELLO_TIMEOUT_MS,
        negotiate::{
            Expectation,
            Features,
            Known,
            Versions,
            WelcomeFault, //
        },
        secret::{
            without_trace,
            HANDSHAKE_STACK, //
        },
        units::{
            SessionId,
            Stamp, //
        }, //
    }, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Milliseconds after which it is looked again whether the network has let go of memory.
pub(super) const LINGER_STEP_MS: u32 = 2;

/// What a connection begins with. All of it belongs together.
pub(super) struct Attempt {
    pub(super) route: Arc<Route>,
    pub(super) session: SessionId,
    pub(super) stamp: Stamp,
    /// The export, as it was the last time.
    pub(super) known: Option<Known>,
    /// What an earlier handshake has left behind.
    pub(super) common: Option<Arc<Common>>,
}

impl Keeper<'_> {
    /// Makes a connection as `attempt` says over which requests can flow. Returns it and its
    /// keepalive interval.
    ///
    /// Nothing of the attempt is kept, lest secrets outlive the change of a key.
    pub(super) fn establish(
        &mut self,
        attempt: Attempt,
    ) -> Result<(Arc<Connection>, u32), Failure> {
        let storage = self.storage;
        let addresses = &attempt.route.addresses;
        let index = self.next.0.checked_rem(addresses.len()).unwrap_or(0);
        let result = match addresses.get(index) {
            Some(address) => self.greet(&attempt, address),
            None => Err(Failure::new(Cause::Unreachable, EINVAL)),
        };

        if result.is_err() {
            self.next += 1;
            {
                let mut shared = storage.session.lock();

                shared.session.failed(attempt.stamp);
                // Another attempt does without it.
                if let Some(common) = &attempt.common {
                    shared.forget(common);
                }
            }
            storage.wake_keepers();
        }
        result
    }

    /// Connects to `address`, one of those of the `attempt`, and takes the connection into service
    /// if the server's answer is acceptable.
    #[inline(never)]
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
            features: features(storage, &attempt.route),
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
        let (handshake, first) = match without_trace::<HANDSHAKE_STACK, _>(|| {
            attempt.handshake(self.number, storage.export())
        })? {
            Some((handshake, first)) => (Some(handshake), Some(first)),
            None => (None, None),
        };
        let socket = Socket::connect(storage.net(), address).map_err(unreachable)?;
        let connection = Connection::new(
            storage,
            storage.threads(),
            socket,
            &hello,
            first,
            &mut self.spares,
        )
        .map_err(unreachable)?;

        connection.begin();
        match self.greeted(&connection, attempt, handshake, &hello) {
            Ok(interval) => Ok((connection, interval)),
            Err(failure) => {
                // It has carried no data, so nothing has to be let go of.
                connection.close(&mut self.spares);
                Err(failure)
            }
        }
    }

    /// Brings the greeting to its end: the `handshake` if there is one, then the welcome. Returns the
    /// keepalive interval.
    #[inline(never)]
    fn greeted(
        &mut self,
        connection: &Arc<Connection>,
        attempt: &Attempt,
        handshake: Option<Handshake>,
        hello: &Hello<'_>,
    ) -> Result<u32, Failure> {
        let common = match (handshake, &attempt.route.keys) {
            (Some(handshake), Some(keys)) => without_trace::<HANDSHAKE_STACK, _>(|| {
                self.shake_hands(connection, handshake, keys)
            })?,
            _ => None,
        };
        let welcome = self.await_welcome(connection);

        // However that ended, the server does not say any more how far it is.
        self.storage.drained(self.number);

        let welcome = welcome?;

        self.accept(connection, hello, &welcome, &attempt.route, common)?;
        Ok(welcome.keepalive_ms)
    }

    /// Waits for the answer to `handshake` and has everything be sealed from then on. Returns what
    /// further connections can make use of.
    #[inline(never)]
    fn shake_hands(
        &mut self,
        connection: &Connection,
        handshake: Handshake,
        keys: &Keys,
    ) -> Result<Option<Arc<Common>>, Failure> {
        let failed = |error| Failure::new(Cause::Lost, error);
        let answer = loop {
            match connection.news() {
                News::Answer(answer) => break answer,
                News::Over(cause) => return Err(connection.failure(cause)),
                News::Welcome(_) | News::Geometry(_) | News::None => (),
            }
            if self.must_end() {
                return Err(failed(EINTR));
            }
            let Some(left) = u64::from(HELLO_TIMEOUT_MS).checked_sub(connection.now()) else {
                return Err(Failure::of(Cause::Silent, None));
            };
            self.sleep(u32::try_from(left).unwrap_or(HELLO_TIMEOUT_MS) + 1, || {
                connection.has_news() || self.storage.is_forsaken()
            });
        };
        let Sealed {
            suite,
            outgoing,
            incoming,
            common,
        } = handshake.finish(keys, answer).map_err(Failure::handshake)?;
        let common = match common {
            Some(common) => Some(Arc::new(common, GFP_KERNEL).map_err(|_| failed(ENOMEM))?),
            None => None,
        };

        connection
            .seal(outgoing, incoming, &mut self.spares)
            .map_err(failed)?;
        self.storage.status.lock().suite = Some(suite);
        Ok(common)
    }

    /// Waits for the answer to the hello, however long the server says that it has to drain.
    fn await_welcome(&self, connection: &Connection) -> Result<Welcome, Failure> {
        loop {
            match connection.news() {
                News::Welcome(welcome) => return Ok(welcome),
                News::Over(cause) => return Err(connection.failure(cause)),
                News::Answer(_) | News::Geometry(_) | News::None => (),
            }
            if self.must_end() {
                return Err(Failure::new(Cause::Lost, EINTR));
            }
            let silent = connection
                .now()
                .saturating_sub(connection.silence().last_rx);
            let Some(left) = u64::from(HELLO_TIMEOUT_MS).checked_sub(silent) else {
                return Err(Failure::of(Cause::Silent, None));
            };
            // What comes from now on ends the sleep.
            let state = connection.state();

            if let State::Draining { left } = state {
                self.storage.draining(self.number, connection.stamp, left);
            }
            self.sleep(u32::try_from(left).unwrap_or(HELLO_TIMEOUT_MS) + 1, || {
                connection.has_news() || connection.state() != state || self.storage.is_forsaken()
            });
        }
    }

    /// Takes `connection` into service: the server has said that nothing of the past that it has to
    /// do with is being worked on any more. Others can make use of what its handshake has left in
    /// `common`.
    #[inline(never)]
    fn accept(
        &mut self,
        connection: &Arc<Connection>,
        hello: &Hello<'_>,
        welcome: &Welcome,
        route: &Arc<Route>,
        common: Option<Arc<Common>>,
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

        {
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
            if let Some(common) = common {
                shared.keep(common);
            }
            storage.open(&mut shared, connection, welcome, resend);
        }

        if core::mem::replace(&mut self.experienced, true) {
            storage.counters.reconnected();
        }
        storage.connected(welcome, known.is_none());
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
            if self.must_end() {
                return Err(Failure::new(Cause::Lost, EINTR));
            }
            self.sleep(LINGER_STEP_MS, || false);
        }
    }
}

impl Attempt {
    /// Begins the handshake of the connection `number` with `export`, if there has to be one.
    /// Returns what has to be sent.
    fn handshake(
        &self,
        number: u16,
        export: &str,
    ) -> Result<Option<(Handshake, KBox<Frame>)>, Failure> {
        let Some(keys) = &self.route.keys else {
            return Ok(None);
        };
        let binding = Binding {
            session: self.session,
            connection: number,
            stamp: self.stamp,
        };

        Handshake::new(keys, binding, export, self.common.as_deref())
            .map(Some)
            .map_err(Failure::handshake)
    }
}

/// Returns the features without which `storage` has no connection by `route`.
fn features(storage: &Storage, route: &Route) -> Features {
    let digest = match storage.digest() {
        Some(_) => Features::DIGEST,
        None => Features::NONE,
    };

    match route.keys {
        Some(_) => digest.with(Features::SEALED),
        None => digest,
    }
}
