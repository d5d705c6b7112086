// SPDX-License-Identifier: GPL-2.0

//! One connection to the server, from the hello until it breaks.
//!
//! What it carries is decided elsewhere: the keeper of the storage makes and closes connections,
//! the queue says what is sent. A connection that is over never comes back; there will be another
//! one with a higher generation.

use super::{
    flight::Over,
    receive::Receiver,
    send::{
        Sending,
        BATCH, //
    },
    storage::Storage, //
};
use crate::{
    abstractions::{
        crc32c::crc32c,
        lock::{
            new_spinlock_irq,
            SpinLockIrq, //
        },
        socket::{
            Events,
            Socket, //
        }, //
    },
    pool::{
        Job,
        Pool,
        Work, //
    },
    proto::{
        attribute::Attributes,
        connection::{
            Cause,
            Event,
            State, //
        },
        frame::{
            Header,
            HEADER_SIZE, //
        },
        geometry::Geometry,
        hello::{
            Hello,
            Welcome, //
        },
        keepalive::Silence,
        opcode::Opcode,
        units::{
            Handle,
            Stamp, //
        }, //
    },
    wire::{
        outbox::Outbox,
        turnstile::Turnstile, //
    }, //
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        Mutex, //
    },
    time::{
        Instant,
        Monotonic, //
    }, //
};

/// Longest hello, header included: the fixed part and two names.
const HELLO_ROOM: usize = 512;

/// See the module's documentation.
#[pin_data]
pub(super) struct Connection {
    /// The storage it works for. The storage lets go of the connection first.
    pub(super) storage: Arc<Storage>,
    pub(super) socket: Socket,
    /// Receives, and sends when there is room again.
    pub(super) job: Arc<Job>,
    /// Epoch of the session and generation of this connection.
    pub(super) stamp: Stamp,
    born: Instant<Monotonic>,
    /// When something was received, and sent, last: milliseconds since `born`.
    last_rx: Atomic<u64>,
    last_tx: Atomic<u64>,
    #[pin]
    pub(super) sender: Turnstile<Outbox<Sending>>,
    #[pin]
    pub(super) receiver: Mutex<Receiver>,
    #[pin]
    control: SpinLockIrq<Control>,
}

/// What is known and wanted about the connection itself.
struct Control {
    state: State,
    /// The hello, as long as it was not sent.
    hello: Option<KVec<u8>>,
    /// A PING has to be sent.
    ping: bool,
    /// A PING was not answered yet.
    ping_pending: bool,
    /// A PING of the server has to be answered.
    pong: Option<Handle>,
    /// A BYE has to be sent.
    bye: bool,
    /// The welcome, until the keeper has taken it.
    welcome: Option<Welcome>,
    /// What the server has to say about a refusal.
    message: Option<KVec<u8>>,
    /// A new description of the disk, until the keeper has taken it.
    geometry: Option<Geometry>,
}

/// Has the job look after a socket.
struct Wake(Arc<Job>);

impl Events for Wake {
    fn readable(&self) {
        self.0.schedule();
    }

    fn writable(&self) {
        self.0.schedule();
    }

    fn changed(&self) {
        self.0.schedule();
    }
}

/// What the keeper has to know about a connection.
pub(super) enum News {
    /// Nothing new.
    None,
    /// The server greets back; it has to be checked before anything else is sent.
    Welcome(Welcome),
    /// The server describes the disk anew.
    Geometry(Geometry),
    /// It is over.
    Over(Cause),
}

