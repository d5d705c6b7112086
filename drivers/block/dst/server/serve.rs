// SPDX-License-Identifier: GPL-2.0

//! The requests of one connection: received, checked, carried out and answered.
//!
//! What a request needs is there before it is accepted: credits, pages and an [`Io`]. If memory is
//! short, the connection stops reading until there is some. Replies never wait for requests nor
//! requests for replies: what the client has not taken yet holds credits, and those are limited.

use kernel::{
    page::PAGE_SIZE,
    prelude::*,
    sync::Arc, //
};

use crate::{
    abstractions::{
        bio_set::batch,
        crc32c::crc32c,
        iovec::{
            Gather,
            Pieces,
            Scatter, //
        }, //
    },
    proto::{
        credits::Grant,
        frame::Header,
        geometry::Geometry,
        limits::{
            self,
            Consequence,
            Violation, //
        },
        opcode::Opcode,
        request::Request,
        run::Extent,
        status::Status,
        units::{
            Stamp,
            MAX_RUN_PAGES, //
        }, //
    },
    wire::{
        headers::{
            received,
            Fault, //
        },
        outbox::{
            Body,
            Sent, //
        }, //
    }, //
};

use super::{
    connection::{
        After,
        Channel,
        Connection,
        End, //
    },
    export::Export,
    hello::Admission,
    io::{
        Chain,
        Io,
        IoBox,
        Mailbox,
        Queue, //
    },
    memory::Memory, //
};

/// Frames that are received in one go.
const FRAME_BUDGET: usize = 64;

/// Bytes of data that are received in one go.
const BYTE_BUDGET: usize = 1 << 20;

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
}

/// What is being received.
enum Receiving {
    /// A header.
    Header,
    /// Nothing, until there is memory for this request.
    Starved(Header),
    /// The data of a write, so many bytes of which are there.
    Data(IoBox, usize),
    /// The data of a request that was refused, so many bytes of which are still to come.
    Skip(IoBox, usize),
}

/// The requests of a connection.
pub(super) struct Serving {
    admission: Admission,
    mailbox: Arc<Mailbox>,
    /// What the client was told about the device.
    geometry: Geometry,
    grant: Grant,
    memory: Memory,
    /// Requests that are not in use.
    stock: Chain,
    receiving: Receiving,
    /// Requests that are done, but not in the outbox yet.
    finished: Queue,
    /// Memory for the list of what is received into.
    pieces: Pieces,
}

impl Serving {
    /// Prepares for requests of the client of `admission`, which is told that the device has this
    /// `geometry`. Requests come back to `mailbox`.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory; the admission comes back.
    pub(super) fn new(
        admission: Admission,
        geometry: Geometry,
        mailbox: &Arc<Mailbox>,
    ) -> Result<KBox<Self>, (Admission, Error)> {
        let prepare = || -> Result<_> {
            Ok((
                Memory::new(admission.window as usize, MAX_RUN_PAGES as usize)?,
                Pieces::new(MAX_RUN_PAGES as usize + 1)?,
                KBox::new_uninit(GFP_KERNEL)?,
            ))
        };
        let (memory, pieces, place) = match prepare() {
            Ok(prepared) => prepared,
            Err(error) => return Err((admission, error)),
        };

        Ok(KBox::write(
            place,
            Self {
                grant: Grant::new(admission.window),
                admission,
                mailbox: mailbox.clone(),
                geometry,
                memory,
                stock: Chain::new(),
                receiving: Receiving::Header,
                finished: Queue::new(),
                pieces,
            },
        ))
    }

    /// Returns the export.
    pub(super) fn export(&self) -> &Export {
        &self.admission.export
    }

    /// Returns the export and drops everything else.
    pub(super) fn into_export(self: KBox<Self>) -> Arc<Export> {
        self.admission.export.clone()
    }

    /// Returns the epoch and the generation of the connection.
    pub(super) fn stamp(&self) -> Stamp {
        self.admission.stamp
    }

