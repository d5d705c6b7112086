// SPDX-License-Identifier: GPL-2.0

//! What the two sides say about the connection itself: hello, ping and goodbye.

use super::{
    connection::{
        Connection,
        Control, //
    },
    send::Sending,
    trace, //
};
use crate::{
    proto::{
        attribute::Attributes,
        connection::{
            Cause,
            Event, //
        },
        frame::{
            Header,
            JOINED_PAYLOAD,
            RESPOND_PAYLOAD, //
        },
        geometry::Geometry,
        hello::{
            Hello,
            Welcome, //
        },
        opcode::Opcode,
        status::Status,
        units::Handle, //
    },
    wire::{
        outbox::Outbox,
        text::printable, //
    }, //
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Full,
        Relaxed,
        Release, //
    }, //
};

/// Longest payload of a hello: the fixed part and three names.
const HELLO_ROOM: usize = 512;

/// The server's answer to a handshake.
pub(super) struct Answer {
    /// Its header.
    pub(super) header: Header,
    /// Its payload.
    pub(super) payload: [u8; RESPOND_PAYLOAD as usize],
}

const _: () = assert!(RESPOND_PAYLOAD == JOINED_PAYLOAD);

/// A hello, ready to be sent.
pub(super) struct Greeting {
    header: Header,
    payload: KVec<u8>,
}

impl Connection {
    /// Changes what there is to say about the connection, which the next one who sends does.
    pub(super) fn say(&self, change: impl FnOnce(&mut Control)) {
        change(&mut self.control.lock());
        self.to_say.store(true, Release);
    }

    /// Returns whether there may be something to say about the connection. Whoever asks has to look.
    pub(super) fn has_to_say(&self) -> bool {
        self.to_say.load(Relaxed) && self.to_say.xchg(false, Full)
    }

    /// Asks the server whether it is still there.
    pub(super) fn ping(&self) {
        self.say(|control| {
            control.ping = true;
            control.ping_pending = true;
        });
        self.transmit();
    }

    /// Says goodbye and closes the connection in an orderly way.
    pub(super) fn bye(&self) {
        self.say(|control| control.bye = true);
        self.transmit();
        self.socket.shutdown();
    }

    /// Puts what has to be said about the connection into the outbox, if there is anything. Returns
    /// false if that failed.
    pub(super) fn fill_control(&self, outbox: &mut Outbox<Sending>) -> bool {
        !self.has_to_say() || self.put_control(outbox)
    }

    /// Puts what has to be said about the connection into the outbox. Returns false if that failed.
    #[inline(never)]
    fn put_control(&self, outbox: &mut Outbox<Sending>) -> bool {
        let (handshake, hello, ping, pong, bye) = {
            let mut control = self.control.lock();
            let is_sealed = !control.shaking;
            (
                control.handshake.take(),
                control.hello.take_if(|_| is_sealed),
                core::mem::take(&mut control.ping),
                control.pong.take(),
                core::mem::take(&mut control.bye),
            )
        };
        let mut ok = handshake.is_none_or(|frame| outbox.push_ready(frame.as_bytes()));
        let mut push = |header: &Header, payload: &[u8]| {
            ok &= outbox.push(header, payload, None).is_ok();
        };

        if let Some(hello) = hello {
            push(&hello.header, &hello.payload);
        }
        if ping {
            // The handle is repeated in the answer; nothing depends on it.
            push(
                &Header::request(Opcode::Ping, Handle::NONE, self.stamp),
                &[],
            );
        }
        if let Some(handle) = pong {
            push(
                &Header::answer(Opcode::Ping, handle, self.stamp, Status::Ok),
                &[],
            );
        }
        if bye {
            push(&Header::bye(self.stamp, Status::Ok, 0), &[]);
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
        if self.control.lock().shaking {
            return self.shaken(header, payload);
        }
        match (header.opcode, header.reply) {
            (Opcode::Hello, true) => self.greeted(header, payload),
            (Opcode::Draining, _) => {
                let left = header.sectors.0;
                match self.event(Event::Draining { left }) {
                    true => {
                        trace::drain(self, left);
                        self.keeper.wake_up();
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
                self.say(|control| control.pong = Some(header.handle));
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
                self.keeper.wake_up();
                Ok(())
            }
            _ => Err("a request to the client"),
        }
    }

    /// Takes the answer to the handshake, or a goodbye in its place.
    fn shaken(&self, header: &Header, payload: &[u8]) -> Result<(), &'static str> {
        match (header.opcode, header.reply) {
            (Opcode::Initiate | Opcode::Join, true) => {
                let answer = Answer {
                    header: *header,
                    payload: *payload.first_chunk().ok_or("an impossible handshake")?,
                };

                if self.control.lock().answer.replace(answer).is_some() {
                    return Err("a second answer to the handshake");
                }
                self.keeper.wake_up();
                Ok(())
            }
            (Opcode::Bye, _) => {
                let message = message(payload);
                self.control.lock().message = message;
                self.over(Cause::Barred(header.status));
                Ok(())
            }
            _ => Err("something else than a handshake"),
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
        self.keeper.wake_up();
        Ok(())
    }
}

/// Writes the frame that begins a connection.
pub(super) fn encode_hello(hello: &Hello<'_>) -> Result<Greeting> {
    let mut payload = KVec::from_elem(0, HELLO_ROOM, GFP_KERNEL)?;
    let len = hello.encode(&mut payload).map_err(|_| EINVAL)?;

    payload.truncate(len);
    Ok(Greeting {
        header: Header {
            payload: u32::try_from(len)?,
            ..Header::request(Opcode::Hello, Handle::NONE, hello.stamp)
        },
        payload,
    })
}

/// Takes the message for people out of the attributes of a frame, without what could confuse a log or
/// a terminal.
fn message(payload: &[u8]) -> Option<KVec<u8>> {
    printable(Attributes::parse(payload).ok()?.message?).ok()
}
