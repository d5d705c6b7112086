// SPDX-License-Identifier: GPL-2.0

//! What can be watched of requests on their way.

use super::{
    connection::Connection,
    counters::kind,
    split::Work, //
};
use crate::{
    abstractions::{
        bio::Bio,
        block_status::BlockStatus,
        trace::{
            self,
            device,
            Complete,
            Drain,
            Receive,
            Resend,
            Send,
            Split,
            Submit, //
        }, //
    },
    histogram::Kind,
    proto::{
        frame::Header,
        opcode::Opcode,
        units::{
            Handle,
            SECTOR_SIZE, //
        }, //
    }, //
};
use kernel::sync::atomic::Relaxed;

/// Returns the number of what a bio asks for, 0 if it is nothing that is known.
fn number(bio: &Bio) -> u32 {
    kind(bio).map_or(0, Kind::number)
}

/// Returns the number of an operation, 0 if that is none of a block device.
fn operation(opcode: Opcode) -> u32 {
    Kind::of(opcode).map_or(0, Kind::number)
}

/// The block layer asks for `bio`.
#[inline(always)]
pub(super) fn submit(bio: &Bio) {
    trace::submit(|| Submit {
        device: device(bio.device_number()),
        operation: number(bio),
        sector: bio.sector(),
        sectors: bio.len() / SECTOR_SIZE,
    });
}

/// After `age_ns` nanoseconds `bio` is over, with `status`.
#[inline(always)]
pub(super) fn complete(bio: &Bio, status: BlockStatus, age_ns: u64) {
    trace::complete(|| Complete {
        device: device(bio.device_number()),
        operation: number(bio),
        sector: bio.sector(),
        sectors: bio.len() / SECTOR_SIZE,
        status: status.to_raw().into(),
        age_ns,
    });
}

/// The piece of a request that `work` returns has got `handle`.
#[inline(always)]
pub(super) fn split<'a>(handle: Handle, work: impl FnOnce() -> Option<&'a Work>) {
    trace::split(|| {
        let work = work();
        let bio = bio(work);
        let (operation, sector, sectors) = place(work);

        Split {
            device: bio.map_or(0, |bio| device(bio.device_number())),
            handle: handle.0,
            operation,
            sector,
            sectors,
            whole_sector: bio.map_or(0, Bio::sector),
        }
    });
}

/// The piece of a request that `work` returns, which had the handle `old`, has got another one to
/// be sent again.
#[inline(always)]
pub(super) fn resend<'a>(handle: Handle, old: Handle, work: impl FnOnce() -> Option<&'a Work>) {
    trace::resend(|| {
        let work = work();
        let (operation, sector, sectors) = place(work);

        Resend {
            device: bio(work).map_or(0, |bio| device(bio.device_number())),
            handle: handle.0,
            old_handle: old.0,
            operation,
            sector,
            sectors,
        }
    });
}

/// Returns the bio that `work` is a piece of.
fn bio(work: Option<&Work>) -> Option<&Bio> {
    work?.request()?.bio()
}

/// Returns the operation, the first sector and the number of sectors of `work`.
fn place(work: Option<&Work>) -> (u32, u64, u32) {
    let operation = work.map_or(0, |work| operation(work.opcode()));

    match work.and_then(Work::extent) {
        Some(extent) => (operation, extent.start().0, extent.len().0),
        None => (operation, 0, 0),
    }
}

/// A frame with `header` is about to be sent over `connection`.
#[inline(always)]
pub(super) fn send(connection: &Connection, header: &Header) {
    trace::send(|| Send {
        device: connection.storage.device.load(Relaxed),
        connection: connection.number.into(),
        handle: header.handle.0,
        operation: operation(header.opcode),
        sector: header.sector.0,
        sectors: header.sectors.0,
    });
}

/// The header of a reply has come over `connection`.
#[inline(always)]
pub(super) fn receive(connection: &Connection, header: &Header) {
    trace::receive(|| Receive {
        device: connection.storage.device.load(Relaxed),
        connection: connection.number.into(),
        handle: header.handle.0,
        operation: operation(header.opcode),
        sector: header.sector.0,
        sectors: header.sectors.0,
        status: header.status as u32,
    });
}

/// The server still has to complete `left` requests before it welcomes `connection`.
#[inline(always)]
pub(super) fn drain(connection: &Connection, left: u32) {
    trace::drain(|| Drain {
        device: connection.storage.device.load(Relaxed),
        connection: connection.number.into(),
        left: left.into(),
    });
}
