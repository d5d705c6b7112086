// SPDX-License-Identifier: GPL-2.0

//! One connection to the server, from the hello until it breaks.
//!
//! What it carries is decided elsewhere: the keeper of the storage makes and closes connections,
//! the queue says what is sent. A connection that is over never comes back; there will be another
//! one with a higher generation.

use super::{
    ear::Ear,
    failure::Failure,
    greeting::{
        encode_hello,
        Answer,
        Greeting, //
    },
    receive::Receiver,
    send::Sender,
    storage::Storage, //
};
use crate::{
    abstractions::{
        lock::{
            new_spinlock_irq,
            SpinLockIrq, //
        },
        semaphore::{
            new_semaphore,
            SemaphoreBackend, //
        },
        socket::Socket, //
    },
    pool::{
        Job,
        Pool,
        Work, //
    },
    proto::{
        connection::{
            Cause,
            Event,
            State, //
        },
        geometry::Geometry,
        handshake::Frame,
        hello::{
            Hello,
            Welcome, //
        },
        keepalive::Silence,
        units::{
            Handle,
            SessionId,
            Stamp, //
        }, //
    },
    wire::{
        fault::{
            DIGEST_MISMATCH,
            NOT_AUTHENTIC, //
        },
        protection::{
            Incoming,
            Memory,
            Outgoing, //
        },
        staging::Spares,
        turnstile::Turnstile, //
    }, //
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        lock::mutex::MutexBackend,
        Arc, //
    },
    task::Task,
    time::{
        Instant,
        Monotonic, //
    }, //
};

/// See the module's documentation.
#[pin_data]
pub(super) struct Connection {
    /// The storage it works for. The storage lets go of the connection first.
    pub(super) storage: Arc<Storage>,
    pub(super) socket: Socket,
    /// Its number in the session.
    pub(super) number: u16,
    /// Who looks after it.
    pub(super) keeper: ARef<Task>,
    /// Receives, and sends when there is room again.
    pub(super) job: Arc<Job>,
    /// Epoch of the session and generation of this connection.
    pub(super) stamp: Stamp,
    born: Instant<Monotonic>,
    /// When something was received, and sent, last: milliseconds since `born`.
    last_rx: Atomic<u64>,
    last_tx: Atomic<u64>,
    #[pin]
    pub(super) sender: Turnstile<Sender, MutexBackend>,
    #[pin]
    pub(super) receiver: Turnstile<Receiver, SemaphoreBackend>,
    /// Hears of what happens to the socket.
    pub(super) ear: Arc<Ear>,
    #[pin]
    pub(super) control: SpinLockIrq<Control>,
    /// What [`Control::state`] means for requests, for those who look at it for each of them.
    standing: Atomic<u32>,
    /// Whether there may be something to say about the connection itself.
    pub(super) to_say: Atomic<bool>,
    /// Whether something is computed over all data: it is sealed, or has a digest.
    protected: Atomic<bool>,
}

/// What a connection is good for.
#[derive(Clone, Copy)]
#[repr(u32)]
enum Standing {
    /// Nothing yet.
    Beginning,
    /// Requests.
    Live,
    /// Nothing any more.
    Over,
}

impl From<State> for Standing {
    fn from(state: State) -> Self {
        match state {
            State::Idle | State::Connecting | State::Greeting | State::Draining { .. } => {
                Self::Beginning
            }
            State::Live => Self::Live,
            State::Broken { .. } | State::Closed => Self::Over,
        }
    }
}

/// What is known and wanted about the connection itself.
pub(super) struct Control {
    state: State,
    /// What begins a handshake, as long as it was not sent.
    pub(super) handshake: Option<KBox<Frame>>,
    /// A handshake has to come before everything else, and is not over.
    pub(super) shaking: bool,
    /// The answer of the server to the handshake, until the keeper has taken it.
    pub(super) answer: Option<Answer>,
    /// The hello, as long as it was not sent.
    pub(super) hello: Option<Greeting>,
    /// A PING has to be sent.
    pub(super) ping: bool,
    /// A PING was not answered yet.
    pub(super) ping_pending: bool,
    /// A PING of the server has to be answered.
    pub(super) pong: Option<Handle>,
    /// A BYE has to be sent.
    pub(super) bye: bool,
    /// The welcome, until the keeper has taken it.
    pub(super) welcome: Option<Welcome>,
    /// What the server has to say about a refusal.
    pub(super) message: Option<KVec<u8>>,
    /// Why there is no connection, if the network said so.
    error: Option<Error>,
    /// A new description of the disk, until the keeper has taken it.
    pub(super) geometry: Option<Geometry>,
}