impl Connection {
    /// Greets the server over `socket`. Process context.
    pub(super) fn new(
        storage: &Arc<Storage>,
        pool: &Arc<Pool>,
        mut socket: Socket,
        hello: &Hello<'_>,
    ) -> Result<Arc<Self>> {
        let job = Job::new(pool.clone())?;
        let greeting = encode_hello(hello)?;

        socket.set_events(Arc::new(Wake(job.clone()), GFP_KERNEL)?)?;

        let outbox = Outbox::new(BATCH)?;
        let receiver = Receiver::new()?;
        let connection = Arc::pin_init(
            pin_init!(Self {
                storage: storage.clone(),
                socket,
                job,
                stamp: hello.stamp,
                born: Instant::now(),
                last_rx: Atomic::new(0),
                last_tx: Atomic::new(0),
                sender <- Turnstile::new(outbox),
                receiver <- new_mutex!(receiver, "Connection::receiver"),
                control <- new_spinlock_irq!(Control {
                    state: State::Greeting,
                    hello: Some(greeting),
                    ping: false,
                    ping_pending: false,
                    pong: None,
                    bye: false,
                    welcome: None,
                    message: None,
                    geometry: None,
                }, "Connection::control"),
            }),
            GFP_KERNEL,
        )?;

        connection.job.attach(connection.clone());
        connection.transmit();
        // The answer may have come before anybody was told of it.
        connection.job.schedule();
        Ok(connection)
    }

    /// Returns the milliseconds since the connection was made.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(0)
    }

    /// Notes that something was received.
    pub(super) fn note_rx(&self) {
        self.last_rx.store(self.now(), Relaxed);
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
        self.state().is_live()
    }

    /// Returns whether the connection is of no use any more.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state(), State::Broken { .. } | State::Closed)
    }

    /// Lets requests be sent: the keeper accepts the welcome. Returns false if it is over by now.
    pub(super) fn accept(&self) -> bool {
        self.event(Event::Welcomed)
    }

    /// Gives the connection up because of `cause`. Any context.
    pub(super) fn over(&self, cause: Cause) {
        self.event(Event::Broken(cause));
        self.storage.wake_keeper();
    }

    /// Gives the connection up because the server broke the protocol.
    pub(super) fn protocol(&self, text: &'static str) {
        if !self.is_over() {
            self.storage.counters.protocol_error();
            pr_warn!(
                "{}: the server broke the protocol: {}\n",
                self.storage.name(),
                text
            );
        }
        self.over(Cause::Protocol);
    }

    /// Changes the state; returns whether `event` was possible.
    fn event(&self, event: Event) -> bool {
        let mut control = self.control.lock();

        match control.state.on(event) {
            Ok(state) => {
                control.state = state;
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
            || control.welcome.is_some()
            || control.geometry.is_some()
    }

    /// Takes what the server had to say about a refusal.
    pub(super) fn take_message(&self) -> Option<KVec<u8>> {
        self.control.lock().message.take()
    }

    /// Asks the server whether it is still there.
    pub(super) fn ping(&self) {
        {
            let mut control = self.control.lock();
            control.ping = true;
            control.ping_pending = true;
        }
        self.transmit();
    }

    /// Says goodbye and closes the connection in an orderly way.
    pub(super) fn bye(&self) {
        self.control.lock().bye = true;
        self.transmit();
        self.socket.shutdown();
    }

    /// Stops all work on the connection. When this returns nothing of the queue is referred to any
    /// more, except by the network: see [`Socket::sending`]. Process context.
    pub(super) fn close(&self) {
        self.event(Event::Broken(Cause::Lost));
        self.job.cancel();
        self.sender.alone(|outbox| outbox.clear(drop));
        self.socket.abort();
        loop {
            match self.storage.queue.lock().pop_over() {
                Over::Nothing => break,
                over => drop(over),
            }
        }
    }

    /// Puts what has to be said about the connection into the outbox. Returns false if that failed.
    pub(super) fn fill_control(&self, outbox: &mut Outbox<Sending>) -> bool {
        let (hello, ping, pong, bye) = {
            let mut control = self.control.lock();
            (
                control.hello.take(),
                core::mem::take(&mut control.ping),
                control.pong.take(),
                core::mem::take(&mut control.bye),
            )
        };
        let frame = |header: Header| header.encode(crc32c);
        let mut ok = true;

        if let Some(hello) = hello {
            ok &= outbox.push(&hello, None).is_ok();
        }
        if ping {
            // The handle is repeated in the answer; nothing depends on it.
            let header = Header::request(Opcode::Ping, Handle::NONE, self.stamp);
            ok &= outbox.push(&frame(header), None).is_ok();
        }
        if let Some(handle) = pong {
            let status = crate::proto::status::Status::Ok;
            let header = Header::answer(Opcode::Ping, handle, self.stamp, status);
            ok &= outbox.push(&frame(header), None).is_ok();
        }
        if bye {
            let header = Header::bye(self.stamp, crate::proto::status::Status::Ok, 0);
            ok &= outbox.push(&frame(header), None).is_ok();
        }
        ok
    }

    /// Does what a frame about the connection says.
    ///
    /// # Errors
    ///
    /// The rule of the protocol that the server broke.
    pub(super) fn control_frame(
        &self,
        header: &Header,
        payload: &[u8],
    ) -> Result<(), &'static str> {
        if header.stamp != self.stamp {
            return Err("a frame of another connection");
        }
        match (header.opcode, header.reply) {
            (Opcode::Hello, true) => self.greeted(header, payload),
            (Opcode::Draining, _) => {
                let left = header.sectors.0;
                match self.event(Event::Draining { left }) {
                    true => {
                        self.storage.wake_keeper();
                        Ok(())
                    }
                    false => Err("draining after the welcome"),
                }
            }
            (Opcode::Ping, true) => {
                self.control.lock().ping_pending = false;
                Ok(())
            }
            (Opcode::Ping, false) => {
                self.control.lock().pong = Some(header.handle);
                Ok(())
            }
            (Opcode::Bye, _) => {
                let message = message(payload);
                self.control.lock().message = message;
                self.over(Cause::Bye(header.status));
                Ok(())
            }
            (Opcode::Event, false) => {
                let (geometry, _) = Geometry::decode(payload)
                    .map_err(|_| "an impossible description of the disk")?;
                self.control.lock().geometry = Some(geometry);
                self.storage.wake_keeper();
                Ok(())
            }
            _ => Err("a request to the client"),
        }
    }

    /// Takes the answer to the hello.
    fn greeted(&self, header: &Header, payload: &[u8]) -> Result<(), &'static str> {
        if self.is_live() || self.control.lock().welcome.is_some() {
            return Err("a second welcome");
        }
        if !header.status.is_ok() {
            let message = message(payload);
            self.control.lock().message = message;
            self.over(Cause::Refused(header.status));
            return Ok(());
        }
        let welcome = Welcome::decode(payload).map_err(|error| error.text())?;

        self.control.lock().welcome = Some(welcome);
        self.storage.wake_keeper();
        Ok(())
    }
}

