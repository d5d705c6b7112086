// SPDX-License-Identifier: GPL-2.0

//! The examples in the specification are what the codec makes of them.

mod common;

use common::{
    crc32c,
    disk,
    extent,
    stamp, //
};
use dst_proto::attribute::Attributes;
use dst_proto::frame::Header;
use dst_proto::hello::{
    Hello,
    Welcome, //
};
use dst_proto::negotiate::{
    Features,
    Versions, //
};
use dst_proto::opcode::Opcode;
use dst_proto::request::{
    Reply,
    Request, //
};
use dst_proto::run::{
    Extent,
    Run, //
};
use dst_proto::status::Status;
use dst_proto::units::{
    BootId,
    Handle,
    SessionId,
    Uuid, //
};

const TEXT: &str = include_str!("../../../Documentation/block/dst/protocol.rst");

/// A header and its payload as the document shows them.
fn dump(header: Header, payload: &[u8]) -> String {
    let mut text = String::from("::\n\n");
    let bytes = [&header.encode(crc32c)[..], payload].concat();

    for (number, line) in bytes.chunks(16).enumerate() {
        let line: Vec<_> = line.iter().map(|byte| format!("{byte:02x}")).collect();

        text += &format!("   {:04x}  {}\n", number * 16, line.join(" "));
    }
    text
}

/// Whether the document shows this; what it should show is printed.
fn assert_shown(header: Header, payload: &[u8]) {
    let expected = dump(header, payload);

    assert!(
        TEXT.contains(&format!("\n\n{expected}\n")) || TEXT.ends_with(&format!("\n\n{expected}")),
        "the specification lacks\n{expected}"
    );
}

/// The reply to a read of sectors that the examples use.
fn read_reply(status: Status, extent: Extent, credits: u32) -> Header {
    Reply {
        handle: Handle::new(1, 0),
        opcode: Opcode::Read,
        status,
        extent: Some(extent),
        credits,
    }
    .header(stamp(2, 2))
}

#[test]
fn hello() {
    let mut payload = [0; 4096];
    let len = Hello {
        versions: Versions { min: 1, max: 1 },
        write: true,
        features: Features::NONE,
        session: SessionId([1; 16]),
        uuid: Uuid::ANY,
        stamp: stamp(2, 2),
        connection: 0,
        connections: 1,
        export: "storage",
        client: Some("alpha"),
    }
    .encode(&mut payload)
    .expect("room");
    let header = Header {
        payload: len as u32,
        ..Header::request(Opcode::Hello, Handle::NONE, stamp(2, 2))
    };

    assert_shown(header, &payload[..len]);
}

#[test]
fn draining() {
    assert_shown(Header::draining(stamp(2, 2), 3), &[]);
}

#[test]
fn welcome() {
    let mut payload = [0; 4096];
    let len = Welcome {
        version: 1,
        max_connections: 32,
        keepalive_ms: 15_000,
        features: Features::NONE,
        session: SessionId([1; 16]),
        uuid: Uuid([2; 16]),
        boot_id: BootId([3; 16]),
        incarnation: 1,
        stamp: stamp(2, 2),
        connection: 0,
        window: 1024,
        geometry: disk(2_097_152),
    }
    .encode(&mut payload)
    .expect("room");
    let header = Header {
        payload: len as u32,
        ..Header::answer(Opcode::Hello, Handle::NONE, stamp(2, 2), Status::Ok)
    };

    assert_shown(header, &payload[..len]);
}

#[test]
fn read() {
    let run = Run::new(extent(2044, 16)).expect("a small run");
    let request = Request::Read { run };

    assert_eq!(request.cost(), 3);
    assert_shown(request.header(Handle::new(1, 0), stamp(2, 2)), &[]);
    assert_shown(read_reply(Status::Ok, extent(2044, 12), 2), &[]);
    assert_shown(read_reply(Status::Medium, extent(2056, 4), 1), &[]);
}

#[test]
fn write() {
    let run = Run::new(extent(4096, 8)).expect("a small run");
    let request = Request::Write { run, fua: true };
    let handle = Handle::new(2, 0);

    assert_shown(request.header(handle, stamp(2, 2)), &[]);
    assert_shown(
        Reply {
            handle,
            opcode: Opcode::Write,
            status: Status::Ok,
            extent: request.extent(),
            credits: 1,
        }
        .header(stamp(2, 2)),
        &[],
    );
}

#[test]
fn refusal() {
    let mut payload = [0; 4096];
    let len = Attributes::message("no such export")
        .write(&mut payload)
        .expect("room");
    let header = Header {
        payload: len as u32,
        ..Header::answer(Opcode::Hello, Handle::NONE, stamp(2, 2), Status::NoExport)
    };

    assert_shown(header, &payload[..len]);
}
