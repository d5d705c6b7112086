// SPDX-License-Identifier: GPL-2.0

//! The replies to the requests of a connection.
//!
//! Replies leave in the order in which requests are done, as many in one call as there are. The
//! data of reads is not copied: the network gets references to the pages.

use crate::{
    abstractions::iovec::{
        Gather,
        Scatter, //
    },
    proto::{
        credits::Grant,
        frame::Header,
        opcode::Opcode,
        units::Handle, //
    },
    wire::{
        fault::Fault,
        inbox::Destination,
        outbox::{
            Body,
            Refused,
            Sent, //
        }, //
    }, //
};

use super::{
    chain::Chain,
    channel::Channel,
    connection::{
        Connection,
        End, //
    },
    io::IoBox,
    memory::Memory,
    serve::Serving,
    trace, //
};

/// Room in the outbox that is not used for the replies of requests, but for those of pings.
const OUTBOX_SPARE: usize = 16;

/// A request in the outbox, whose data follows the header of the reply.
pub(super) struct Data(IoBox);

impl Body for Data {
    fn len(&self) -> usize {
        self.0.reply_payload()
    }

    fn gather<'a>(&'a self, skip: usize, list: &mut Gather<'a>) -> bool {
        self.0.gather(skip, list)
    }

    fn scatter<'a>(&'a self, list: &mut Scatter<'a>) -> bool {
        // It is read again for whoever asks again.
        Destination::scatter(&**self.0, 0, list);
        true
    }
}

impl Serving {
    /// Sends the replies of requests that are done, as far as there is room.
    pub(super) fn answer(
        &mut self,
        connection: &Connection,
        channel: &mut Channel,
    ) -> Result<(), End> {
        let link = &connection.link;

        loop {
            self.fill(channel)?;

            let more = !self.finished.is_empty();
            let job = self.mailbox.job();
            let sent = channel
                .outbox
                .send(
                    &channel.socket,
                    more,
                    |data| retire(&mut self.grant, &mut self.memory, &mut self.stock, data.0),
                    || job.share(),
                )
                .map_err(|error| End::Fault(Fault::Socket(error)))?;

            // What the client has received is as good as what it has sent.
            if channel.outbox.is_relieved() {
                link.hear(connection.registry.clock.now());
            }
            link.set_blocked(sent == Sent::Blocked);
            if sent == Sent::Blocked || self.finished.is_empty() {
                return Ok(());
            }
        }
    }

    /// Puts the replies of requests that are done into the outbox.
    fn fill(&mut self, channel: &mut Channel) -> Result<(), End> {
        while channel.outbox.room() > OUTBOX_SPARE {
            let Some(mut io) = self.finished.pop() else {
                break;
            };
            let header = io.reply(io.cost).header(self.stamp());
            let tells = io.tells.take();

            match channel.outbox.push(&header, &[], Some(Data(io))) {
                Ok(()) => (),
                Err(Refused::Full(Some(mut data))) => {
                    data.0.tells = tells;
                    self.finished.push_front(data.0);
                    break;
                }
                Err(Refused::Full(None) | Refused::Failed) => return Err(End::Failed),
            }
            // Its answer shows that the reply has arrived.
            if let Some(count) = tells {
                if !channel.push_bare(Header::request(Opcode::Ping, Handle(count), self.stamp())) {
                    return Err(End::Failed);
                }
            }
        }
        Ok(())
    }
}

/// Takes back what a request needed whose reply was sent.
fn retire(grant: &mut Grant, memory: &mut Memory, stock: &mut Chain, mut io: IoBox) {
    trace::reply(&io);
    // The reply has given back all that it took.
    let _ = grant.release(io.cost);
    memory.put(&mut io.pages);
    stock.push(io);
}
