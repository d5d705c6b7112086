// SPDX-License-Identifier: GPL-2.0

//! The life of a connection.
//!
//! ```text
//! Greeting --hello--> Fenced --nothing older left--> Serving
//!     |                  |                              |
//!     +------------------+---- lost, cut, refused ------+--> Closed --nothing left--> gone
//! ```
//!
//! All of it is done by the connection's job, a bounded amount at a time. When the socket is
//! closed, requests that the device still works on are waited for; only then the connection signs
//! off, so that whoever comes back finds nothing of it left.

use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    }, //
};

use crate::{
    abstractions::socket::Socket,
    pool::{
        Job,
        Pool,
        Work, //
    },
    proto::{
        frame::Header,
        opcode::Opcode,
        status::Status,
        units::{
            Handle,
            Stamp, //
        }, //
    },
    wire::fault::{
        Fault,
        DIGEST_MISMATCH,
        NOT_AUTHENTIC, //
    }, //
};

use super::{
    channel::Channel,
    export::Export,
    greeting::{
        refuse,
        wait,
        Greeting, //
    },
    hello::{
        Admission,
        Denial,
        Reason, //
    },
    io::Mailbox,
    link::{
        Cut,
        Link,
        Stage, //
    },
    listener::Listener,
    registry::{
        Registry,
        SessionEvent, //
    },
    serve::Serving,
    walls::Visit, //
};

/// Whether there is more to do at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum After {
    /// No: something will tell when there is.
    Rest,
    /// Yes, but others come first.
    Again,
    /// There will never be.
    Over,
}

/// Why a connection ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    /// The client says goodbye.
    Bye,
    /// The network says so, or what came is no frame.
    Fault(Fault),
    /// Somebody on this side says so.
    Cut(Cut),
    /// The client broke the protocol in this way.
    Violation(&'static str),
    /// The client is not let in.
    Denied(Denial),
    /// There is no memory to go on.
    Failed,
}

impl From<Fault> for End {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Denial> for End {
    fn from(denial: Denial) -> Self {
        Self::Denied(denial)
    }
}

impl From<Error> for End {
    fn from(_: Error) -> Self {
        Self::Failed
    }
}

/// A connection with a client.
#[pin_data]
pub(super) struct Connection {
    pub(super) link: Arc<Link>,
    pub(super) registry: Arc<Registry>,
    /// Only its job takes this.
    #[pin]
    state: Mutex<State>,
}

/// What the job of a connection works with.
struct State {
    /// Until it is closed.
    channel: Option<Channel>,
    phase: Phase,
}

/// Where a connection stands.
enum Phase {
    /// The client has to introduce itself.
    Greeting(Greeting),
    /// The client has to wait for its older requests; it was told so at that time.
    Fenced(KBox<Admission>, u64),
    /// Requests are served, or when the channel is closed, completed.
    Serving(KBox<Serving>),
    /// There is nothing left.
    Gone,
}

/// Begins to serve the client at the other end of `socket`, whose `visit` of `listener` this is.
///
/// # Errors
///
/// Those of the socket, and `ENOMEM`.
pub(super) fn begin(
    mut socket: Socket,
    listener: &Arc<Listener>,
    visit: Visit,
    registry: &Arc<Registry>,
    pool: &Arc<Pool>,
) -> Result {
    let peer = socket.peer()?;
    let job = Job::new(pool.clone())?;
    let mailbox = Mailbox::new(job.clone())?;
    let now = registry.clock.now();
    let link = Link::new(mailbox.clone(), peer, listener.clone(), visit, now)?;

    socket.set_events(mailbox)?;

    let channel = Channel::new(socket)?;
    let known = link.clone();
    let connection = Arc::pin_init(
        pin_init!(Connection {
            link,
            registry: registry.clone(),
            state <- new_mutex!(
                State {
                    channel: Some(channel),
                    phase: Phase::Greeting(Greeting::new()),
                },
                "Connection::state"
            ),
        }),
        GFP_KERNEL,
    )?;

    registry.join(&known)?;
    job.attach(connection);
    // What came before the job had its work was not noticed.
    job.schedule();
    Ok(())
}

impl Work for Connection {
    fn work(&self) {
        let mut state = self.state.lock();
        let mailbox = self.link.mailbox();
        let job = mailbox.job();

        mailbox.attend();

        let after = state.turn(self);
        let done = mailbox.leave();

        match after {
            After::Rest if done => job.schedule(),
            After::Rest => (),
            After::Again => job.schedule(),
            After::Over => {
                state.sign_off(self);
                drop(state);
                job.cancel();
            }
        }
    }
}

impl State {
    /// Does what there is to do now, within limits.
    fn turn(&mut self, connection: &Connection) -> After {
        if self.channel.is_some() {
            match self.advance(connection) {
                Ok(after) => return after,
                Err(end) => self.close(connection, end),
            }
        }
        self.complete(connection)
    }

