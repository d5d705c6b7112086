// SPDX-License-Identifier: GPL-2.0

//! What a storage has to do: requests that wait, and work that is under way.
//!
//! A [`Queue`] is data under one spinlock. Nothing is ended in here: what is over is handed to the
//! caller, who drops it when he has released the lock.
//!
//! Work that is under way is in the table, and has a [`Place`]: it waits in the ring until some
//! connection takes it; if that connection breaks, it is unfenced until the server has said that
//! it will not touch it any more, and goes back to the ring. How it gets from the requests to the
//! connections is in [`super::dispatch`], what becomes of it in [`super::answer`].

use super::{
    flight::{
        InFlight,
        Over,
        Place, //
    },
    request::Request,
    split::{
        Split,
        Work, //
    },
    trace,
    waits::Waits, //
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
        credits::Window,
        durability::Durability,
        geometry::Geometry,
        inflight::{
            Slot,
            Table, //
        },
        negotiate::MAX_CONNECTIONS,
        ring::Ring,
        session::Resend,
        units::Stamp, //
    }, //
};
use kernel::{
    prelude::*,
    time::{
        Instant,
        Monotonic, //
    }, //
};

/// Pieces of work that can be under way at the same time.
pub(super) const DEPTH: usize = 256;

/// What happens to requests.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    /// They are carried out as soon as there is a connection.
    Open,
    /// They wait until somebody says otherwise. What is under way goes on.
    Held,
    /// They fail until there is a connection.
    Failing(BlockStatus),
    /// They fail for ever.
    Dead(BlockStatus),
}

/// A connection as the queue sees it.
#[derive(Clone, Copy, Default)]
pub(super) struct Carrier {
    /// Its stamp as long as it may take work.
    pub(super) stamp: Option<Stamp>,
    /// What the server lets it have under way.
    pub(super) window: Window,
    /// The slot whose pages it is sending.
    pub(super) current: Option<u32>,
    /// Since when it has something to send and no room for it on the server.
    pub(super) waiting: Option<Instant<Monotonic>>,
}

impl Carrier {
    /// Returns whether it has sent some pages of its work, and not the others.
    fn is_half_way(&self) -> bool {
        self.stamp.is_some() && self.current.is_some()
    }
}

type Vector<T> = KVVec<T>;

