// SPDX-License-Identifier: GPL-2.0

//! Frames on their way into a socket, many in one call.

use crate::{
    abstractions::{
        aead::TAG_SIZE,
        crc32c::crc32c,
        fragment::{
            Arena,
            Fragment, //
        },
        iovec::{
            Gather,
            Pieces,
            Scatter, //
        },
        socket::Socket, //
    },
    proto::{
        frame::Header,
        opcode::Opcode,
        units::Handle, //
    }, //
};
use kernel::{
    page::Page,
    prelude::*, //
};

use super::{
    digest::Digester,
    protection::{
        Memory,
        Outgoing, //
    },
    seal::SEALED_HEADER,
    staging::{
        Staging,
        MAX_PROTECTED, //
    }, //
};

/// Pages of memory for the heads of frames that a socket refers to.
const ARENA_PAGES: usize = 8;

/// Pieces of memory that one call sends from.
const PIECES: usize = 256;

/// The data of a request or reply, which follows its header.
pub(crate) trait Body {
    /// Returns the number of bytes.
    fn len(&self) -> usize;

    /// Adds all but the first `skip` bytes to `list`; returns whether all of them had room.
    fn gather<'a>(&'a self, skip: usize, list: &mut Gather<'a>) -> bool;

    /// Adds all bytes to `list` to be changed, as far as there is room; returns false if they must
    /// not be.
    fn scatter<'a>(&'a self, list: &mut Scatter<'a>) -> bool;
}

/// A frame.
struct Frame<B> {
    /// The header, and a payload that is no data.
    head: Fragment,
    body: Option<B>,
    /// What follows the head.
    rest: Rest,
}

/// What follows the head of a frame.
enum Rest {
    /// The body.
    Body,
    /// The body, and what protects it.
    Tail(Fragment),
    /// What the body became, `len` bytes from `start` on in the staging memory, and what protects it
    /// unless that is one of them.
    Staged {
        start: usize,
        len: usize,
        tail: Option<Fragment>,
    },
}

impl<B: Body> Frame<B> {
    fn len(&self) -> usize {
        let body = || self.body.as_ref().map_or(0, B::len);

        self.head.len()
            + match &self.rest {
                Rest::Body => body(),
                Rest::Tail(tail) => body() + tail.len(),
                Rest::Staged { len, tail, .. } => *len + tail.as_ref().map_or(0, Fragment::len),
            }
    }

    /// Adds all but the first `skip` bytes to `list`; returns whether all of them had room. The
    /// staging memory is `staging`.
    fn gather<'a>(&'a self, skip: usize, staging: &'a [Page], list: &mut Gather<'a>) -> bool {
        let head = self.head.len();

        if skip < head && !list.push_fragment(&self.head, skip) {
            return false;
        }

        let skip = skip.saturating_sub(head);

        if let Rest::Staged { start, len, tail } = &self.rest {
            let left = len.saturating_sub(skip);

            return (left == 0 || list.push_copied(staging, start + skip, left))
                && tail
                    .as_ref()
                    .is_none_or(|tail| list.push_fragment(tail, skip.saturating_sub(*len)));
        }

        let body = match &self.body {
            Some(body) if !body.gather(skip, list) => return false,
            Some(body) => body.len(),
            None => 0,
        };

        match &self.rest {
            Rest::Tail(tail) => list.push_fragment(tail, skip.saturating_sub(body)),
            Rest::Body | Rest::Staged { .. } => true,
        }
    }
}

/// Why a frame was not put in.
pub(crate) enum Refused<B> {
    /// There is no room, which there will be when more was sent. The body comes back.
    Full(Option<B>),
    /// It cannot be protected.
    Failed,
}

/// How far sending got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sent {
    /// Everything is with the socket.
    All,
    /// There is no room for the rest. The socket tells when there is again.
    Blocked,
}

/// Returns the bytes of the heads that a frame with `payload` bytes that are no data can take, sealed
/// and with another key before it.
fn heads(payload: usize) -> usize {
    2 * SEALED_HEADER + payload + 2 * TAG_SIZE
}

/// Frames in the order in which they are sent.
///
/// The socket's references to what was sent are its own. What was put in stays here until all of
/// its frame has been taken by the socket.
pub(crate) struct Outbox<B> {
    arena: Arena,
    pieces: Pieces,
    protection: Outgoing,
    /// Where data goes before it is protected, or when it is sealed, if others can get at it.
    staging: Option<Staging>,
    frames: KVec<Frame<B>>,
    /// Frames at the beginning that were sent.
    done: usize,
    /// Bytes of the next frame that were sent.
    part: usize,
    /// Whether the socket took no more when it was last tried.
    blocked: bool,
    /// Whether it has taken something since then.
    relieved: bool,
}

