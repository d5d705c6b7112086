// SPDX-License-Identifier: GPL-2.0

//! From the queue into the socket.
//!
//! Whoever has something to send sends it himself, together with all that others have, unless
//! somebody is sending already.

use super::{
    connection::Connection,
    flight::{
        Data,
        Outgoing,
        Over, //
    },
    trace, //
};
use crate::{
    abstractions::iovec::{
        Gather,
        Scatter, //
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

/// Frames that are put into one call.
pub(super) const BATCH: usize = 32;

/// Calls that one sender makes for all before it leaves the rest to the connection's job: it may be
/// one who submits, and has something else to do.
const CALLS: usize = 4;

/// What follows the header of a request, and what to note when all of it is with the socket.
pub(super) struct Sending {
    handle: Handle,
    data: Option<Data>,
}

impl Body for Sending {
    fn len(&self) -> usize {
        self.data.as_ref().map_or(0, |data| data.len)
    }

    fn gather<'a>(&'a self, skip: usize, list: &mut Gather<'a>) -> bool {
        let Some(data) = &self.data else {
            return true;
        };
        match data.request.bio() {
            Some(bio) => list.push_bio(bio, data.offset + skip, data.len.saturating_sub(skip)),
            None => false,
        }
    }

    fn scatter<'a>(&'a self, _list: &mut Scatter<'a>) -> bool {
        // It belongs to whoever writes it.
        false
    }
}

impl Connection {
    /// Sends all there is to send and room for. Process context; does not wait for room.
    pub(super) fn transmit(&self) {
        if self.sender.enter(|outbox| self.drain(outbox)) {
            self.job.schedule();
        }
    }

    /// Fills and empties the outbox until there is nothing more to send, or no room, but not for
    /// ever.
    fn drain(&self, outbox: &mut Outbox<Sending>) {
        for _ in 0..CALLS {
            if self.is_over() {
                return;
            }
            if outbox.is_empty() && !self.fill(outbox) {
                self.over(Cause::Lost);
                return;
            }
            if outbox.is_empty() {
                return;
            }
            // More may follow, but nobody knows: what is here must not wait for it.
            match outbox.send(&self.socket, false, |sending| self.sent(sending), || ()) {
                Ok(Sent::All) => self.note_tx(),
                Ok(Sent::Blocked) => return,
                Err(error) => {
                    self.broken(error);
                    return;
                }
            }
        }
        self.job.schedule();
    }

    /// Puts as much as there is, and fits, into the outbox. Returns false if that failed.
    fn fill(&self, outbox: &mut Outbox<Sending>) -> bool {
        if !self.fill_control(outbox) {
            return false;
        }
        while outbox.room() > 0 {
            let mut over = Over::Nothing;
            let next = self
                .storage
                .queue
                .lock()
                .next(self.number, self.stamp, &mut over);

            match (next, over) {
                (Some(outgoing), over) => {
                    drop(over);
                    if !self.put(outbox, outgoing) {
                        return false;
                    }
                }
                (None, Over::Nothing) => break,
                (None, over) => drop(over),
            }
        }
        true
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
            .push(&header, &[], Some(Sending { handle, data }))
            .is_ok()
    }

    /// Notes that all of a frame is with the socket.
    fn sent(&self, sending: Sending) {
        let over = self.storage.queue.lock().sent(sending.handle);

        drop(sending);
        drop(over);
    }
}
