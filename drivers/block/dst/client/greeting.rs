// SPDX-License-Identifier: GPL-2.0

//! What the two sides say about the connection itself: hello, ping and goodbye.

use super::{
    connection::Connection,
    send::Sending, //
};
use crate::{
    abstractions::crc32c::crc32c,
    proto::{
        attribute::Attributes,
        connection::{
            Cause,
            Event, //
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
        opcode::Opcode,
        status::Status,
        units::Handle, //
    },
    wire::outbox::Outbox, //
};
use kernel::prelude::*;

/// Longest hello, header included: the fixed part and two names.
const HELLO_ROOM: usize = 512;

impl Connection {
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
            let status = Status::Ok;
            let header = Header::answer(Opcode::Ping, handle, self.stamp, status);
            ok &= outbox.push(&frame(header), None).is_ok();
        }
        if bye {
            let header = Header::bye(self.stamp, Status::Ok, 0);
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
                self.keeper.wake_up();
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
        self.keeper.wake_up();
        Ok(())
    }
}

/// Writes the frame that begins a connection.
pub(super) fn encode_hello(hello: &Hello<'_>) -> Result<KVec<u8>> {
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
