// SPDX-License-Identifier: GPL-2.0

//! What a storage has to do: requests that wait, and runs that are under way.
//!
//! A [`Queue`] is data under one spinlock. Nothing is ended in here: what is over is handed to the
//! caller, who drops it when he has released the lock.

use super::{
    flight::{
        Answer,
        Data,
        InFlight,
        Outgoing,
        Over, //
    },
    request::Request,
    split::{
        begin,
        First,
        Kind,
        Split,
        Work, //
    }, //
};
use crate::{
    abstractions::{
        bio,
        block_status::BlockStatus,
        mempool::{
            Fifo,
            Unique, //
        }, //
    },
    proto::{
        self,
        credits::Window,
        durability::Durability,
        geometry::Geometry,
        inflight::{
            Slot,
            Table, //
        },
        request::Reply,
        ring::Ring,
        run::{
            Extent,
            Run, //
        },
        units::{
            Handle,
            PageMask,
            Stamp, //
        }, //
    }, //
};
use kernel::prelude::*;

/// Runs that can be under way at the same time.
pub(super) const DEPTH: usize = 256;

/// Whether anything can be sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    /// No: everything waits.
    Shut,
    /// Yes, over the connection with this stamp.
    Open(Stamp),
    /// No, and never again: everything fails.
    Failing(BlockStatus),
}

type Vector<T> = KVVec<T>;

/// See the module's documentation.
pub(super) struct Queue {
    gate: Gate,
    geometry: Geometry,
    window: Window,
    durability: Durability,
    /// Bios for which there was no memory.
    starved: bio::List,
    waiting: Fifo<Request>,
    split: Option<Split>,
    table: Table<InFlight, Vector<Slot<InFlight>>>,
    /// Slots that have something to send.
    ring: Ring<Vector<u32>>,
}

impl Queue {
    /// Allocates an empty queue. Process context.
    pub(super) fn new() -> Result<Self> {
        let mut slots = Vector::with_capacity(DEPTH, GFP_KERNEL)?;
        let mut places = Vector::with_capacity(DEPTH, GFP_KERNEL)?;

        for _ in 0..DEPTH {
            slots.push(Slot::new(), GFP_KERNEL)?;
            places.push(0, GFP_KERNEL)?;
        }
        Ok(Self {
            gate: Gate::Shut,
            geometry: Geometry::default(),
            window: Window::new(0),
            durability: Durability::default(),
            starved: bio::List::new(),
            waiting: Fifo::new(),
            split: None,
            table: Table::new(slots),
            ring: Ring::new(places),
        })
    }

    /// Returns the status with which everything fails now, if that is so.
    pub(super) fn failing(&self) -> Option<BlockStatus> {
        match self.gate {
            Gate::Failing(status) => Some(status),
            Gate::Shut | Gate::Open(_) => None,
        }
    }

    /// Returns the number of pieces of work under way.
    pub(super) fn in_flight(&self) -> u32 {
        self.table.len()
    }

    /// Takes a new description of the disk.
    pub(super) fn set_geometry(&mut self, geometry: Geometry) {
        self.geometry = geometry;
    }

    /// Puts in a request; it comes back if everything fails now.
    pub(super) fn submit(&mut self, request: Unique<Request>) -> Result<(), Unique<Request>> {
        if let Gate::Failing(status) = self.gate {
            request.note(status);
            return Err(request);
        }
        self.waiting.push(request);
        Ok(())
    }

    /// Puts in a bio for which there is no memory yet; it comes back if everything fails now.
    pub(super) fn starve(&mut self, bio: bio::Bio) -> Result<(), bio::Bio> {
        if self.failing().is_some() {
            return Err(bio);
        }
        self.starved.push(bio);
        Ok(())
    }

    /// Takes a bio for which there was no memory.
    pub(super) fn pop_starved(&mut self) -> Option<bio::Bio> {
        self.starved.pop()
    }

    /// Notes that the server was restarted and may have lost what was in its cache; returns whether
    /// that matters. If it does, the next flush fails.
    ///
    /// Of writes that are under way all pages are sent again: the data of those that were
    /// acknowledged is still here.
    pub(super) fn restarted(&mut self) -> bool {
        for (_, entry) in self.table.iter_mut() {
            entry.work.forget_written();
        }
        self.durability.restarted()
    }

    /// Lets everything wait: the connection is lost.
    pub(super) fn shut(&mut self) {
        if self.failing().is_none() {
            self.gate = Gate::Shut;
        }
    }

