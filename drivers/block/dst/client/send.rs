// SPDX-License-Identifier: GPL-2.0

//! From the queue into the socket.
//!
//! Whoever has something to send sends it himself, together with all that others have, unless
//! somebody is sending already, or it takes long to compute something over it: that is for threads.

use super::{
    connection::Connection,
    flight::{
        Data,
        Ended,
        Outgoing, //
    },
    trace, //
};
use crate::{
    abstractions::{
        iovec::{
            Gather,
            Scatter, //
        },
        softirq::BottomHalvesOff, //
    },
    proto::{
        connection::Cause,
        units::Handle, //
    },
    wire::outbox::{
        Body,
        Outbox,
        Sent, //
    }, //
};
use kernel::prelude::*;

/// Frames that are put into one call.
pub(super) const BATCH: usize = 32;

/// Calls that one sender makes for all before it leaves the rest to the connection's job: it may be
/// one who submits, and has something else to do.
const CALLS: usize = 4;

/// The data that follows the header of a request.
pub(super) struct Sending {
    handle: Handle,
    data: Data,
}

impl Body for Sending {
    fn len(&self) -> usize {
        self.data.len
    }

    fn gather<'a>(&'a self, skip: usize, list: &mut Gather<'a>) -> bool {
        let Data {
            request,
            offset,
            len,
        } = &self.data;

        request
            .bio()
            .is_some_and(|bio| list.push_bio(bio, offset + skip, len.saturating_sub(skip)))
    }

    fn scatter<'a>(&'a self, _list: &mut Scatter<'a>) -> bool {
        // It belongs to whoever writes it.
        false
    }
}

/// What a connection sends with. All lists have room for a batch.
pub(super) struct Sender {
    /// Frames on their way into the socket.
    pub(super) outbox: Outbox<Sending>,
    /// What goes into the outbox next.
    next: KVec<Outgoing>,
    /// What was in frames all of which are with the socket.
    sent: KVec<Sending>,
    /// What is over.
    ended: Ended,
}

impl Sender {
    /// Allocates all that is needed to send. Process context.
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            outbox: Outbox::new(BATCH)?,
            next: KVec::with_capacity(BATCH, GFP_KERNEL)?,
            sent: KVec::with_capacity(BATCH, GFP_KERNEL)?,
            ended: Ended::new(BATCH)?,
        })
    }
}

impl Connection {
    /// Sends all there is to send and room for. Process context; does not wait for room.
    pub(super) fn transmit(&self) {
        self.ear.begin();
        if self.sender.enter(|sender| self.drain(sender)) {
            self.job.schedule();
        }
        if self.ear.end() {
            self.catch_up();
        }
    }

    /// Fills and empties the outbox until there is nothing more to send, or no room, but not for
    /// ever.
    fn drain(&self, sender: &mut Sender) {
        for _ in 0..CALLS {
            if self.is_over() {
                return;
            }

            let Ok(more) = self.fill(sender) else {
                self.over(Cause::Lost);
                return;
            };
            if sender.outbox.is_empty() {
                return;
            }

            let Sender { outbox, sent, .. } = sender;
            // More may follow, but nobody knows: what is here must not wait for it.
            let result = outbox.send(
                &self.socket,
                false,
                |sending| drop(sent.push_within_capacity(sending)),
                || (),
            );
            let room = self.sent(sender);

            match result {
                Ok(Sent::All) => self.note_tx(),
                Ok(Sent::Blocked) => return,
                Err(error) => {
                    self.broken(error);
                    return;
                }
            }
            if !more && !room {
                return;
            }
        }
        self.job.schedule();
    }

    /// Puts as much as there is, and fits, into the outbox, unless there is something in it. Returns
    /// whether there may be more.
    fn fill(&self, sender: &mut Sender) -> Result<bool> {
        if !sender.outbox.is_empty() {
            return Ok(true);
        }
        if !self.fill_control(&mut sender.outbox) {
            return Err(EIO);
        }
        loop {
            let Sender {
                outbox,
                next,
                ended,
                ..
            } = sender;
            let room = outbox.room_for_any();

            if room == 0 {
                return Ok(true);
            }

            let more = self
                .storage
                .queue
                .lock()
                .take(self.number, self.stamp, room, next, ended);

            if ended.end() {
                self.feed_later();
            }
            for outgoing in next.drain_all() {
                if !self.put(outbox, outgoing) {
                    return Err(EIO);
                }
            }
            if !more {
                return Ok(false);
            }
        }
    }

    /// Puts a request into the outbox. Returns false if that failed.
    fn put(&self, outbox: &mut Outbox<Sending>, outgoing: Outgoing) -> bool {
        let Outgoing {
            handle,
            ask,
            data,
            resent,
        } = outgoing;
        let header = ask.header(handle, self.stamp);

        trace::send(self, &header);
        if resent > 0 {
            self.storage.counters.resent(resent);
        }
        outbox
            .push(&header, &[], data.map(|data| Sending { handle, data }))
            .is_ok()
    }

    /// Notes that all of some frames with data is with the socket. Returns whether something has
    /// ended by that, so that there is room for more.
    fn sent(&self, sender: &mut Sender) -> bool {
        let Sender { sent, ended, .. } = sender;

        if sent.is_empty() {
            return false;
        }
        {
            let mut queue = self.storage.queue.lock();

            // There is room for all of them.
            sent.iter()
                .for_each(|sending| ended.push(queue.sent(sending.handle)));
        }

        let any = {
            // For the reason that `Ended::end` has.
            let _atomic = BottomHalvesOff::new();

            // They hold on to the requests; if one was answered meanwhile, it ends just now.
            sent.clear();
            ended.end()
        };

        self.feed_later();
        any
    }

    /// Has bios looked after that have waited for memory.
    fn feed_later(&self) {
        if self.storage.queue.lock().has_starved() {
            self.job.schedule();
        }
    }
}