    /// Goes on while the connection is open.
    fn advance(&mut self, connection: &Connection) -> Result<After, End> {
        connection.link.check_cut()?;

        let Some(channel) = &mut self.channel else {
            return Ok(After::Over);
        };

        if let Phase::Greeting(greeting) = &mut self.phase {
            let Some(admission) = greeting.advance(connection, channel)? else {
                return Ok(After::Rest);
            };

            connection.link.set_stage(Stage::Fenced);
            self.phase = Phase::Fenced(admission, 0);
        }
        if let Phase::Fenced(admission, told) = &mut self.phase {
            if let Some(left) = admission.waits_for()? {
                wait(connection, channel, admission.stamp, left, told)?;
                return Ok(After::Rest);
            }
            self.welcome(connection)?;
        }
        match (&mut self.phase, &mut self.channel) {
            (Phase::Serving(serving), Some(channel)) => serving.turn(connection, channel),
            _ => Ok(After::Over),
        }
    }

    /// Begins to serve the client that was admitted.
    #[inline(never)]
    fn welcome(&mut self, connection: &Connection) -> Result<(), End> {
        let admission = match core::mem::replace(&mut self.phase, Phase::Gone) {
            Phase::Fenced(admission, _) => admission,
            phase @ (Phase::Greeting(_) | Phase::Serving(_) | Phase::Gone) => {
                self.phase = phase;
                return Ok(());
            }
        };
        let registry = &connection.registry;
        let link = &connection.link;
        let geometry = admission.geometry();
        let welcome = admission.welcome(geometry, registry.boot_id);
        let keepalive = admission.keepalive;
        let session = admission.session;
        let export = admission.export.clone();
        let stamp = admission.stamp;
        let digest = admission.digest();

        // From here on the membership is ended by the phase, whatever happens.
        let serving = match Serving::new(admission, geometry, link.mailbox()) {
            Ok(serving) => serving,
            Err((admission, error)) => {
                self.phase = Phase::Fenced(admission, 0);
                return Err(error.into());
            }
        };

        self.phase = Phase::Serving(serving);

        let Some(channel) = &mut self.channel else {
            return Ok(());
        };
        let header = Header::answer(Opcode::Hello, Handle::NONE, stamp, Status::Ok);

        if let Some(digest) = digest {
            channel.protect(&export, digest, session)?;
        }
        if !channel.push(header, |buffer| welcome.encode(buffer).ok()) {
            return Err(ENOMEM.into());
        }
        channel.send()?;
        link.set_keepalive(keepalive);
        link.hear(registry.clock.now());

        if let Some(info) = export.begin_serving(link, session, registry.clock.now()) {
            if registry.may_log() {
                pr_info!(
                    "export {}: client {} attached from {}\n",
                    export.name(),
                    &*info.client,
                    link.peer()
                );
            }
            registry.tell(SessionEvent::Connected, &info);
        }
        Ok(())
    }

    /// Closes the connection because of `end`.
    #[inline(never)]
    fn close(&mut self, connection: &Connection, end: End) {
        let Some(mut channel) = self.channel.take() else {
            return;
        };

        self.report(connection, &end);
        self.tell(&mut channel, &end);
        connection.link.set_stage(Stage::Closing);
        connection.registry.part(channel.socket);
    }

    /// Tells the client why the connection ends, if it does not know. If this does not reach it, it
    /// finds out by itself.
    fn tell(&self, channel: &mut Channel, end: &End) {
        let denial = match end {
            End::Cut(cut) => match cut.status() {
                Some(status) => Denial::new(status, cut.text()),
                None => return,
            },
            End::Denied(denial) => *denial,
            End::Bye | End::Fault(_) | End::Violation(_) | End::Failed => return,
        };
        // Whether it is told or not: this is the end.
        let _ = match &self.phase {
            // A hello that was not understood far enough to be answered, or was answered.
            Phase::Greeting(_) | Phase::Gone => return,
            Phase::Fenced(admission, _) => refuse(channel, admission.stamp, &denial),
            Phase::Serving(serving) => {
                channel.push_bare(Header::bye(serving.stamp(), denial.status, 0));
                channel.send()
            }
        };
    }