impl Work for Connection {
    fn work(&self) {
        self.receive();
        self.storage.feed();
        self.transmit();
    }
}

/// Writes the frame that begins a connection.
fn encode_hello(hello: &Hello<'_>) -> Result<KVec<u8>> {
    let mut bytes = KVec::new();

    bytes.resize(HELLO_ROOM, 0, GFP_KERNEL)?;
    let payload = bytes.get_mut(HEADER_SIZE..).ok_or(EINVAL)?;
    let len = hello.encode(payload).map_err(|_| EINVAL)?;
    let header = Header {
        payload: u32::try_from(len)?,
        ..Header::request(Opcode::Hello, Handle::NONE, hello.stamp)
    };

    for (to, from) in bytes.iter_mut().zip(header.encode(crc32c)) {
        *to = from;
    }
    bytes.truncate(HEADER_SIZE + len);
    Ok(bytes)
}

/// Takes the message for people out of the attributes of a frame, without control characters.
fn message(payload: &[u8]) -> Option<KVec<u8>> {
    let text = Attributes::parse(payload).ok()?.message?;
    let mut message = KVec::new();

    message
        .extend_from_slice(text.as_bytes(), GFP_KERNEL)
        .ok()?;
    for byte in message.iter_mut().filter(|byte| byte.is_ascii_control()) {
        *byte = b'?';
    }
    Some(message)
}