impl<B: Body> Outbox<B> {
    /// Allocates an outbox for up to `frames` frames, which are not protected. Process context.
    pub(crate) fn new(frames: usize) -> Result<Self> {
        Ok(Self {
            arena: Arena::new(ARENA_PAGES)?,
            pieces: Pieces::new(PIECES)?,
            protection: Outgoing::Plain,
            staging: None,
            frames: KVec::with_capacity(frames, GFP_KERNEL)?,
            done: 0,
            part: 0,
            blocked: false,
            relieved: false,
        })
    }

    /// Has `protection` protect the frames that are put in from now on, the data of which is in
    /// such `memory`. There must be nothing in it.
    pub(crate) fn protect(&mut self, protection: Outgoing, memory: Memory) {
        self.staging = memory.staging();
        self.protection = protection;
    }

    /// Gives the memory back that [`Self::protect`] got. What is in the outbox is of no use then.
    pub(crate) fn take_staging(&mut self) -> Option<Staging> {
        let mut staging = self.staging.take();

        if let Some(staging) = &mut staging {
            staging.reset();
        }
        staging
    }

    /// Returns whether there is nothing to send.
    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Returns whether the socket has taken something after it had taken no more, since this was
    /// last asked. Then the other side has received some of what was sent before.
    pub(crate) fn is_relieved(&mut self) -> bool {
        core::mem::take(&mut self.relieved)
    }

    /// Returns how many frames there is room for.
    pub(crate) fn room(&self) -> usize {
        let room = self.frames.capacity() - self.frames.len();

        match (&self.protection, &self.staging) {
            (Outgoing::Plain, _) => room,
            // Nobody knows how long the next one is.
            (_, Some(staging)) if staging.room() < MAX_PROTECTED => 0,
            (Outgoing::Digest(_), _) => room,
            // One is for what may have to be said about keys.
            (Outgoing::Sealed(_), _) => room.saturating_sub(1),
        }
    }

    /// Returns whether there is room for a frame without data, also if another key comes first.
    pub(crate) fn has_room_for_bare(&mut self) -> bool {
        self.room() > 0 && self.arena.has_room(heads(0))
    }

    /// Returns how many frames there is room for whatever their length.
    pub(crate) fn room_for_any(&self) -> usize {
        match self.protection {
            Outgoing::Plain => self.room(),
            Outgoing::Digest(_) | Outgoing::Sealed(_) => self.room().min(1),
        }
    }

    /// Puts in a frame with `header`: either `payload`, which is copied, or `body`, which is not,
    /// follows it.
    ///
    /// # Errors
    ///
    /// See [`Refused`].
    pub(crate) fn push(
        &mut self,
        header: &Header,
        payload: &[u8],
        body: Option<B>,
    ) -> Result<(), Refused<B>> {
        if self.room() == 0 {
            return Err(Refused::Full(body));
        }
        if let Outgoing::Sealed(_) = self.protection {
            return self.push_sealed(header, payload, body);
        }
        let Some(head) = self.arena.copy(&header.encode(crc32c), payload) else {
            return Err(Refused::Full(body));
        };
        let rest = match (&mut self.protection, body.as_ref()) {
            (Outgoing::Digest(digester), Some(data)) if data.len() > 0 => {
                let Ok((digest, staged)) =
                    digest(digester, data, self.staging.as_mut(), &mut self.pieces)
                else {
                    return Err(Refused::Failed);
                };
                let Some(tail) = self.arena.copy(digest, &[]) else {
                    return Err(Refused::Full(body));
                };

                match staged {
                    Some(start) => Rest::Staged {
                        start,
                        len: data.len(),
                        tail: Some(tail),
                    },
                    None => Rest::Tail(tail),
                }
            }
            _ => Rest::Body,
        };

        self.frames
            .push_within_capacity(Frame { head, body, rest })
            .map_err(|error| Refused::Full(error.0.body))
    }

    /// Puts in `bytes`, a frame that is ready to be sent, if there is room; returns whether there
    /// is.
    pub(crate) fn push_ready(&mut self, bytes: &[u8]) -> bool {
        match self.arena.copy(bytes, &[]) {
            Some(head) if self.room() > 0 => self
                .frames
                .push_within_capacity(Frame {
                    head,
                    body: None,
                    rest: Rest::Body,
                })
                .is_ok(),
            _ => false,
        }
    }