    /// Says in the log why a connection ends.
    fn report(&self, connection: &Connection, end: &End) {
        let reason = Reason::Text(match end {
            End::Bye => return,
            End::Fault(Fault::Frame(error)) => error.text(),
            End::Fault(Fault::Digest) => DIGEST_MISMATCH,
            End::Fault(Fault::Seal) => NOT_AUTHENTIC,
            End::Fault(Fault::Closed | Fault::Socket(_)) if self.half_way().is_some() => {
                "the handshake was broken off: the client may have another preshared key"
            }
            End::Fault(Fault::NoRoom) => "more data than there is room for",
            // Whoever did not say what it wants was not there.
            End::Fault(_) if self.stamp().is_none() => return,
            End::Fault(Fault::Closed) => "closed by the client",
            End::Fault(Fault::Socket(_)) => "connection lost",
            End::Cut(Cut::Superseded) => return,
            End::Cut(cut) => cut.text(),
            End::Violation(text) => text,
            End::Denied(denial) => return self.log(connection, denial.reason),
            End::Failed => "out of memory",
        });

        if let Phase::Serving(serving) = &self.phase {
            match end {
                End::Fault(Fault::Frame(_) | Fault::NoRoom) | End::Violation(_) => {
                    serving.violated();
                }
                End::Fault(Fault::Digest) => serving.damaged(),
                End::Fault(Fault::Seal) => serving.forged(),
                End::Bye | End::Fault(_) | End::Cut(_) | End::Denied(_) | End::Failed => (),
            }
        } else if let (End::Fault(Fault::Seal), Some(export)) = (end, self.half_way()) {
            export.counters.forged();
        }
        self.log(connection, reason);
    }

    /// Writes `reason` to the log.
    fn log(&self, connection: &Connection, reason: Reason) {
        let link = &connection.link;

        if !connection.registry.may_log() {
            return;
        }
        match &self.phase {
            Phase::Serving(serving) => {
                let export = serving.export();

                export.note_error(fmt!("{}: {}", link.peer(), reason));
                pr_notice!("export {}: {}: {}\n", export.name(), link.peer(), reason);
            }
            Phase::Greeting(_) | Phase::Fenced(..) | Phase::Gone => pr_notice!(
                "{} at {}: {}\n",
                link.peer(),
                link.listener().address(),
                reason
            ),
        }
    }

    /// Returns the export whose client has got as far as the handshake, and no further.
    fn half_way(&self) -> Option<&Export> {
        match &self.phase {
            Phase::Greeting(greeting) => greeting.half_way(),
            Phase::Fenced(..) | Phase::Serving(_) | Phase::Gone => None,
        }
    }

    /// Returns the stamp of the connection, once the client has introduced itself.
    fn stamp(&self) -> Option<Stamp> {
        match &self.phase {
            Phase::Greeting(_) | Phase::Gone => None,
            Phase::Fenced(admission, _) => Some(admission.stamp),
            Phase::Serving(serving) => Some(serving.stamp()),
        }
    }

    /// Waits for what the device still works on, when the connection is closed.
    fn complete(&mut self, connection: &Connection) -> After {
        if let Phase::Serving(serving) = &mut self.phase {
            serving.reap(connection);
            if connection.link.inflight() != 0 {
                return After::Rest;
            }
        }
        After::Over
    }

    /// Ends the membership in the session, if there is one, and in the registry.
    #[inline(never)]
    fn sign_off(&mut self, connection: &Connection) {
        let registry = &connection.registry;
        let link = &connection.link;
        let export = match core::mem::replace(&mut self.phase, Phase::Gone) {
            Phase::Greeting(_) | Phase::Gone => None,
            // All references to the device are dropped here: it may be closed once the connection
            // has signed off.
            Phase::Fenced(admission, _) => Some(admission.export.clone()),
            Phase::Serving(serving) => Some(serving.into_export()),
        };

        if let Some(export) = export {
            if let Some(info) = export.leave(link, registry.clock.now()) {
                registry.tell(SessionEvent::Disconnected, &info);
            }
        }
        registry.leave(link);
    }
}
