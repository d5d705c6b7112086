// SPDX-License-Identifier: GPL-2.0

//! From the socket into the memory of bios, and to their end.

use super::{
    connection::Connection,
    flight::{
        Answer,
        Data,
        Ended, //
    },
    trace, //
};
use crate::{
    abstractions::{
        aead::TAG_SIZE,
        socket::{
            Locked,
            Receive, //
        }, //
    },
    proto::{
        connection::Cause,
        frame::{
            Header,
            MAX_CONTROL_PAYLOAD, //
        },
        opcode::Opcode,
        request::Reply,
        run::Extent, //
    },
    wire::{
        fault::Fault,
        inbox::{
            Arrived,
            Inbox, //
        },
        protection::{
            Incoming,
            Memory, //
        },
        staging::Staging, //
    }, //
};
use kernel::prelude::*;

/// Frames that are received in one go, before others get a turn.
const FRAMES: usize = 64;

/// Bytes of data that are received in one go.
const BYTES: usize = 1 << 20;

/// Bytes of data after which what is over ends, even if more follows at once.
const PORTION: usize = 1 << 18;

/// Bytes of data of one reply, and of all of them, that are received right where they arrive.
const SMALL: usize = 1 << 14;
const FEW: usize = 1 << 16;

/// Bytes of data that are as much to do as another frame.
const THING: usize = 1 << 15;

/// Where something is received.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    /// By the connection's job.
    Job,
    /// By who comes by, the callback of the socket or a sender: what is long or rare is left to the
    /// job.
    Passing,
}

/// What comes next.
enum Expect {
    /// The header of a frame.
    Header,
    /// The payload of a frame that is about the connection.
    Control { header: Header, have: usize },
    /// Data for a bio.
    Data {
        reply: Reply,
        extent: Extent,
        data: Data,
        have: usize,
    },
    /// So many bytes that nobody wants, with which so many credits come back.
    Waste { left: usize, credits: u32 },
    /// What can only be opened when the keeper has seen to it.
    Sealed,
}

impl Expect {
    /// Returns whether it may be received from `inbox` where it arrives.
    fn is_small(&self, inbox: &Inbox) -> bool {
        match self {
            Self::Header | Self::Waste { .. } => true,
            Self::Data { data, .. } => data.len <= SMALL && inbox.is_quick(),
            Self::Control { .. } | Self::Sealed => false,
        }
    }
}

/// What has been received so far.
pub(super) struct Receiver {
    inbox: Inbox,
    expect: Expect,
    control: KVec<u8>,
    ended: Ended,
    /// How much was found to do last, in bytes of data.
    found: usize,
    /// What was found wrong in a callback, until the job has seen to it.
    wrong: Option<Wrong>,
}

impl Receiver {
    /// Allocates all that is needed to receive. Process context.
    pub(super) fn new() -> Result<Self> {
        let mut control = KVec::new();

        control.resize(MAX_CONTROL_PAYLOAD as usize + TAG_SIZE, 0, GFP_KERNEL)?;
        Ok(Self {
            inbox: Inbox::new()?,
            expect: Expect::Header,
            control,
            ended: Ended::new(FRAMES)?,
            found: 0,
            wrong: None,
        })
    }

    /// Goes on with frames that are protected by `protection`; see [`Inbox::protect`].
    pub(super) fn protect(&mut self, protection: Incoming, memory: Memory) {
        self.inbox.protect(protection, memory);
        self.expect = Expect::Header;
    }

    /// Forgets what is expected, and whose memory it was to go to; returns memory that another
    /// connection can use.
    pub(super) fn forget(&mut self) -> Option<Staging> {
        self.expect = Expect::Header;
        self.wrong = None;
        self.inbox.take_staging()
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
        let more = self.receiver.enter(|receiver| {
            let result = match receiver.wrong.take() {
                Some(wrong) => Err(wrong),
                None => self.frames(receiver, &self.socket, Context::Job),
            };

            receiver.ended.end();
            // Far less than that is received in one go.
            self.job.found((receiver.found / THING) as u32);
            match result {
                Ok(true) => self.job.schedule(),
                Ok(false) => (),
                Err(Wrong::Fault(Fault::Socket(error))) => self.broken(error),
                Err(Wrong::Fault(Fault::Closed)) => self.over(Cause::Lost),
                Err(Wrong::Fault(Fault::Frame(error))) => self.protocol(error.text()),
                Err(Wrong::Fault(Fault::NoRoom)) => self.protocol("more data than asked for"),
                Err(Wrong::Fault(Fault::Digest)) => self.damaged(),
                Err(Wrong::Fault(Fault::Seal)) => self.forged(),
                Err(Wrong::Protocol(text)) => self.protocol(text),
            }
        });

        if more {
            self.job.schedule();
        }
    }

