// SPDX-License-Identifier: GPL-2.0

//! From the socket into the memory of bios, and to their end.

use super::{
    connection::Connection,
    flight::{
        Answer,
        Data, //
    }, //
};
use crate::{
    abstractions::iovec::{
        Pieces,
        Scatter, //
    },
    proto::{
        connection::Cause,
        frame::{
            Header,
            MAX_CONTROL_PAYLOAD, //
        },
        opcode::Opcode,
        request::Reply,
        run::Extent,
        units::Handle, //
    },
    wire::headers::{
        received,
        Fault,
        Headers, //
    }, //
};
use kernel::prelude::*;

/// Frames that are received in one go, before others get a turn.
const FRAMES: usize = 64;

/// Pieces of memory that one call receives into.
const PIECES: usize = 128;

/// What comes next.
enum Expect {
    /// The header of a frame.
    Header,
    /// The payload of a frame that is about the connection.
    Control { header: Header, have: usize },
    /// Data for a bio.
    Data {
        handle: Handle,
        extent: Extent,
        data: Data,
        have: usize,
    },
    /// So many bytes that nobody wants.
    Waste(usize),
}

/// What has been received so far.
pub(super) struct Receiver {
    headers: Headers,
    expect: Expect,
    pieces: Pieces,
    control: KVec<u8>,
}

impl Receiver {
    /// Allocates all that is needed to receive. Process context.
    pub(super) fn new() -> Result<Self> {
        let mut control = KVec::new();

        control.resize(MAX_CONTROL_PAYLOAD as usize, 0, GFP_KERNEL)?;
        Ok(Self {
            headers: Headers::new(),
            expect: Expect::Header,
            pieces: Pieces::new(PIECES)?,
            control,
        })
    }

    /// Forgets what is expected, and whose memory it was to go to.
    pub(super) fn forget(&mut self) {
        self.expect = Expect::Header;
    }
}

/// Why a connection cannot go on.
enum Wrong {
    /// Nothing more can be received.
    Fault(Fault),
    /// The server breaks the protocol.
    Protocol(&'static str),
}

impl From<Fault> for Wrong {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Connection {
    /// Receives what is there, but not too much at a time. Only called by the connection's job.
    pub(super) fn receive(&self) {
        let mut receiver = self.receiver.lock();

        for _ in 0..FRAMES {
            if self.is_over() {
                return;
            }
            match self.step(&mut receiver) {
                Ok(true) => (),
                Ok(false) => return,
                Err(Wrong::Fault(Fault::Socket(error))) => return self.broken(error),
                Err(Wrong::Fault(Fault::Closed)) => return self.over(Cause::Lost),
                Err(Wrong::Fault(Fault::Frame(error))) => return self.protocol(error.text()),
                Err(Wrong::Protocol(text)) => return self.protocol(text),
            }
        }
        self.job.schedule();
    }

    /// Receives what comes next; returns whether there may be more.
    fn step(&self, receiver: &mut Receiver) -> Result<bool, Wrong> {
        let Receiver {
            headers,
            expect,
            pieces,
            control,
        } = receiver;

        *expect = match expect {
            Expect::Header => {
                let Some(header) = headers.next(&self.socket)? else {
                    return Ok(false);
                };
                self.note_rx();
                self.header(header)?
            }
            Expect::Control { header, have } => {
                let wanted = header.payload as usize;
                let rest = control.get_mut(*have..wanted).unwrap_or_default();

                if !rest.is_empty() {
                    let Some(len) = received(self.socket.receive_bytes(rest))? else {
                        return Ok(false);
                    };
                    *have += len;
                }
                if *have < wanted {
                    return Ok(true);
                }
                self.control_frame(header, control.get(..wanted).unwrap_or_default())
                    .map_err(Wrong::Protocol)?;
                Expect::Header
            }
            Expect::Data {
                handle,
                extent,
                data,
                have,
            } => {
                let mut list = Scatter::new(pieces);

                if let Some(bio) = data.request.bio() {
                    list.push_bio(bio, data.offset + *have, data.len - *have);
                }
                if list.bytes() == 0 {
                    return Err(Wrong::Protocol("more data than asked for"));
                }
                let Some(len) = received(self.socket.receive(&list))? else {
                    return Ok(false);
                };
                self.note_rx();
                *have += len;
                if *have < data.len {
                    return Ok(true);
                }
                let over = self.storage.queue.lock().received(*handle, extent);
                // The data's share of the request has to go first, so that the bio ends here and
                // not when the next frame comes.
                *expect = Expect::Header;
                drop(over);
                return Ok(true);
            }
            Expect::Waste(left) => {
                let Some(len) = received(self.socket.discard(*left))? else {
                    return Ok(false);
                };
                match left.saturating_sub(len) {
                    0 => Expect::Header,
                    left => Expect::Waste(left),
                }
            }
        };
        Ok(true)
    }

    /// Finds out what follows `header`.
    fn header(&self, header: Header) -> Result<Expect, Wrong> {
        match header.opcode {
            Opcode::Hello | Opcode::Draining | Opcode::Ping | Opcode::Bye | Opcode::Event => {
                Ok(Expect::Control { header, have: 0 })
            }
            Opcode::Read
            | Opcode::Write
            | Opcode::Flush
            | Opcode::Discard
            | Opcode::WriteZeroes => self.reply(&header),
        }
    }

    /// Does what `header`, that of a reply to a request, says.
    fn reply(&self, header: &Header) -> Result<Expect, Wrong> {
        if !self.is_live() {
            return Err(Wrong::Protocol("a reply before the welcome"));
        }
        let waste = match header.payload as usize {
            0 => Expect::Header,
            left => Expect::Waste(left),
        };
        if header.stamp != self.stamp {
            self.storage.counters.stale_reply();
            return Ok(waste);
        }
        let reply = Reply::try_from(header).map_err(|_| Wrong::Protocol("not a reply"))?;
        let answer = self.storage.queue.lock().answer(self.number, &reply);

        match (answer, reply.extent) {
            (Answer::Done(over), _) => {
                drop(over);
                Ok(waste)
            }
            (Answer::Receive(data), Some(extent)) => Ok(Expect::Data {
                handle: reply.handle,
                extent,
                data,
                have: 0,
            }),
            (Answer::Receive(_), None) => Err(Wrong::Protocol("data of nothing")),
            (Answer::Stale, _) => {
                self.storage.counters.stale_reply();
                Ok(waste)
            }
            (Answer::Wrong(text), _) => Err(Wrong::Protocol(text)),
        }
    }
}