/// What the keeper has to know about a connection.
pub(super) enum News {
    /// Nothing new.
    None,
    /// The server answers the handshake; nothing is received before [`Connection::seal`].
    Answer(Answer),
    /// The server greets back; it has to be checked before anything else is sent.
    Welcome(Welcome),
    /// The server describes the disk anew.
    Geometry(Geometry),
    /// It is over.
    Over(Cause),
}

impl Connection {
    /// Makes a connection over `socket`, which may still be connecting, for the current task, which
    /// is woken when there is news. Memory comes from `spares` if it is there. Process context.
    ///
    /// [`Self::begin`] is what greets the server: if there is a `handshake`, that comes first, and
    /// the hello when the connection was sealed.
    #[inline(never)]
    pub(super) fn new(
        storage: &Arc<Storage>,
        pool: &Arc<Pool>,
        mut socket: Socket,
        hello: &Hello<'_>,
        handshake: Option<KBox<Frame>>,
        spares: &mut Spares,
    ) -> Result<Arc<Self>> {
        let job = Job::new(pool.clone())?;
        let greeting = encode_hello(hello)?;

        let ear = Ear::new(job.clone())?;

        socket.set_events(ear.clone())?;

        let connection = Arc::pin_init(
            try_pin_init!(Self {
                storage: storage.clone(),
                socket,
                number: hello.connection,
                keeper: ARef::from(&**current!()),
                job,
                stamp: hello.stamp,
                born: Instant::now(),
                last_rx: Atomic::new(0),
                last_tx: Atomic::new(0),
                sender <- Turnstile::new(new_mutex!(Sender::new()?, "Connection::sender")),
                receiver <- Turnstile::new(new_semaphore!(Receiver::new()?, "Connection::receiver")),
                ear,
                control <- new_spinlock_irq!(Control {
                    state: State::Greeting,
                    shaking: handshake.is_some(),
                    handshake,
                    answer: None,
                    hello: Some(greeting),
                    ping: false,
                    ping_pending: false,
                    pong: None,
                    bye: false,
                    welcome: None,
                    message: None,
                    error: None,
                    geometry: None,
                }, "Connection::control"),
                standing: Atomic::new(Standing::Beginning as u32),
                to_say: Atomic::new(true),
                protected: Atomic::new(false),
            }),
            GFP_KERNEL,
        )?;

        connection.digest(hello.session, spares)?;
        Ok(connection)
    }

    /// Has the data of requests have a digest, if it is to have one. There is no data before the
    /// server has agreed to that.
    #[inline(never)]
    fn digest(&self, session: SessionId, spares: &mut Spares) -> Result {
        let Some(method) = self.storage.digest() else {
            return Ok(());
        };
        let outgoing = Outgoing::Digest(method.prepare(session)?);
        let incoming = Incoming::Digest(method.prepare(session)?);

        self.protect(outgoing, incoming, spares)
    }

    /// Greets the server. It has to be [closed](Self::close) from then on. Process context.
    pub(super) fn begin(self: &Arc<Self>) {
        self.job.attach(self.clone());
        self.ear.set(Some(self.clone()));
        self.transmit();
        // The answer may have come before anybody was told of it.
        self.job.schedule();
    }

    /// Has everything from now on be sealed, and greets the server. Process context.
    pub(super) fn seal(
        &self,
        outgoing: Outgoing,
        incoming: Incoming,
        spares: &mut Spares,
    ) -> Result {
        self.protect(outgoing, incoming, spares)?;
        self.say(|control| control.shaking = false);
        self.transmit();
        // What came meanwhile was left alone.
        self.job.schedule();
        Ok(())
    }

    /// Has `outgoing` and `incoming` protect all frames that come from now on.
    fn protect(&self, outgoing: Outgoing, incoming: Incoming, spares: &mut Spares) -> Result {
        let (to_send, to_receive) = spares.take()?;

        self.sender
            .alone(|sender| sender.outbox.protect(outgoing, Memory::Foreign(to_send)));
        self.receiver
            .alone(|receiver| receiver.protect(incoming, Memory::Foreign(to_receive)));
        self.protected.store(true, Relaxed);
        Ok(())
    }

    /// Returns whether something is computed over all data that is sent.
    pub(super) fn computes(&self) -> bool {
        self.protected.load(Relaxed)
    }

