// SPDX-License-Identifier: GPL-2.0

//! The requests of a connection: received, checked and submitted.
//!
//! What a request needs is there before it is accepted: credits, pages and an
//! [`Io`](super::io::Io). If memory is short, the connection stops reading until there is some.

use kernel::{
    page::PAGE_SIZE,
    prelude::*, //
};

use crate::{
    proto::{
        frame::Header,
        limits::{
            self,
            Consequence,
            Violation, //
        },
        opcode::Opcode,
        request::Request,
        run::Extent,
        status::Status, //
    },
    wire::inbox::Arrived, //
};

use super::{
    channel::Channel,
    connection::{
        After,
        Connection,
        End, //
    },
    io::{
        Io,
        IoBox, //
    },
    memory::Short,
    serve::Serving, //
};

/// Frames that are received in one go.
const FRAME_BUDGET: usize = 64;

/// Bytes of data that are received in one go.
const BYTE_BUDGET: usize = 1 << 20;

/// Bytes of data after which others are let have what waits for this thread.
const SHARE: usize = 1 << 18;

/// Pages of data that are as much to do as another request.
const PAGES: u32 = 8;

/// What is being received.
pub(super) enum Receiving {
    /// A header.
    Header,
    /// Nothing, until there is memory for this request.
    Starved(Header),
    /// The data of a write and what follows it, so many bytes of which are there.
    Data(IoBox, usize),
    /// The same of a request that was refused, so many bytes of which are still to come.
    Skip(IoBox, usize),
}

impl Serving {
    /// Receives and submits requests.
    pub(super) fn receive(
        &mut self,
        connection: &Connection,
        channel: &mut Channel,
    ) -> Result<After, End> {
        let mut bytes = 0;
        let mut frames = 0;

        while frames < FRAME_BUDGET && bytes < BYTE_BUDGET {
            connection.link.check_cut()?;

            let received = match core::mem::replace(&mut self.receiving, Receiving::Header) {
                Receiving::Header => {
                    frames += 1;
                    self.receive_header(connection, channel)?
                }
                Receiving::Starved(header) => self.request(connection, channel, header)?,
                Receiving::Data(io, have) => self.receive_data(connection, channel, io, have)?,
                Receiving::Skip(io, left) => self.skip_data(connection, channel, io, left)?,
            };

            match received {
                Some(len) => {
                    if (bytes + len) / SHARE > bytes / SHARE {
                        self.mailbox.job().share();
                    }
                    bytes += len;
                }
                None => return Ok(After::Rest),
            }
            // Every byte is a sign of life, or a slow client would be taken for a dead one.
            connection.link.hear(connection.registry.clock.now());
        }
        Ok(After::Again)
    }

    /// Receives a header and does what it says. Returns the number of bytes, [`None`] if there is
    /// nothing more to be done now.
    fn receive_header(
        &mut self,
        connection: &Connection,
        channel: &mut Channel,
    ) -> Result<Option<usize>, End> {
        // Answers to pings need room, but no credits.
        if !channel.outbox.has_room_for_bare() {
            return Ok(None);
        }
        let Some(header) = channel.inbox.header(&channel.socket)? else {
            return Ok(None);
        };

        if header.stamp != self.stamp() {
            return Err(End::Violation("frame of another epoch or generation"));
        }
        if header.reply {
            return match header.opcode == Opcode::Ping && self.heard(header.handle) {
                true => Ok(Some(0)),
                false => Err(End::Violation("answer to nothing")),
            };
        }
        match header.opcode {
            Opcode::Ping => {
                let pong = Header::answer(Opcode::Ping, header.handle, self.stamp(), Status::Ok);

                if !channel.push_bare(pong) {
                    return Err(ENOMEM.into());
                }
                Ok(Some(0))
            }
            Opcode::Bye => Err(End::Bye),
            Opcode::Hello
            | Opcode::Draining
            | Opcode::Event
            | Opcode::Initiate
            | Opcode::Join
            | Opcode::Rekey => Err(End::Violation(Violation::NotARequest.text())),
            Opcode::Read
            | Opcode::Write
            | Opcode::Flush
            | Opcode::Discard
            | Opcode::WriteZeroes => self.request(connection, channel, header),
        }
    }