    /// Takes out something that is over though its sender has not said that he is done with it: he
    /// is, the connection is closed. [`Over::Nothing`] if there is nothing like that.
    pub(super) fn pop_over(&mut self) -> Over {
        let found = self.table.iter_mut().find(|(_, entry)| entry.over);
        let Some((handle, entry)) = found else {
            return Over::Nothing;
        };
        entry.sending = 0;
        match self.finish(handle) {
            // The request goes on; there may be more like it.
            Over::Nothing => self.pop_over(),
            over => over,
        }
    }

    /// Lets everything go over the connection with `stamp`, beginning with all that is under way:
    /// the server has said that nothing of it is being worked on any more.
    ///
    /// All of it gets new handles, so that a reply to what was sent before is one to nothing.
    pub(super) fn open(&mut self, stamp: Stamp, window: u32, geometry: Geometry) {
        if self.failing().is_some() {
            return;
        }
        self.gate = Gate::Open(stamp);
        self.window = Window::new(window);
        self.geometry = geometry;
        self.ring.clear();
        for slot in 0..self.table.capacity() {
            let Some((handle, entry)) = self.table.at_mut(slot) else {
                continue;
            };
            entry.send_again();
            self.table.renew(handle);
            // The ring has a place for each slot.
            let _ = self.ring.push(slot);
        }
    }

    /// Lets everything fail with `status` from now on. What is there has to be taken out with
    /// [`Self::pop`].
    pub(super) fn fail(&mut self, status: BlockStatus) {
        self.gate = Gate::Failing(status);
    }

    /// Takes something out of a queue in which everything fails. [`Over::Nothing`] if it is empty.
    pub(super) fn pop(&mut self) -> Over {
        let Gate::Failing(status) = self.gate else {
            return Over::Nothing;
        };
        if let Some(split) = self.split.take() {
            split.note(status);
            return Over::Split(split);
        }
        if let Some(request) = self.waiting.pop() {
            request.note(status);
            return Over::Request(request);
        }
        if let Some(bio) = self.starved.pop() {
            return Over::Bio(bio);
        }
        let Some(handle) = self.table.iter().map(|(handle, _)| handle).next() else {
            return Over::Nothing;
        };
        match self.table.remove(handle) {
            Some(entry) => {
                entry.work.note(status);
                Over::Work(entry.work)
            }
            None => Over::Nothing,
        }
    }

    /// Returns what to send next over the connection with `stamp`, if there is anything and the
    /// server has room for it. What is over without having been sent goes to `over`; there is
    /// nothing more to send until that was taken away.
    pub(super) fn next(&mut self, stamp: Stamp, over: &mut Over) -> Option<Outgoing> {
        if self.gate != Gate::Open(stamp) {
            return None;
        }
        loop {
            if let Some(slot) = self.ring.front() {
                match self.table.at(slot) {
                    Some((_, entry)) if !entry.to_send.is_empty() => {
                        return self.outgoing(slot);
                    }
                    _ => {
                        self.ring.pop();
                        continue;
                    }
                }
            }
            if !matches!(over, Over::Nothing) || !self.begin_next(over) {
                return None;
            }
        }
    }

    /// Makes the next frame of what is in `slot`; [`None`] if there are not enough credits.
    fn outgoing(&mut self, slot: u32) -> Option<Outgoing> {
        let (handle, entry) = self.table.at_mut(slot)?;
        let (first, count) = entry.to_send.lowest_range()?;
        let (ask, data) = match &entry.work {
            Work::Run {
                request,
                pages,
                offset,
                kind,
            } => {
                let part = pages.run().part(first, count)?;
                let run = Run::new(part)?;
                let data = Data {
                    request: request.clone(),
                    offset: offset + pages.run().extent().offset_of(&part)?.bytes() as usize,
                    len: part.len().bytes() as usize,
                };
                match *kind {
                    Kind::Read => (proto::request::Request::Read { run }, None),
                    Kind::Write { fua } => {
                        (proto::request::Request::Write { run, fua }, Some(data))
                    }
                }
            }
            Work::Flush { .. } => (proto::request::Request::Flush, None),
            Work::Extent { ask, .. } => (*ask, None),
        };
        if !self.window.take(ask.cost()) {
            return None;
        }
        entry.to_send = entry.to_send.without(PageMask::range(first, count));
        entry.sending += 1;
        entry.mark = self.durability.flush_sent();
        let resent = if entry.resent { count } else { 0 };
        if entry.to_send.is_empty() {
            self.ring.pop();
        }
        Some(Outgoing {
            handle,
            ask,
            data,
            resent,
        })
    }

