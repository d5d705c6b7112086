// SPDX-License-Identifier: GPL-2.0

//! A socket of generic netlink.

use super::{
    message::{
        parse,
        Answer,
        Received, //
    },
    KernelError,
    Malformed,
    Notification,
    Request,
    Result, //
};
use netlink_sys::{
    protocols::NETLINK_GENERIC,
    Socket as RawSocket,
    SocketAddr, //
};
use std::collections::VecDeque;
use std::io;

/// Bytes that are received at once. The kernel fills up to half of it with objects; the largest
/// object, an export with all rules that it may have, fits.
const BUFFER: usize = 64 * 1024;

/// How often objects are asked for again because they changed meanwhile.
const DUMP_ATTEMPTS: u32 = 8;

/// A socket.
pub(super) struct Socket {
    socket: RawSocket,
    sequence: u32,
    buffer: Vec<u8>,
    notifications: VecDeque<Notification>,
}

impl Socket {
    /// Opens a socket to the kernel.
    pub(super) fn open() -> Result<Self> {
        let mut socket = RawSocket::new(NETLINK_GENERIC)?;

        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        socket.set_ext_ack(true)?;
        socket.set_cap_ack(true)?;
        Ok(Self {
            socket,
            sequence: 0,
            buffer: Vec::with_capacity(BUFFER),
            notifications: VecDeque::new(),
        })
    }

    /// Joins a multicast group.
    pub(super) fn join(&mut self, group: u32) -> Result<()> {
        Ok(self.socket.add_membership(group)?)
    }

    /// Sends `request` and returns the attributes of all that answers it.
    pub(super) fn call(&mut self, request: Request<'_>) -> Result<Vec<Vec<u8>>> {
        for _ in 0..DUMP_ATTEMPTS {
            if let Some(objects) = self.attempt(request)? {
                return Ok(objects);
            }
        }
        Err(Malformed::new("the objects change faster than they can be shown").into())
    }

    /// Waits for the next notification.
    pub(super) fn notification(&mut self) -> Result<Notification> {
        loop {
            if let Some(notification) = self.notifications.pop_front() {
                return Ok(notification);
            }
            let received = self.receive()?;
            self.keep_notifications(received);
        }
    }

    /// Returns [`None`] if the objects changed while they were being shown.
    fn attempt(&mut self, request: Request<'_>) -> Result<Option<Vec<Vec<u8>>>> {
        self.sequence = self.sequence.wrapping_add(1).max(1);

        let sequence = self.sequence;
        let mut objects = vec![];
        let mut interrupted = false;

        self.socket.send(&request.to_bytes(sequence), 0)?;
        loop {
            let (ours, others) = self
                .receive()?
                .into_iter()
                .partition(|message: &Received| message.sequence == sequence);

            self.keep_notifications(others);
            for message in ours {
                interrupted |= message.interrupted;
                match message.answer {
                    Answer::Object { attributes, .. } => objects.push(attributes),
                    Answer::End => return Ok((!interrupted).then_some(objects)),
                    Answer::Refused { errno, text } => {
                        return Err(KernelError::Refused { errno, text })
                    }
                }
            }
        }
    }

    /// Receives the next messages.
    fn receive(&mut self) -> Result<Vec<Received>> {
        loop {
            self.buffer.clear();
            match self.socket.recv(&mut self.buffer, 0) {
                Ok(_) => return parse(&self.buffer),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Keeps the notifications among `received`.
    fn keep_notifications(&mut self, received: Vec<Received>) {
        for message in received {
            if let (
                0,
                Answer::Object {
                    command,
                    attributes,
                },
            ) = (message.sequence, message.answer)
            {
                self.notifications.push_back(Notification {
                    command,
                    attributes,
                });
            }
        }
    }
}
