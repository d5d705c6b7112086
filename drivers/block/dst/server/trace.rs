// SPDX-License-Identifier: GPL-2.0

//! What can be watched of requests at the server.

use super::io::Io;
use crate::{
    abstractions::trace::{
        self,
        device,
        ServerIoDone,
        ServerReply,
        ServerRequest, //
    },
    histogram::Kind, //
};

/// Returns the number of the operation, the first sector and the number of sectors of `io`.
fn what(io: &Io) -> (u32, u64, u32) {
    let operation = Kind::of(io.opcode).map_or(0, Kind::number);

    match io.extent {
        Some(extent) => (operation, extent.start().0, extent.len().0),
        None => (operation, 0, 0),
    }
}

/// A request is handed to the device.
#[inline(always)]
pub(super) fn request(io: &Io) {
    trace::server_request(|| {
        let (operation, sector, sectors) = what(io);

        ServerRequest {
            device: device(io.backlog.device_number()),
            handle: io.handle.0,
            operation,
            sector,
            sectors,
        }
    });
}

/// The device is done with a request.
#[inline(always)]
pub(super) fn io_done(io: &Io) {
    trace::server_io_done(|| {
        let (operation, sector, sectors) = what(io);

        ServerIoDone {
            device: device(io.backlog.device_number()),
            handle: io.handle.0,
            operation,
            sector,
            sectors,
            status: io.status as u32,
            device_ns: io.took.unwrap_or(0),
        }
    });
}

/// The reply to a request was sent.
#[inline(always)]
pub(super) fn reply(io: &Io) {
    trace::server_reply(|| {
        let (operation, sector, sectors) = what(io);

        ServerReply {
            device: device(io.backlog.device_number()),
            handle: io.handle.0,
            operation,
            sector,
            sectors,
            status: io.status as u32,
            device_ns: io.took.unwrap_or(0),
        }
    });
}