    /// Counts that the client broke the protocol.
    pub(super) fn violated(&self) {
        self.admission.counters.violated();
        self.export().counters.violated();
    }

    /// Does what there is to do now, within limits.
    ///
    /// # Errors
    ///
    /// Why the connection has to end.
    pub(super) fn turn(
        &mut self,
        connection: &Connection,
        channel: &mut Channel,
    ) -> Result<After, End> {
        self.reap(connection);
        self.answer(channel)?;

        let after = batch(|| self.receive(connection, channel))?;

        self.answer(channel)?;
        Ok(after)
    }

    /// Takes the requests back that the device is done with.
    pub(super) fn reap(&mut self, connection: &Connection) {
        let mut done = self.mailbox.take();

        while let Some(io) = done.pop() {
            connection.link.end();
            self.count(connection, &io);
            self.finished.push(io);
        }
    }

    /// Counts a request that is done, and reports it if it has failed.
    fn count(&self, connection: &Connection, io: &Io) {
        self.admission.counters.done(io);
        self.export().counters.done(io);

        if !io.status.is_ok() && connection.registry.may_log() {
            let export = self.export();
            let sector = io.extent.map_or(0, |extent| extent.start().0);
            let name = match io.opcode {
                Opcode::Read => "read",
                Opcode::Write => "write",
                Opcode::Discard => "discard",
                Opcode::WriteZeroes => "write zeroes",
                _ => "flush",
            };

            export.note_error(fmt!("{name} at sector {sector}: {}", io.status.text()));
            pr_warn!(
                "export {}: {name} at sector {sector}: {}\n",
                export.name(),
                io.status.text()
            );
        }
    }

    /// Sends the replies of requests that are done, as far as there is room.
    fn answer(&mut self, channel: &mut Channel) -> Result<(), End> {
        loop {
            self.fill(channel);

            let more = !self.finished.is_empty();
            let sent = channel
                .outbox
                .send(&channel.socket, more, |data| {
                    retire(&mut self.grant, &mut self.memory, &mut self.stock, data.0);
                })
                .map_err(|error| End::Fault(Fault::Socket(error)))?;

            if sent == Sent::Blocked || self.finished.is_empty() {
                return Ok(());
            }
        }
    }

    /// Puts the replies of requests that are done into the outbox.
    fn fill(&mut self, channel: &mut Channel) {
        while channel.outbox.room() > OUTBOX_SPARE {
            let Some(io) = self.finished.pop() else {
                return;
            };
            let head = io.reply(io.cost).header(self.stamp()).encode(crc32c);

            if let Err(data) = channel.outbox.push(&head, Some(Data(io))) {
                if let Some(data) = data {
                    self.finished.push_front(data.0);
                }
                return;
            }
        }
    }

    /// Receives and submits requests.
    fn receive(&mut self, connection: &Connection, channel: &mut Channel) -> Result<After, End> {
        let mut bytes = 0;
        let mut frames = 0;

        while frames < FRAME_BUDGET && bytes < BYTE_BUDGET {
            let received = match core::mem::replace(&mut self.receiving, Receiving::Header) {
                Receiving::Header => {
                    frames += 1;
                    self.receive_header(connection, channel)?
                }
                Receiving::Starved(header) => self.request(connection, header)?,
                Receiving::Data(io, have) => self.receive_data(connection, channel, io, have)?,
                Receiving::Skip(io, left) => self.skip_data(connection, channel, io, left)?,
            };

            match received {
                Some(len) => bytes += len,
                None => return Ok(After::Rest),
            }
        }
        connection.link.hear(connection.registry.clock.now());
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
        if channel.outbox.room() == 0 {
            return Ok(None);
        }
        let Some(header) = channel.headers.next(&channel.socket)? else {
            return Ok(None);
        };

        connection.link.hear(connection.registry.clock.now());
        if header.stamp != self.stamp() {
            return Err(End::Violation("frame of another epoch or generation"));
        }
        if header.reply {
            return Err(End::Violation("answer to nothing"));
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
            Opcode::Hello | Opcode::Draining | Opcode::Event => {
                Err(End::Violation(Violation::NotARequest.text()))
            }
            Opcode::Read
            | Opcode::Write
            | Opcode::Flush
            | Opcode::Discard
            | Opcode::WriteZeroes => self.request(connection, header),
        }
    }

