// SPDX-License-Identifier: GPL-2.0

//! The requests of one connection, from the welcome to the end.
//!
//! Requests are taken in ([`super::receive`]), carried out ([`super::backend`]), and answered
//! ([`super::reply`]). Replies never wait for requests nor requests for replies: what the client
//! has not taken yet holds credits, and those are limited.

use kernel::{
    prelude::*,
    sync::Arc, //
};

use crate::{
    abstractions::bio_set::batch,
    histogram::Kind,
    proto::{
        credits::Grant,
        frame::Header,
        geometry::Geometry,
        opcode::Opcode,
        status::Status,
        units::{
            Handle,
            Stamp,
            MAX_RUN_PAGES, //
        }, //
    }, //
};

use super::{
    chain::{
        Chain,
        Queue, //
    },
    channel::Channel,
    connection::{
        After,
        Connection,
        End, //
    },
    export::Export,
    hello::Admission,
    io::{
        Io,
        Mailbox, //
    },
    memory::Memory,
    receive::Receiving, //
};

/// The requests of a connection.
pub(super) struct Serving {
    pub(super) admission: KBox<Admission>,
    pub(super) mailbox: Arc<Mailbox>,
    /// What the client was told about the device.
    pub(super) geometry: Geometry,
    /// The size of the device, and whether it is read-only, that go with it.
    told: (u64, bool),
    pub(super) grant: Grant,
    pub(super) memory: Memory,
    /// Requests that are not in use.
    pub(super) stock: Chain,
    pub(super) receiving: Receiving,
    /// How much this turn has found to do, in requests.
    pub(super) found: u32,
    /// Requests that are done, but not in the outbox yet.
    pub(super) finished: Queue,
    /// Of how many failed flushes the client was told.
    told_failed: u64,
}

impl Serving {
    /// Prepares for requests of the client of `admission`, which is told that the device has this
    /// `geometry`. Requests come back to `mailbox`.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory; the admission comes back.
    pub(super) fn new(
        admission: KBox<Admission>,
        geometry: Geometry,
        mailbox: &Arc<Mailbox>,
    ) -> Result<KBox<Self>, (KBox<Admission>, Error)> {
        let prepare = || -> Result<_> {
            Ok((
                Memory::new(admission.window as usize, MAX_RUN_PAGES as usize)?,
                KBox::new_uninit(GFP_KERNEL)?,
            ))
        };
        let (memory, place) = match prepare() {
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
                told: (geometry.sectors, geometry.is_read_only()),
                memory,
                stock: Chain::new(),
                receiving: Receiving::Header,
                found: 0,
                finished: Queue::new(),
                told_failed: 0,
            },
        ))
    }

    /// Returns the export.
    pub(super) fn export(&self) -> &Export {
        &self.admission.export
    }

    /// Returns the export and drops everything else, when all requests are done.
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

    /// Counts that data was damaged on its way.
    pub(super) fn damaged(&self) {
        self.admission.counters.damaged();
        self.export().counters.damaged();
    }

    /// Counts that what came was not authentic.
    pub(super) fn forged(&self) {
        self.admission.counters.forged();
        self.export().counters.forged();
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
        self.tell_change(channel);
        self.answer(connection, channel)?;

        let after = batch(|| self.receive(connection, channel))?;

        self.mailbox.job().found(core::mem::take(&mut self.found));

        // Fast devices are done by now.
        self.reap(connection);
        self.answer(connection, channel)?;
        Ok(after)
    }

    /// Tells the client if the device has another size, or is read-only or not any more.
    fn tell_change(&mut self, channel: &mut Channel) {
        let now = (self.export().size(), self.export().is_read_only());

        if self.told == now {
            return;
        }

        // It says about the cache what the client was told before: see [`Admission::durable`].
        let geometry = self.admission.geometry();
        let header = Header::request(Opcode::Event, Handle::NONE, self.stamp());
        let payload = geometry.encode();

        // Writes are refused whether the client knows it or not.
        self.geometry.flags = geometry.flags;
        // If there is no room, there will be when replies have been sent.
        if channel.push(header, |buffer| {
            buffer.get_mut(..payload.len())?.copy_from_slice(&payload);
            Some(payload.len())
        }) {
            self.told = now;
            self.geometry = geometry;
        }
    }

    /// Takes the requests back that the device is done with.
    pub(super) fn reap(&mut self, connection: &Connection) {
        let mut done = self.mailbox.take();

        while let Some(mut io) = done.pop() {
            if io.goes_on() {
                self.admission.backend.submit(io);
                continue;
            }
            connection.link.end();
            if io.opcode == Opcode::Flush || io.has_lost() {
                self.tell_failed(&mut io);
            }
            self.count(connection, &io);
            self.finished.push(io);
        }
    }

    /// Has `io`, which the device is done with, tell of flushes that have failed, if the client has
    /// not heard of them.
    fn tell_failed(&mut self, io: &mut Io) {
        let failed = self.admission.backend.failed_flushes();
        let count = failed.count();

        if count > self.admission.hearing.heard() {
            if io.status.is_ok() {
                io.status = failed.status();
            }
            io.tells = Some(count);
            self.told_failed = count;
        }
    }

    /// Notes that the client has received what came before the PING with this `handle`; returns
    /// whether there was such a PING.
    pub(super) fn heard(&mut self, handle: Handle) -> bool {
        let is_answer = (1..=self.told_failed).contains(&handle.0);

        if is_answer {
            self.admission.hearing.hear(handle.0);
        }
        is_answer
    }

    /// Counts a request that is done, and reports it if it has failed.
    pub(super) fn count(&self, connection: &Connection, io: &Io) {
        self.admission.counters.done(io);
        self.export().counters.done(io);
        if let (Some(took), Some(kind)) = (io.took, Kind::of(io.opcode)) {
            let bytes = if io.status.is_ok() { io.bytes() } else { 0 };

            self.export().timings.of(kind).add(took, bytes);
        }

        if !matches!(io.status, Status::Ok | Status::Unsupported) && connection.registry.may_log() {
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
}