    /// Checks and accepts the request of `header`; see [`Self::receive_header`] for the result.
    fn request(
        &mut self,
        connection: &Connection,
        channel: &mut Channel,
        header: Header,
    ) -> Result<Option<usize>, End> {
        let checked = limits::check(
            &header,
            &self.geometry,
            self.admission.rights,
            self.grant.left(),
        );
        let checked = match checked {
            Ok(request) => Ok(request),
            Err(violation) => match violation.consequence() {
                Consequence::Answer(status) => Err(status),
                Consequence::Disconnect => return Err(End::Violation(violation.text())),
            },
        };
        let Some(mut io) = self.take_io() else {
            return Ok(self.starve(connection, header, Short::System));
        };

        match &checked {
            Ok(request) => {
                io.accept(header.handle, request, self.admission.durable);
                if let Err(short) = self.memory.fill(&mut io.pages, pages(request)) {
                    self.memory.put(&mut io.pages);
                    self.stock.push(io);
                    return Ok(self.starve(connection, header, short));
                }
            }
            Err(status) => {
                let cost = limits::cost(&header).unwrap_or(0);
                let extent = Extent::new(header.sector, header.sectors);

                io.refuse(header.handle, header.opcode, extent, cost, *status);
            }
        }
        self.found += 1 + io.cost / PAGES;
        self.grant
            .accept(io.cost)
            .map_err(|_| End::Violation(Violation::Credits.text()))?;
        connection.link.set_starved(None);

        match checked {
            Ok(Request::Write { .. }) => self.receiving = Receiving::Data(io, 0),
            Ok(_) => self.submit(connection, io)?,
            Err(_) => match channel.inbox.waste(header.payload as usize) {
                0 => self.finish(connection, io),
                waste => self.receiving = Receiving::Skip(io, waste),
            },
        }
        Ok(Some(0))
    }

    /// Waits for memory, of which it is `short`, to accept the request of `header`.
    fn starve(&mut self, connection: &Connection, header: Header, short: Short) -> Option<usize> {
        self.receiving = Receiving::Starved(header);
        connection.link.set_starved(Some(short));
        None
    }

    /// Receives the data of a write, and what follows it, of which `have` bytes are there, and
    /// submits it.
    fn receive_data(
        &mut self,
        connection: &Connection,
        channel: &mut Channel,
        io: IoBox,
        mut have: usize,
    ) -> Result<Option<usize>, End> {
        let arrived = channel.inbox.data(&channel.socket, &**io, &mut have)?;

        match arrived {
            Some(Arrived::All(len)) => {
                self.submit(connection, io)?;
                Ok(Some(len))
            }
            Some(Arrived::Part(len)) => {
                self.receiving = Receiving::Data(io, have);
                Ok(Some(len))
            }
            None => {
                self.receiving = Receiving::Data(io, have);
                Ok(None)
            }
        }
    }

    /// Receives the data of a request that was refused, and forgets it; `left` bytes are to come.
    fn skip_data(
        &mut self,
        connection: &Connection,
        channel: &mut Channel,
        io: IoBox,
        left: usize,
    ) -> Result<Option<usize>, End> {
        let result = channel.inbox.skip(&channel.socket, left)?;

        match result {
            Some(len) if len >= left => self.finish(connection, io),
            Some(len) => self.receiving = Receiving::Skip(io, left - len),
            None => self.receiving = Receiving::Skip(io, left),
        }
        Ok(result)
    }

    /// Has a request carried out, all of which is there by now. That may have taken a while: it is
    /// looked again whether the client may still ask for it.
    fn submit(&mut self, connection: &Connection, mut io: IoBox) -> Result<(), End> {
        connection.link.check_cut()?;
        if io.command.modifies() && self.export().is_read_only() {
            io.status = Status::ReadOnly;
            self.finish(connection, io);
            return Ok(());
        }
        connection.link.begin();
        io.begin();
        self.admission.backend.submit(io);
        Ok(())
    }

    /// Notes that a request is done without having been carried out.
    fn finish(&mut self, connection: &Connection, io: IoBox) {
        self.count(connection, &io);
        self.finished.push(io);
    }

    /// Returns a request that is not in use, if there is memory.
    fn take_io(&mut self) -> Option<IoBox> {
        self.stock
            .pop()
            .or_else(|| Io::new(&self.mailbox, self.admission.backend.backlog()).ok())
    }
}

/// Returns how many pages the data of a request needs.
fn pages(request: &Request) -> usize {
    match request {
        Request::Read { run } | Request::Write { run, .. } => {
            // A run, so it is at most the size of the largest frame.
            (run.extent().len().bytes() as usize).div_ceil(PAGE_SIZE)
        }
        Request::Flush | Request::Discard { .. } | Request::WriteZeroes { .. } => 0,
    }
}