    /// Checks and accepts the request of `header`; see [`Self::receive_header`] for the result.
    fn request(&mut self, connection: &Connection, header: Header) -> Result<Option<usize>, End> {
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
            return Ok(self.starve(connection, header));
        };

        match &checked {
            Ok(request) => {
                io.accept(header.handle, request);
                if !self.memory.fill(&mut io.pages, pages(request)) {
                    self.memory.put(&mut io.pages, false);
                    self.stock.push(io);
                    return Ok(self.starve(connection, header));
                }
            }
            Err(status) => {
                let cost = limits::cost(&header).unwrap_or(0);
                let extent = Extent::new(header.sector, header.sectors);

                io.refuse(header.handle, header.opcode, extent, cost, *status);
            }
        }
        self.grant
            .accept(io.cost)
            .map_err(|_| End::Violation(Violation::Credits.text()))?;
        connection.link.set_starved(false);

        let payload = header.payload as usize;

        match checked {
            Ok(Request::Write { .. }) => self.receiving = Receiving::Data(io, 0),
            Ok(_) => self.submit(connection, io),
            Err(_) if payload > 0 => self.receiving = Receiving::Skip(io, payload),
            Err(_) => self.finish(connection, io),
        }
        Ok(Some(0))
    }

    /// Waits for memory to accept the request of `header`.
    fn starve(&mut self, connection: &Connection, header: Header) -> Option<usize> {
        self.receiving = Receiving::Starved(header);
        connection.link.set_starved(true);
        None
    }

    /// Receives the data of a write, of which `have` bytes are there, and submits it.
    fn receive_data(
        &mut self,
        connection: &Connection,
        channel: &mut Channel,
        io: IoBox,
        have: usize,
    ) -> Result<Option<usize>, End> {
        let left = (io.bytes() as usize).saturating_sub(have);
        let result = {
            let mut list = Scatter::new(&mut self.pieces);

            // There are pages for all of it; if not, too little is received rather than too much.
            list.push_pages(&io.pages, have, left);
            received(channel.socket.receive(&list))?
        };

        match result {
            Some(len) if len >= left => self.submit(connection, io),
            Some(len) => self.receiving = Receiving::Data(io, have + len),
            None => self.receiving = Receiving::Data(io, have),
        }
        Ok(result)
    }

    /// Receives the data of a request that was refused, and forgets it; `left` bytes are to come.
    fn skip_data(
        &mut self,
        connection: &Connection,
        channel: &mut Channel,
        io: IoBox,
        left: usize,
    ) -> Result<Option<usize>, End> {
        let result = received(channel.socket.discard(left))?;

        match result {
            Some(len) if len >= left => self.finish(connection, io),
            Some(len) => self.receiving = Receiving::Skip(io, left - len),
            None => self.receiving = Receiving::Skip(io, left),
        }
        Ok(result)
    }

    /// Has a request carried out.
    fn submit(&mut self, connection: &Connection, io: IoBox) {
        connection.link.begin();
        self.admission.backend.submit(io);
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

/// Takes back what a request needed whose reply was sent.
fn retire(grant: &mut Grant, memory: &mut Memory, stock: &mut Chain, mut io: IoBox) {
    let lent = io.reply_payload() > 0;

    // The reply has given back all that it took.
    let _ = grant.release(io.cost);
    memory.put(&mut io.pages, lent);
    stock.push(io);
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