    /// Receives what has arrived while this task was using the socket, as far as that takes no time,
    /// and leaves the rest to the job. Process context.
    pub(super) fn catch_up(&self) {
        if !self.receive_short(&self.socket, || true) {
            self.job.schedule();
        }
    }

    /// Receives what has arrived at `socket`, that of the connection, as far as that takes no time;
    /// returns whether nothing is left to be done by the connection's job.
    pub(super) fn receive_here(&self, socket: &Locked<'_>) -> bool {
        self.receive_short(socket, || socket.is_drained())
    }

    /// Receives what is short from `source`; returns whether nothing is left to be done by the
    /// connection's job. When there is nothing more, `is_drained` says whether there really is not.
    fn receive_short(&self, source: &impl Receive, is_drained: impl Fn() -> bool) -> bool {
        // If somebody else is inside, he goes on with it.
        let mut done = true;
        let more = self.receiver.enter(|receiver| {
            if receiver.wrong.is_some() || receiver.inbox.is_sealed() {
                done = false;
                return;
            }
            let result = self.frames(receiver, source, Context::Passing);

            // What waits for memory can only be seen to have to be served when there is some.
            receiver.ended.end();
            match result {
                Ok(more) => done = !more && is_drained() && !self.is_asked_for_more(),
                Err(wrong) => {
                    receiver.wrong = Some(wrong);
                    done = false;
                }
            }
        });

        done && !more
    }

    /// Returns whether what has ended makes room for something that waits.
    fn is_asked_for_more(&self) -> bool {
        self.storage.queue.lock().wants_service()
    }

    /// Receives some frames from `source`; returns whether there may be more.
    fn frames(
        &self,
        receiver: &mut Receiver,
        source: &impl Receive,
        context: Context,
    ) -> Result<bool, Wrong> {
        let mut any = false;

        receiver.found = 0;

        let more = self.some_frames(receiver, source, context, &mut any);

        // Every byte is a sign of life, or a slow server would be taken for a dead one.
        if any {
            self.note_rx();
        }
        more
    }

    /// See [`Self::frames`]; notes in `any` if something was received.
    fn some_frames(
        &self,
        receiver: &mut Receiver,
        source: &impl Receive,
        context: Context,
        any: &mut bool,
    ) -> Result<bool, Wrong> {
        let mut bytes = 0;
        let mut portion = 0;

        for _ in 0..FRAMES {
            if self.is_over() {
                return Ok(false);
            }
            if context == Context::Passing
                && (portion >= FEW || !receiver.expect.is_small(&receiver.inbox))
            {
                return Ok(true);
            }

            let is_new = matches!(receiver.expect, Expect::Header);
            let Some(len) = self.step(receiver, source)? else {
                return Ok(false);
            };

            *any = true;
            receiver.found += if is_new { THING } else { len };
            portion += len;
            if context == Context::Job && portion >= PORTION {
                bytes += core::mem::take(&mut portion);
                receiver.ended.end();
                if bytes >= BYTES {
                    break;
                }
                self.job.share();
            }
        }
        Ok(true)
    }