    /// Puts the next piece of a waiting request under way; returns whether there was one, and room
    /// for it.
    fn begin_next(&mut self, over: &mut Over) -> bool {
        if self.table.is_full() {
            return false;
        }
        if let Some(split) = &mut self.split {
            if let Some(work) = split.next() {
                self.put_under_way(work);
                return true;
            }
            if let Some(split) = self.split.take() {
                *over = Over::Split(split);
            }
            return true;
        }
        let Some(request) = self.waiting.pop() else {
            return false;
        };
        match begin(request, &self.geometry) {
            First::Flush(request) => self.put_under_way(Work::Flush { request }),
            First::Split(split) => self.split = Some(split),
            First::Over(request) => *over = Over::Request(request),
        }
        true
    }

    /// Puts `work` under way. There has to be room in the table.
    fn put_under_way(&mut self, work: Work) {
        if let Ok(handle) = self.table.insert(InFlight::new(work)) {
            // The ring has a place for each slot.
            let _ = self.ring.push(handle.slot());
        }
    }

    /// Notes that a sender is done with a frame of `handle`.
    pub(super) fn sent(&mut self, handle: Handle) -> Over {
        let Some(entry) = self.table.get_mut(handle) else {
            return Over::Nothing;
        };
        entry.sending = entry.sending.saturating_sub(1);
        self.finish(handle)
    }

    /// Finds out what `reply` means. `payload` is the number of bytes that follow it.
    pub(super) fn answer(&mut self, reply: &Reply) -> Answer {
        if self.window.give(reply.credits).is_err() {
            return Answer::Wrong("more credits than granted");
        }
        let Some(entry) = self.table.get_mut(reply.handle) else {
            return Answer::Stale;
        };
        if entry.over {
            return Answer::Stale;
        }
        if entry.work.opcode() != reply.opcode {
            return Answer::Wrong("a reply to another operation");
        }
        if !reply.status.is_ok() {
            entry.work.note(super::status::block_status(reply.status));
        }
        match &mut entry.work {
            Work::Run {
                request,
                pages,
                offset,
                kind,
            } => {
                let Some(extent) = reply.extent else {
                    return Answer::Wrong("a reply without an extent");
                };
                let Ok(mask) = pages.check(&extent) else {
                    return Answer::Wrong("a reply about other pages");
                };
                if entry.to_send.intersects(mask) {
                    return Answer::Wrong("a reply to what was not sent");
                }
                if *kind == Kind::Read && reply.status.is_ok() {
                    let Some(before) = pages.run().extent().offset_of(&extent) else {
                        return Answer::Wrong("a reply about other pages");
                    };
                    return Answer::Receive(Data {
                        request: request.clone(),
                        offset: *offset + before.bytes() as usize,
                        len: extent.len().bytes() as usize,
                    });
                }
                if pages.acknowledge(&extent).is_err() {
                    return Answer::Wrong("a reply about other pages");
                }
                entry.over = pages.is_done();
                if entry.over && matches!(kind, Kind::Write { fua: false }) {
                    self.durability.acknowledged();
                }
            }
            _ if !entry.to_send.is_empty() => {
                return Answer::Wrong("a reply to what was not sent");
            }
            Work::Flush { request } => {
                if reply.status.is_ok() && !self.durability.flush_done(entry.mark) {
                    request.note(BlockStatus::Io);
                }
                entry.over = true;
            }
            Work::Extent { ask, .. } => {
                if ask.extent() != reply.extent {
                    return Answer::Wrong("a reply about another extent");
                }
                self.durability.acknowledged();
                entry.over = true;
            }
        }
        Answer::Done(self.finish(reply.handle))
    }

    /// Notes that the data of a part of a read is in its place.
    pub(super) fn received(&mut self, handle: Handle, extent: &Extent) -> Over {
        let Some(entry) = self.table.get_mut(handle) else {
            return Over::Nothing;
        };
        if let Work::Run { pages, .. } = &mut entry.work {
            if pages.acknowledge(extent).is_ok() {
                entry.over = pages.is_done();
            }
        }
        self.finish(handle)
    }

    /// Takes out what is under `handle` if it is over and no sender works on it.
    fn finish(&mut self, handle: Handle) -> Over {
        match self.table.get(handle) {
            Some(entry) if entry.over && entry.sending == 0 => (),
            _ => return Over::Nothing,
        }
        match self.table.remove(handle).map(|entry| entry.work) {
            Some(Work::Flush { request }) => self.flushed(request),
            Some(work) => Over::Work(work),
            None => Over::Nothing,
        }
    }

    /// Goes on with a request whose flush is done.
    fn flushed(&mut self, mut request: Unique<Request>) -> Over {
        if request.is_ok() && !request.is_flushed() {
            request.set_flushed();
            self.waiting.push(request);
            return Over::Nothing;
        }
        Over::Request(request)
    }
}
