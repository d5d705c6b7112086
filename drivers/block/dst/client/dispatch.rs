// SPDX-License-Identifier: GPL-2.0

//! From the requests that wait to the frames that a connection sends.

use super::{
    flight::{
        Data,
        Ended,
        InFlight,
        Outgoing,
        Over,
        Place, //
    },
    queue::{
        Gate,
        Queue, //
    },
    split::{
        begin,
        First,
        Kind,
        Work, //
    },
    trace, //
};
use crate::{
    abstractions::bio::Operation,
    proto::{
        request::Request,
        run::Run,
        units::{
            PageMask,
            Stamp, //
        }, //
    }, //
};
use kernel::prelude::*;

/// Bytes from which on something is computed over the data of a write by a thread, and not by who
/// submits it: there may be others to compute over what comes next.
const BULK: u32 = 1 << 14;

impl Queue {
    /// Returns whether what is sent next is a write of much data.
    pub(super) fn is_next_bulk(&self) -> bool {
        let next = match &self.split {
            Some(split) => Some(split.request()),
            None => self.waiting.front(),
        };

        next.and_then(|request| request.bio())
            .is_some_and(|bio| bio.operation() == Operation::Write && bio.len() > BULK)
    }

    /// Moves up to `most` things that the connection `number` with `stamp` has to send next to `list`,
    /// as far as there are any, the server has room for them and `list` for more. What is over without
    /// having been sent goes to `ended`. Returns whether there may be more.
    pub(super) fn take(
        &mut self,
        number: u16,
        stamp: Stamp,
        most: usize,
        list: &mut KVec<Outgoing>,
        ended: &mut Ended,
    ) -> bool {
        while list.len() < most.min(list.capacity()) && ended.has_room() {
            let mut over = Over::Nothing;
            let next = self.next(number, stamp, &mut over);
            let is_last = next.is_none() && matches!(over, Over::Nothing);

            ended.push(over);
            if let Some(outgoing) = next {
                // There is room, see above.
                let _ = list.push_within_capacity(outgoing);
            }
            if is_last {
                return false;
            }
        }
        true
    }

    /// Returns what the connection `number` with `stamp` has to send next, if there is anything and
    /// the server has room for it. What is over without having been sent goes to `over`; there is
    /// nothing more to send until that was taken away.
    fn next(&mut self, number: u16, stamp: Stamp, over: &mut Over) -> Option<Outgoing> {
        loop {
            let carrier = self.carriers.get(usize::from(number))?;

            if carrier.stamp != Some(stamp) {
                return None;
            }
            if let Some(slot) = carrier.current.or(self.ring.front()) {
                return self.outgoing(number, slot);
            }
            if !matches!(over, Over::Nothing) || !self.begin_next(over) {
                self.end_wait(number);
                return None;
            }
        }
    }

    /// Notes that the connection `number` does not wait for the server to have room.
    fn end_wait(&mut self, number: u16) {
        if let Some(carrier) = self.carriers.get_mut(usize::from(number)) {
            self.waits.end(&mut carrier.waiting);
        }
    }

    /// Makes the next frame of what is in `slot` for the connection `number`; [`None`] if there are
    /// not enough credits.
    fn outgoing(&mut self, number: u16, slot: u32) -> Option<Outgoing> {
        let (handle, entry) = self.table.at_mut(slot)?;
        let carrier = self.carriers.get_mut(usize::from(number))?;
        let (first, count) = entry.to_send.lowest_range()?;
        let (ask, data) = frame(&entry.work, first, count)?;

        if !carrier.window.take(ask.cost()) {
            self.waits.begin(&mut carrier.waiting);
            return None;
        }
        self.waits.end(&mut carrier.waiting);
        if carrier.current.is_none() {
            // It was the first of those that wait.
            self.ring.pop();
        }
        entry.place = Place::Carried(number);
        entry.to_send = entry.to_send.without(PageMask::range(first, count));
        // Only what has data keeps a sender from letting go of it.
        entry.sending += u32::from(data.is_some());
        entry.mark = self.durability.flush_sent();
        carrier.current = match entry.to_send.is_empty() {
            true => None,
            false => Some(slot),
        };
        Some(Outgoing {
            handle,
            ask,
            data,
            resent: if entry.resent { count } else { 0 },
        })
    }

    /// Puts the next piece of a waiting request under way; returns whether there was one, and room
    /// for it.
    fn begin_next(&mut self, over: &mut Over) -> bool {
        if self.gate != Gate::Open || self.table.is_full() {
            return false;
        }

        let split = match self.split.take() {
            Some(split) => split,
            None => {
                let Some(request) = self.waiting.pop() else {
                    return false;
                };

                match begin(request, &self.geometry) {
                    First::Split(split) => split,
                    First::Flush(request) => {
                        self.put_under_way(Work::Flush { request });
                        return true;
                    }
                    First::Over(request) => {
                        *over = Over::Request(request);
                        return true;
                    }
                }
            }
        };

        match split.next() {
            Ok((work, rest)) => {
                self.split = rest;
                self.put_under_way(work);
            }
            Err(split) => *over = Over::Split(split),
        }
        true
    }

    /// Puts a flush of the storage's own under way; how it ends is in `settled`. Returns false if
    /// there is no room, which there is if nothing else is under way.
    pub(super) fn settle(&mut self) -> bool {
        if self.table.is_full() {
            return false;
        }
        self.settled = None;
        self.put_under_way(Work::Barrier);
        true
    }

    /// Puts `work` under way. There has to be room in the table.
    fn put_under_way(&mut self, work: Work) {
        if let Ok(handle) = self.table.insert(InFlight::new(work)) {
            trace::split(handle, || Some(&self.table.get(handle)?.work));
            // The ring has a place for each slot.
            let _ = self.ring.push(handle.slot());
        }
    }
}

/// Returns what is asked of the server to carry out the pages of `work` from `first` on, so many of
/// them, and the data that goes with it.
fn frame(work: &Work, first: u32, count: u32) -> Option<(Request, Option<Data>)> {
    Some(match work {
        Work::Run {
            request,
            pages,
            offset,
            kind,
        } => {
            let part = pages.run().part(first, count)?;
            let run = Run::new(part)?;
            let before = pages.run().extent().offset_of(&part)?;

            match *kind {
                Kind::Read => (Request::Read { run }, None),
                Kind::Write { fua } => {
                    let data = Data {
                        request: request.clone(),
                        offset: offset + before.bytes() as usize,
                        len: part.len().bytes() as usize,
                    };

                    (Request::Write { run, fua }, Some(data))
                }
            }
        }
        Work::Flush { .. } | Work::Barrier => (Request::Flush, None),
        Work::Extent { ask, .. } => (*ask, None),
    })
}