    /// Seals a frame and puts it in. Nothing is sealed if there is no room for all of it: records
    /// are sent in the order in which they were sealed.
    fn push_sealed(
        &mut self,
        header: &Header,
        payload: &[u8],
        body: Option<B>,
    ) -> Result<(), Refused<B>> {
        let Outgoing::Sealed(sealing) = &mut self.protection else {
            return Err(Refused::Failed);
        };
        if !self.arena.has_room(heads(payload.len())) {
            return Err(Refused::Full(body));
        }
        if sealing.is_due() {
            let rekey = Header::request(Opcode::Rekey, Handle::NONE, header.stamp);

            match sealing.renew(&rekey.encode(crc32c)) {
                Ok(Some(record)) => push_head(&mut self.frames, self.arena.copy(record, &[]))?,
                Ok(None) => (),
                Err(_) => return Err(Refused::Failed),
            }
        }

        let Ok(records) = sealing.frame(&header.encode(crc32c), payload) else {
            return Err(Refused::Failed);
        };
        let head = self.arena.copy(records, &[]).ok_or(Refused::Failed)?;
        let rest = match body.as_ref().filter(|body| body.len() > 0) {
            None => Rest::Body,
            Some(data) => match sealing.in_place(data) {
                Ok(Some(tag)) => Rest::Tail(self.arena.copy(tag, &[]).ok_or(Refused::Failed)?),
                Ok(None) => {
                    let len = data.len() + TAG_SIZE;
                    let staging = self.staging.as_mut().ok_or(Refused::Failed)?;
                    let start = staging.take(len).ok_or(Refused::Failed)?;

                    sealing
                        .staged(data, staging, start)
                        .map_err(|_| Refused::Failed)?;
                    Rest::Staged {
                        start,
                        len,
                        tail: None,
                    }
                }
                Err(_) => return Err(Refused::Failed),
            },
        };

        self.frames
            .push_within_capacity(Frame { head, body, rest })
            .map_err(|_| Refused::Failed)
    }

    /// Sends as much as there is room for; `sent` gets the body of each frame that is complete.
    /// Process context; does not wait for room.
    ///
    /// `more` says that more frames will follow at once. `pause` is called whenever a call to the
    /// socket was not the last one.
    ///
    /// # Errors
    ///
    /// Those of [`Socket::send`] but `EAGAIN`: the connection is of no use any more.
    pub(crate) fn send(
        &mut self,
        socket: &Socket,
        more: bool,
        mut sent: impl FnMut(B),
        mut pause: impl FnMut(),
    ) -> Result<Sent> {
        let mut first = true;

        while let Some(unsent) = self.frames.get(self.done..).filter(|rest| !rest.is_empty()) {
            if !core::mem::take(&mut first) {
                pause();
            }

            let mut list = Gather::new(&mut self.pieces);
            let staging = self.staging.as_ref().map_or(&[][..], Staging::pages);
            let whole = fill(unsent, self.part, staging, &mut list);

            match socket.send(&list, more || !whole) {
                Ok(bytes) => self.advance(bytes, &mut sent),
                Err(error) if error == EAGAIN => {
                    self.blocked = true;
                    return Ok(Sent::Blocked);
                }
                Err(error) => return Err(error),
            }
        }
        self.frames.clear();
        self.done = 0;
        if let Some(staging) = &mut self.staging {
            staging.reset();
        }
        Ok(Sent::All)
    }

    /// Notes that the socket took the next `bytes` bytes.
    fn advance(&mut self, bytes: usize, sent: &mut impl FnMut(B)) {
        self.relieved |= core::mem::take(&mut self.blocked) && bytes > 0;
        self.part += bytes;
        while let Some(frame) = self.frames.get_mut(self.done) {
            let len = frame.len();
            if self.part < len {
                break;
            }
            self.part -= len;
            self.done += 1;
            if let Some(body) = frame.body.take() {
                sent(body);
            }
        }
    }

    /// Throws away what was not sent; `dropped` gets the body of each frame.
    pub(crate) fn clear(&mut self, mut dropped: impl FnMut(B)) {
        for frame in self.frames.drain_all() {
            if let Some(body) = frame.body {
                dropped(body);
            }
        }
        self.done = 0;
        self.part = 0;
    }
}

/// Adds `frames` but the first `part` bytes to `list`; returns whether all of them had room.
fn fill<'a, B: Body>(
    frames: &'a [Frame<B>],
    mut part: usize,
    staging: &'a [Page],
    list: &mut Gather<'a>,
) -> bool {
    for frame in frames {
        if !frame.gather(part, staging, list) {
            return false;
        }
        part = 0;
    }
    true
}

/// Computes the digest of `data`, with `staging` of a copy of it: returns where that begins, too.
fn digest<'d>(
    digester: &'d mut Digester,
    data: &impl Body,
    staging: Option<&mut Staging>,
    pieces: &mut Pieces,
) -> Result<(&'d [u8], Option<usize>)> {
    let Some(staging) = staging else {
        return Ok((digester.of_body(data, pieces)?, None));
    };
    let start = staging.take(data.len()).ok_or(ENOMEM)?;
    let part = staging.part(start, data.len());

    part.copy_from(data, pieces)?;
    Ok((digester.of_destination(&part, pieces)?, Some(start)))
}

/// Puts in a frame that is only a head.
fn push_head<B>(frames: &mut KVec<Frame<B>>, head: Option<Fragment>) -> Result<(), Refused<B>> {
    let frame = Frame {
        head: head.ok_or(Refused::Failed)?,
        body: None,
        rest: Rest::Body,
    };

    frames
        .push_within_capacity(frame)
        .map_err(|_| Refused::Failed)
}