    /// Returns the milliseconds since the connection was made.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(0)
    }

    /// Notes that something was received.
    pub(super) fn note_rx(&self) {
        // Never zero, which means that nothing was heard yet.
        self.last_rx.store(self.now().max(1), Relaxed);
    }

    /// Notes that something was sent.
    pub(super) fn note_tx(&self) {
        self.last_tx.store(self.now(), Relaxed);
    }

    /// Returns for how long nothing was heard or said.
    pub(super) fn silence(&self) -> Silence {
        Silence {
            last_rx: self.last_rx.load(Relaxed),
            last_tx: self.last_tx.load(Relaxed),
            ping_pending: self.control.lock().ping_pending,
        }
    }

    /// Returns where the connection stands.
    pub(super) fn state(&self) -> State {
        self.control.lock().state
    }

    /// Returns whether requests may be sent.
    pub(super) fn is_live(&self) -> bool {
        self.standing.load(Acquire) == Standing::Live as u32
    }

    /// Returns whether the connection is of no use any more.
    pub(super) fn is_over(&self) -> bool {
        self.standing.load(Acquire) == Standing::Over as u32
    }

    /// Lets requests be sent: the keeper accepts the welcome. Returns false if it is over by now.
    pub(super) fn accept(&self) -> bool {
        self.event(Event::Welcomed)
    }

    /// Gives the connection up because of `cause`. Any context.
    pub(super) fn over(&self, cause: Cause) {
        self.event(Event::Broken(cause));
        self.keeper.wake_up();
    }

    /// Gives the connection up because its socket says `error`. If nothing was ever heard of the
    /// other side, there never was a connection.
    pub(super) fn broken(&self, error: Error) {
        if self.state() == State::Greeting && self.last_rx.load(Relaxed) == 0 {
            self.control.lock().error.get_or_insert(error);
            self.over(Cause::Unreachable);
        } else {
            self.over(Cause::Lost);
        }
    }

    /// Gives the connection up because the server broke the protocol.
    pub(super) fn protocol(&self, text: &'static str) {
        if !self.is_over() {
            self.storage.counters.protocol_error();
            if self.storage.may_log() {
                pr_warn!(
                    "{}: the server broke the protocol: {}\n",
                    self.storage.name(),
                    text
                );
            }
        }
        self.over(Cause::Protocol);
    }

    /// Gives the connection up because data was not what the server had sent.
    pub(super) fn damaged(&self) {
        if !self.is_over() {
            self.storage.counters.digest_error();
            if self.storage.may_log() {
                pr_warn!("{}: {}\n", self.storage.name(), DIGEST_MISMATCH);
            }
        }
        self.over(Cause::Damaged);
    }

    /// Gives the connection up because what came was not sealed by the server.
    pub(super) fn forged(&self) {
        if !self.is_over() {
            self.storage.counters.seal_error();
            if self.storage.may_log() {
                pr_warn!("{}: {}\n", self.storage.name(), NOT_AUTHENTIC);
            }
        }
        self.over(Cause::Damaged);
    }

    /// Changes the state; returns whether `event` was possible.
    pub(super) fn event(&self, event: Event) -> bool {
        let mut control = self.control.lock();

        match control.state.on(event) {
            Ok(state) => {
                control.state = state;
                self.standing.store(Standing::from(state) as u32, Release);
                true
            }
            Err(_) => false,
        }
    }

    /// Returns what the keeper does not know yet.
    pub(super) fn news(&self) -> News {
        let mut control = self.control.lock();

        if let State::Broken { cause } = control.state {
            return News::Over(cause);
        }
        if let Some(answer) = control.answer.take() {
            return News::Answer(answer);
        }
        if let Some(welcome) = control.welcome.take() {
            return News::Welcome(welcome);
        }
        match control.geometry.take() {
            Some(geometry) => News::Geometry(geometry),
            None => News::None,
        }
    }

    /// Returns whether there is something that the keeper does not know yet.
    pub(super) fn has_news(&self) -> bool {
        let control = self.control.lock();

        matches!(control.state, State::Broken { .. })
            || control.answer.is_some()
            || control.welcome.is_some()
            || control.geometry.is_some()
    }

    /// Returns why it was given up because of `cause`, once.
    pub(super) fn failure(&self, cause: Cause) -> Failure {
        let mut control = self.control.lock();

        match control.error.take() {
            Some(error) => Failure::new(cause, error),
            None => Failure::of(cause, control.message.take()),
        }
    }

    /// Stops all work on the connection. When this returns the connection refers to no request any
    /// more, but the network may: see [`Socket::sending`]. What the next connection can use goes to
    /// `spares`. Process context.
    pub(super) fn close(&self, spares: &mut Spares) {
        self.event(Event::Broken(Cause::Lost));
        self.job.cancel();
        // Nobody receives where something arrives once both are done.
        self.ear.set(None);
        self.socket.stop_events();
        spares.give_back(
            self.sender.alone(|sender| {
                sender.outbox.clear(drop);
                sender.outbox.take_staging()
            }),
            self.receiver.alone(Receiver::forget),
        );
        self.socket.abort();
    }
}

impl Work for Connection {
    fn work(&self) {
        self.receive();
        self.storage.feed();
        self.transmit();
    }
}
