// SPDX-License-Identifier: GPL-2.0

//! What becomes of work that was sent: replies are matched to it, and it ends.

use super::{
    flight::{
        Answer,
        Data,
        Over,
        Place, //
    },
    queue::Queue,
    request::Request,
    split::{
        Kind,
        Work, //
    },
    status::block_status, //
};
use crate::{
    abstractions::{
        block_status::BlockStatus,
        mempool::Unique, //
    },
    proto::{
        request::Reply,
        run::Extent,
        units::Handle, //
    }, //
};

impl Queue {
    /// Notes that a sender is done with a frame of `handle`.
    pub(super) fn sent(&mut self, handle: Handle) -> Over {
        let Some(entry) = self.table.get_mut(handle) else {
            return Over::Nothing;
        };
        entry.sending = entry.sending.saturating_sub(1);
        self.finish(handle)
    }

    /// Takes back the `credits` of a reply that came over the connection `number`, all of which has
    /// been received: until then the server may still hold what they are for.
    ///
    /// # Errors
    ///
    /// The rule of the protocol that the server broke.
    pub(super) fn give(&mut self, number: u16, credits: u32) -> Result<(), &'static str> {
        let carrier = self
            .carriers
            .get_mut(usize::from(number))
            .ok_or("a reply over no connection")?;

        carrier
            .window
            .give(credits)
            .map_err(|_| "more credits than granted")
    }

    /// Finds out what `reply`, which came over the connection `number`, means. If it `is_whole`,
    /// nothing of it is still to come.
    pub(super) fn answer(&mut self, number: u16, reply: &Reply, is_whole: bool) -> Answer {
        if is_whole {
            if let Err(text) = self.give(number, reply.credits) {
                return Answer::Wrong(text);
            }
        }
        let Some(entry) = self.table.get_mut(reply.handle) else {
            return Answer::Stale;
        };
        if entry.over {
            return Answer::Stale;
        }
        if entry.place != Place::Carried(number) {
            return Answer::Wrong("a reply over another connection");
        }
        if entry.work.opcode() != reply.opcode {
            return Answer::Wrong("a reply to another operation");
        }
        if !reply.status.is_ok() {
            entry.work.note(block_status(reply.opcode, reply.status));
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
            Work::Barrier => {
                match reply.status.is_ok() {
                    true => self.durability.settled(entry.mark),
                    false => self.durability.unsettled(),
                }
                self.settled = Some(block_status(reply.opcode, reply.status));
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

    /// Notes that the data of `reply` about a part of a read, which came over the connection `number`,
    /// is in its place.
    ///
    /// # Errors
    ///
    /// The rule of the protocol that the server broke.
    pub(super) fn received(
        &mut self,
        number: u16,
        reply: &Reply,
        extent: &Extent,
    ) -> Result<Over, &'static str> {
        self.give(number, reply.credits)?;

        let Some(entry) = self.table.get_mut(reply.handle) else {
            return Ok(Over::Nothing);
        };

        if let Work::Run { pages, .. } = &mut entry.work {
            if pages.acknowledge(extent).is_ok() {
                entry.over = pages.is_done();
            }
        }
        Ok(self.finish(reply.handle))
    }

    /// Takes out what is under `handle` if it is over and no sender works on it.
    pub(super) fn finish(&mut self, handle: Handle) -> Over {
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

    /// Goes on with a request whose flush is done. It has waited for its turn already.
    fn flushed(&mut self, mut request: Unique<Request>) -> Over {
        if request.is_ok() && !request.is_flushed() {
            request.set_flushed();
            self.waiting.push_front(request);
            return Over::Nothing;
        }
        Over::Request(request)
    }
}