    /// Receives what comes next; returns the number of bytes of data, [`None`] if there is nothing
    /// more now.
    fn step(&self, receiver: &mut Receiver, source: &impl Receive) -> Result<Option<usize>, Wrong> {
        let Receiver {
            inbox,
            expect,
            control,
            ended,
            ..
        } = receiver;
        let mut bytes = 0;

        *expect = match expect {
            Expect::Header => {
                let Some(header) = inbox.header(source)? else {
                    return Ok(None);
                };
                self.header(header, inbox, ended)?
            }
            Expect::Control { header, have } => {
                let wanted = header.payload as usize;

                match inbox.payload(source, control, wanted, have)? {
                    Some(true) => (),
                    Some(false) => return Ok(Some(0)),
                    None => return Ok(None),
                }
                // What it says may make the keeper look at this.
                self.note_rx();
                self.control_frame(header, control.get(..wanted).unwrap_or_default())
                    .map_err(Wrong::Protocol)?;
                match header.opcode {
                    Opcode::Initiate | Opcode::Join => Expect::Sealed,
                    _ => Expect::Header,
                }
            }
            Expect::Data {
                reply,
                extent,
                data,
                have,
            } => {
                let Some(arrived) = inbox.data(source, data, have)? else {
                    return Ok(None);
                };
                bytes = match arrived {
                    Arrived::All(len) => len,
                    Arrived::Part(len) => return Ok(Some(len)),
                };
                // The bio ends when the data's share of the request is gone, too.
                let over = self
                    .storage
                    .queue
                    .lock()
                    .received(self.number, reply, extent);

                ended.push(over.map_err(Wrong::Protocol)?);
                Expect::Header
            }
            Expect::Sealed => return Ok(None),
            Expect::Waste { left, credits } => {
                let Some(len) = inbox.skip(source, *left)? else {
                    return Ok(None);
                };
                match left.saturating_sub(len) {
                    0 => {
                        let given = self.storage.queue.lock().give(self.number, *credits);

                        given.map_err(Wrong::Protocol)?;
                        Expect::Header
                    }
                    left => Expect::Waste {
                        left,
                        credits: *credits,
                    },
                }
            }
        };
        Ok(Some(bytes))
    }

    /// Finds out what follows `header`.
    fn header(
        &self,
        header: Header,
        inbox: &mut Inbox,
        ended: &mut Ended,
    ) -> Result<Expect, Wrong> {
        match header.opcode {
            Opcode::Hello | Opcode::Draining | Opcode::Ping | Opcode::Bye | Opcode::Event => {
                Ok(Expect::Control { header, have: 0 })
            }
            Opcode::Initiate | Opcode::Join if self.control.lock().shaking => {
                Ok(Expect::Control { header, have: 0 })
            }
            Opcode::Initiate | Opcode::Join | Opcode::Rekey => {
                Err(Wrong::Protocol("a frame of sealed connections"))
            }
            Opcode::Read
            | Opcode::Write
            | Opcode::Flush
            | Opcode::Discard
            | Opcode::WriteZeroes => self.reply(&header, inbox, ended),
        }
    }

    /// Does what `header`, that of a reply to a request, says.
    fn reply(
        &self,
        header: &Header,
        inbox: &mut Inbox,
        ended: &mut Ended,
    ) -> Result<Expect, Wrong> {
        if !self.is_live() {
            return Err(Wrong::Protocol("a reply before the welcome"));
        }
        let waste = |inbox: &mut Inbox, credits| match inbox.waste(header.payload as usize) {
            0 => Expect::Header,
            left => Expect::Waste { left, credits },
        };
        if header.stamp != self.stamp {
            self.storage.counters.stale_reply();
            return Ok(waste(inbox, 0));
        }
        trace::receive(self, header);

        let reply = Reply::try_from(header).map_err(|_| Wrong::Protocol("not a reply"))?;
        let is_whole = header.payload == 0;
        let answer = self
            .storage
            .queue
            .lock()
            .answer(self.number, &reply, is_whole);

        match (answer, reply.extent) {
            (Answer::Done(over), _) => {
                ended.push(over);
                Ok(waste(inbox, reply.credits))
            }
            (Answer::Receive(data), Some(extent)) => Ok(Expect::Data {
                reply,
                extent,
                data,
                have: 0,
            }),
            (Answer::Receive(_), None) => Err(Wrong::Protocol("data of nothing")),
            (Answer::Stale, _) => {
                self.storage.counters.stale_reply();
                Ok(waste(inbox, reply.credits))
            }
            (Answer::Wrong(text), _) => Err(Wrong::Protocol(text)),
        }
    }
}
