// SPDX-License-Identifier: GPL-2.0

//! Pieces of work on their way to the server and back.

use super::{
    request::Request,
    split::{
        Split,
        Work, //
    }, //
};
use crate::{
    abstractions::{
        bio::Bio,
        iovec::Scatter,
        mempool::{
            Shared,
            Unique, //
        },
        softirq::BottomHalvesOff, //
    },
    proto::{
        self,
        durability::Mark,
        units::{
            Handle,
            PageMask, //
        }, //
    },
    wire::inbox::Destination, //
};
use kernel::prelude::*;

/// Who has a piece of work.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Nobody: the next connection that has room for it may take it.
    Waiting,
    /// The connection with this number.
    Carried(u16),
    /// The connection with this number had it. It is closed, and the network has let go of the
    /// memory; but the server may still work on it. It may fail, but not be sent again.
    Unfenced(u16),
}

/// A piece of work under way.
pub(super) struct InFlight {
    /// What it is.
    pub(super) work: Work,
    /// Who has it.
    pub(super) place: Place,
    /// Pages that are to be sent (again). What has no pages has the first one.
    pub(super) to_send: PageMask,
    /// Frames of it with data that a sender is working on.
    pub(super) sending: u32,
    /// It was sent over an earlier connection.
    pub(super) resent: bool,
    /// What a flush covers.
    pub(super) mark: Mark,
    /// It is over, as soon as no sender works on it.
    pub(super) over: bool,
}

impl InFlight {
    /// Returns `work` as nothing of which was sent.
    pub(super) fn new(work: Work) -> Self {
        Self {
            to_send: work.to_send(),
            work,
            place: Place::Waiting,
            sending: 0,
            resent: false,
            mark: Mark::default(),
            over: false,
        }
    }

    /// Has all that is not done sent again, by whichever connection.
    pub(super) fn send_again(&mut self) {
        self.place = Place::Waiting;
        self.to_send = self.work.to_send();
        self.resent = true;
    }

    /// Notes that the connection with this `number`, which had it, is no more.
    pub(super) fn let_go(&mut self, number: u16) {
        if self.place == Place::Carried(number) {
            self.place = Place::Unfenced(number);
            self.sending = 0;
        }
    }
}

/// Something to be sent.
pub(super) struct Outgoing {
    /// The handle that the reply will have.
    pub(super) handle: Handle,
    /// What is asked.
    pub(super) ask: proto::request::Request,
    /// The data that goes with it.
    pub(super) data: Option<Data>,
    /// Pages that are sent not for the first time.
    pub(super) resent: u32,
}

/// Memory of a bio.
#[derive(Clone)]
pub(super) struct Data {
    /// Keeps the bio from ending.
    pub(super) request: Shared<Request>,
    /// Where it begins in the memory of the bio, in bytes.
    pub(super) offset: usize,
    /// Length in bytes.
    pub(super) len: usize,
}

impl Destination for Data {
    fn len(&self) -> usize {
        self.len
    }

    fn scatter<'a>(&'a self, skip: usize, list: &mut Scatter<'a>) {
        if let Some(bio) = self.request.bio() {
            list.push_bio(bio, self.offset + skip, self.len.saturating_sub(skip));
        }
    }
}

/// What is over; dropping it ends bios, so no lock may be held then.
#[must_use = "dropping it ends bios"]
pub(super) enum Over {
    /// Nothing.
    Nothing,
    /// A piece of work.
    Work(#[expect(dead_code)] Work),
    /// A request.
    Request(#[expect(dead_code)] Unique<Request>),
    /// A request that was being split.
    Split(#[expect(dead_code)] Split),
    /// A bio that nobody began with.
    Bio(#[expect(dead_code)] Bio),
}

/// What is over and ends soon, many at once: whoever waits for them then has more to do when it is
/// woken, and is not woken for each. No lock may be held when they end.
pub(super) struct Ended(KVec<Over>);

impl Ended {
    /// Returns an empty list with room for `most`. Process context.
    pub(super) fn new(most: usize) -> Result<Self> {
        Ok(Self(KVec::with_capacity(most, GFP_KERNEL)?))
    }

    /// Returns whether there is room for one more.
    pub(super) fn has_room(&self) -> bool {
        self.0.len() < self.0.capacity()
    }

    /// Puts aside what is over. If there is no room, it ends at once.
    pub(super) fn push(&mut self, over: Over) {
        if !matches!(over, Over::Nothing) {
            let _ = self.0.push_within_capacity(over);
        }
    }

    /// Ends what was put aside; returns whether there was anything. Any context but hard interrupts.
    ///
    /// That may be the task of whoever submits something else, with his locks, or one that others
    /// wait for. So those whose bios end are to do as little as in an interrupt, and not to sleep.
    pub(super) fn end(&mut self) -> bool {
        let any = !self.0.is_empty();

        if any {
            let _atomic = BottomHalvesOff::new();

            self.0.clear();
        }
        any
    }
}

/// What to do with a reply.
pub(super) enum Answer {
    /// Nothing more: this is what is over.
    Done(Over),
    /// Its payload has to be received into this memory, then [`Queue::received`] be called.
    Receive(Data),
    /// It answers nothing that was asked; its payload has to be thrown away.
    Stale,
    /// The server breaks the protocol.
    Wrong(&'static str),
}