/// See the module's documentation.
pub(super) struct Queue {
    pub(super) gate: Gate,
    pub(super) geometry: Geometry,
    pub(super) carriers: KVec<Carrier>,
    /// How many of the carriers have ever taken work: the first ones.
    used: usize,
    pub(super) durability: Durability,
    /// Bios for which there was no memory.
    starved: bio::List,
    pub(super) waiting: Fifo<Request>,
    pub(super) split: Option<Split>,
    pub(super) table: Table<InFlight, Vector<Slot<InFlight>>>,
    /// Slots that wait for a connection.
    pub(super) ring: Ring<Vector<u32>>,
    /// How the last flush of the storage's own ended.
    pub(super) settled: Option<BlockStatus>,
    /// How connections have waited for the server to have room.
    pub(super) waits: Waits,
    /// Whether the session is up: what is fenced next is only what one connection had.
    is_up: bool,
    /// Whether requests have failed that the server may still carry out.
    abandoned: bool,
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
            gate: Gate::Open,
            geometry: Geometry::default(),
            carriers: KVec::from_elem(Carrier::default(), MAX_CONNECTIONS.into(), GFP_KERNEL)?,
            used: 0,
            durability: Durability::default(),
            starved: bio::List::new(),
            waiting: Fifo::new(),
            split: None,
            table: Table::new(slots),
            ring: Ring::new(places),
            settled: None,
            waits: Waits::default(),
            is_up: false,
            abandoned: false,
        })
    }

    /// Returns the status with which everything fails now, if that is so.
    pub(super) fn failing(&self) -> Option<BlockStatus> {
        match self.gate {
            Gate::Failing(status) | Gate::Dead(status) => Some(status),
            Gate::Open | Gate::Held => None,
        }
    }

    /// Returns whether everything fails for ever.
    pub(super) fn is_dead(&self) -> bool {
        matches!(self.gate, Gate::Dead(_))
    }

    /// Returns whether the server may still carry out what was asked for in the session: what is
    /// under way, or has failed without being fenced.
    pub(super) fn is_indebted(&self) -> bool {
        self.in_flight() > 0 || self.abandoned
    }

    /// Returns the number of pieces of work under way.
    pub(super) fn in_flight(&self) -> u32 {
        self.table.len()
    }

    /// Returns how connections have waited for the server to have room, until now.
    pub(super) fn waits(&self) -> Waits {
        let mut waits = self.waits;

        for carrier in &self.carriers {
            let mut since = carrier.waiting;

            waits.end(&mut since);
        }
        waits
    }

    /// Returns whether there is something that a connection could take now.
    pub(super) fn has_work(&self) -> bool {
        !self.ring.is_empty() || self.may_begin()
    }

    /// Returns whether something waits that can go on when something else has ended.
    pub(super) fn wants_service(&self) -> bool {
        let mut carriers = self.carriers.iter().take(self.used);

        self.has_starved() || self.has_work() || carriers.any(Carrier::is_half_way)
    }

    /// Returns whether bios wait for memory.
    pub(super) fn has_starved(&self) -> bool {
        !self.starved.is_empty()
    }

    /// Returns whether there is something that could be put under way.
    fn may_begin(&self) -> bool {
        self.gate == Gate::Open
            && !self.table.is_full()
            && (self.split.is_some() || !self.waiting.is_empty())
    }

    /// Takes a new description of the disk.
    pub(super) fn set_geometry(&mut self, geometry: Geometry) {
        self.geometry = geometry;
    }

    /// Puts in a request; it comes back if everything fails now.
    pub(super) fn submit(&mut self, request: Unique<Request>) -> Result<(), Unique<Request>> {
        if let Some(status) = self.failing() {
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

    /// Lets new requests wait. Returns whether they did not yet; [`None`] if all fail for ever.
    pub(super) fn hold(&mut self) -> Option<bool> {
        if self.is_dead() {
            return None;
        }
        Some(core::mem::replace(&mut self.gate, Gate::Held) != Gate::Held)
    }

    /// Ends what [`Self::hold`] began. Returns whether they did wait.
    pub(super) fn resume(&mut self) -> bool {
        let held = self.gate == Gate::Held;

        if held {
            self.gate = Gate::Open;
        }
        held
    }

    /// Notes that the server was restarted and may have lost what was in its cache; returns whether
    /// that matters. If it does, the next flush fails.
    ///
    /// Of writes that are under way all pages are sent again: the data of those that were
    /// acknowledged is still here.
    pub(super) fn restarted(&mut self) -> bool {
        for (_, entry) in self.table.iter_mut() {
            entry.work.forget_written();
            if entry.place == Place::Waiting {
                entry.to_send = entry.work.to_send();
            }
        }
        self.durability.restarted()
    }

    /// Lets the connection `number` take work, which the server has welcomed with `stamp` and
    /// `window`. What the welcome fences, as `resend` says, may be sent again by any connection.
    ///
    /// That gets new handles, so that a reply to what was sent before is one to nothing. If
    /// everything has failed because there was no connection, that is over.
    pub(super) fn open(&mut self, number: u16, stamp: Stamp, window: u32, resend: Resend) {
        if self.is_dead() {
            return;
        }
        if matches!(self.gate, Gate::Failing(_)) {
            self.gate = Gate::Open;
        }
        self.is_up = true;
        self.abandoned &= resend != Resend::Session;
        if let Some(carrier) = self.carriers.get_mut(usize::from(number)) {
            *carrier = Carrier {
                stamp: Some(stamp),
                window: Window::new(window),
                current: None,
                waiting: None,
            };
            self.used = self.used.max(usize::from(number) + 1);
        }
        for slot in 0..self.table.capacity() {
            let Some((handle, entry)) = self.table.at_mut(slot) else {
                continue;
            };
            match (entry.place, resend) {
                (Place::Unfenced(_), Resend::Session) => (),
                (Place::Unfenced(by), Resend::Connection) if by == number => (),
                _ => continue,
            }
            if entry.over {
                // Whoever let go of it is about to take it out.
                continue;
            }
            entry.send_again();
            if let Some(new) = self.table.renew(handle) {
                trace::resend(new, handle, || Some(&self.table.get(new)?.work));
            }
            // The ring has a place for each slot.
            let _ = self.ring.push(slot);
        }
    }

    /// Lets the connection `number` take no more work.
    pub(super) fn shut(&mut self, number: u16) {
        if let Some(carrier) = self.carriers.get_mut(usize::from(number)) {
            carrier.stamp = None;
            carrier.current = None;
            self.waits.end(&mut carrier.waiting);
        }
    }

    /// Notes that the session has lost its last connection. The caller has it locked: whatever is
    /// fenced next is all that was asked for in it.
    pub(super) fn down(&mut self) {
        self.is_up = false;
    }

    /// Returns whether the connection `number` has work.
    pub(super) fn is_carrying(&self, number: u16) -> bool {
        self.table
            .iter()
            .any(|(_, entry)| entry.place == Place::Carried(number))
    }

    /// Returns whether the connection `number`, which is closed, had work that the server may still
    /// carry out.
    pub(super) fn is_unfenced(&self, number: u16) -> bool {
        self.table
            .iter()
            .any(|(_, entry)| entry.place == Place::Unfenced(number) && !entry.over)
    }

    /// Notes that the connection `number`, which was shut, is closed, and that the network does not
    /// refer to memory any more that was sent over it. What is over by that has to be taken out
    /// with [`Self::pop`].
    pub(super) fn let_go(&mut self, number: u16) {
        for (_, entry) in self.table.iter_mut() {
            entry.let_go(number);
        }
    }

    /// Lets everything fail with `status` until there is a connection. What is there has to be
    /// taken out with [`Self::pop`]. Returns whether it did not fail yet, and does not wait; nothing
    /// is changed if there is a connection by now.
    pub(super) fn fail(&mut self, status: BlockStatus) -> bool {
        let open = self.gate == Gate::Open && !self.is_up;

        if open {
            self.gate = Gate::Failing(status);
        }
        open
    }

    /// Lets everything fail with `status` for ever, see [`Self::fail`].
    pub(super) fn kill(&mut self, status: BlockStatus) {
        self.gate = Gate::Dead(status);
    }

    /// Takes out something that is over: work that was answered and that no sender refers to any
    /// more, or, if everything fails, whatever no connection has. [`Over::Nothing`] if there is
    /// nothing like that.
    pub(super) fn pop(&mut self) -> Over {
        loop {
            let done = |entry: &InFlight| entry.over && entry.sending == 0;
            let found = self.table.iter().find(|(_, entry)| done(entry));
            let Some(handle) = found.map(|(handle, _)| handle) else {
                break;
            };
            match self.finish(handle) {
                // The request goes on; there may be more like it.
                Over::Nothing => continue,
                over => return over,
            }
        }
        match self.failing() {
            Some(status) => self.pop_failed(status),
            None => Over::Nothing,
        }
    }

    /// Takes out something that fails with `status`.
    fn pop_failed(&mut self, status: BlockStatus) -> Over {
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
        while let Some(slot) = self.ring.pop() {
            if let over @ Over::Work(_) = self.remove(slot, status) {
                return over;
            }
        }
        let unfenced = |entry: &InFlight| matches!(entry.place, Place::Unfenced(_));
        let found = self.table.iter().find(|(_, entry)| unfenced(entry));

        match found.map(|(handle, _)| handle.slot()) {
            Some(slot) => self.remove(slot, status),
            None => Over::Nothing,
        }
    }

    /// Takes out what is in `slot`, and notes that it ends with `status`.
    fn remove(&mut self, slot: u32, status: BlockStatus) -> Over {
        let handle = self.table.at(slot).map(|(handle, _)| handle);

        match handle.and_then(|handle| self.table.remove(handle)) {
            Some(entry) => {
                if matches!(entry.work, Work::Barrier) {
                    self.settled = Some(status);
                }
                self.abandoned |= matches!(entry.place, Place::Unfenced(_));
                entry.work.note(status);
                Over::Work(entry.work)
            }
            None => Over::Nothing,
        }
    }

    /// Takes out something that has waited for at least `limit` milliseconds and that may end, with
    /// a timeout. [`Over::Nothing`] if there is nothing like that; then `stuck` says whether
    /// something has waited for so long that may not end yet.
    ///
    /// What the server may still carry out does not end as long as the session is up: something
    /// newer could go over another connection of it and be overtaken.
    pub(super) fn pop_overdue(&mut self, limit: u32, stuck: &mut bool) -> Over {
        let status = BlockStatus::Timeout;

        if self.gate != Gate::Open {
            return Over::Nothing;
        }
        if self.waiting.front().is_some_and(|it| it.age_ms() >= limit) {
            if let Some(request) = self.waiting.pop() {
                request.note(status);
                return Over::Request(request);
            }
        }
        if self.split.as_ref().is_some_and(|it| it.age_ms() >= limit) {
            if let Some(split) = self.split.take() {
                split.note(status);
                return Over::Split(split);
            }
        }

        let mut overdue = None;

        for (handle, entry) in self.table.iter() {
            if entry.over || entry.work.age_ms() < limit {
                continue;
            }
            match entry.place {
                Place::Carried(_) => *stuck = true,
                Place::Unfenced(_) if self.is_up => *stuck = true,
                Place::Waiting | Place::Unfenced(_) => overdue = Some((handle.slot(), entry.place)),
            }
        }
        let Some((slot, place)) = overdue else {
            return Over::Nothing;
        };
        if place == Place::Waiting {
            self.leave_ring(slot);
        }
        self.remove(slot, status)
    }

    /// Takes `slot` out of the ring.
    fn leave_ring(&mut self, slot: u32) {
        for _ in 0..self.ring.len() {
            match self.ring.pop() {
                Some(other) if other != slot => {
                    // There is room: one was taken out.
                    let _ = self.ring.push(other);
                }
                _ => (),
            }
        }
    }
}
