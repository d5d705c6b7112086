// SPDX-License-Identifier: GPL-2.0

//! The examples in the specification are what the codec makes of them.

mod common;
#[path = "handshake/primitives.rs"]
mod primitives;

use common::{
    crc32c,
    disk,
    extent,
    stamp, //
};
use dst_proto::attribute::Attributes;
use dst_proto::frame::{
    Header,
    HEADER_SIZE, //
};
use dst_proto::handshake::full::{
    Initiated,
    Initiating,
    Offer, //
};
use dst_proto::handshake::join::{
    JoinRequest,
    Joining, //
};
use dst_proto::handshake::keys::{
    next_key,
    ConnectionKeys,
    SessionKeys, //
};
use dst_proto::handshake::Binding;
use dst_proto::hello::{
    Hello,
    Welcome, //
};
use dst_proto::negotiate::{
    Features,
    Versions, //
};
use dst_proto::noise::pattern::KeyPair;
use dst_proto::opcode::{
    Opcode,
    REPLY, //
};
use dst_proto::request::{
    Reply,
    Request, //
};
use dst_proto::run::{
    Extent,
    Run, //
};
use dst_proto::secret::Secret;
use dst_proto::status::Status;
use dst_proto::suite::{
    Suite,
    Suites, //
};
use dst_proto::units::{
    BootId,
    Epoch,
    Handle,
    SessionId,
    Uuid, //
};
use primitives::Host;

const TEXT: &str = concat!(
    include_str!("../../../Documentation/block/dst/protocol.rst"),
    "\n",
    include_str!("../../../Documentation/block/dst/protocol-sealed.rst"),
);

/// Bytes as the document shows them.
fn dump(bytes: &[u8]) -> String {
    let mut text = String::from("::\n\n");

    for (number, line) in bytes.chunks(16).enumerate() {
        let line: Vec<_> = line.iter().map(|byte| format!("{byte:02x}")).collect();

        text += &format!("   {:04x}  {}\n", number * 16, line.join(" "));
    }
    text
}

/// Whether the document shows this frame; what it should show is printed.
fn assert_shown(header: Header, payload: &[u8]) {
    assert_dumped(&[&header.encode(crc32c)[..], payload].concat());
}

/// Whether the document shows these bytes; what it should show is printed.
fn assert_dumped(bytes: &[u8]) {
    let expected = dump(bytes);

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
        digest: None,
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

/// The secret whose bytes are all `byte`.
fn secret(byte: u8) -> Secret {
    Secret::with(|bytes| bytes.fill(byte))
}

/// Whether the document shows these keys.
fn assert_keys_shown(keys: &ConnectionKeys) {
    let [forth, back] = [&keys.client_to_server, &keys.server_to_client].map(Secret::expose);

    assert_dumped(&[*forth, *back].concat());
}

/// A frame, taken apart.
fn parse(frame: &[u8]) -> (Header, Vec<u8>) {
    let (header, payload) = frame.split_first_chunk::<HEADER_SIZE>().expect("a header");

    (
        Header::decode(header, crc32c).expect("a frame"),
        payload.to_vec(),
    )
}

#[test]
fn sealed_connections() {
    let pair = |byte| KeyPair::new::<Host>(secret(byte)).expect("a key");
    let (client, server) = (pair(0x11), pair(0x22));
    let binding = |connection| Binding {
        session: SessionId([1; 16]),
        connection,
        stamp: stamp(2, 2),
    };
    let offer = Offer {
        binding: binding(0),
        suites: Suites::ALL,
        export: "storage",
    };

    let (initiating, frame) =
        Initiating::<Host>::new(&client, server.public(), secret(0x44), &offer, crc32c)
            .expect("an INITIATE");
    assert_dumped(frame.as_bytes());

    let (header, mut payload) = parse(frame.as_bytes());
    let (initiated, _) =
        Initiated::<Host>::new(&server, &header, &mut payload, crc32c).expect("an INITIATE");
    let (frame, established, session) = initiated
        .respond(secret(0x55), &secret(0x33), Suite::ChaCha20Poly1305, crc32c)
        .expect("a RESPOND");
    assert_dumped(frame.as_bytes());
    assert_keys_shown(&established.keys);
    assert_dumped(next_key::<Host>(&established.keys.client_to_server).expose());

    let (header, mut payload) = parse(frame.as_bytes());
    let (_, their_session) = initiating
        .finish(&secret(0x33), &header, &mut payload)
        .expect("a RESPOND");
    let joining =
        Joining::new::<Host>(&their_session, &binding(1), Suites::ALL, [0x66; 32], crc32c)
            .expect("a JOIN");
    assert_dumped(joining.frame().as_bytes());

    let keys = SessionKeys {
        epoch: Epoch(2),
        secret: session,
        client: *client.public(),
    };
    let (header, payload) = parse(joining.frame().as_bytes());
    let (frame, established) = JoinRequest::new(&header, &payload, crc32c)
        .and_then(|request| request.verify::<Host>(&keys))
        .and_then(|joined| joined.answer::<Host>(Suite::ChaCha20Poly1305, [0x77; 32], crc32c))
        .expect("a JOINED");
    assert_dumped(frame.as_bytes());
    assert_keys_shown(&established.keys);
}

#[test]
fn tables() {
    for (number, name) in [
        (Opcode::Hello.number(), "HELLO"),
        (Opcode::Draining.number(), "DRAINING"),
        (Opcode::Ping.number(), "PING"),
        (Opcode::Bye.number(), "BYE"),
        (Opcode::Event.number(), "EVENT"),
        (Opcode::Initiate.number(), "INITIATE"),
        (Opcode::Join.number(), "JOIN"),
        (Opcode::Rekey.number(), "REKEY"),
        (Opcode::Read.number(), "READ"),
        (Opcode::Write.number(), "WRITE"),
        (Opcode::Flush.number(), "FLUSH"),
        (Opcode::Discard.number(), "DISCARD"),
        (Opcode::WriteZeroes.number(), "WRITE_ZEROES"),
    ] {
        assert!(
            TEXT.contains(&format!("\n{number:<6} {name:<12} ")),
            "{name}"
        );
    }
    for (opcode, name) in [
        (Opcode::Hello, "WELCOME"),
        (Opcode::Ping, "PONG"),
        (Opcode::Initiate, "RESPOND"),
        (Opcode::Join, "JOINED"),
    ] {
        let number = opcode.number() | REPLY;

        assert!(
            TEXT.contains(&format!("\n{number:#04x}   {name:<12} ")),
            "{name}"
        );
    }
    for (suite, name) in [
        (Suite::ChaCha20Poly1305, "CHACHA"),
        (Suite::Aes256Gcm, "AES"),
    ] {
        assert!(
            TEXT.contains(&format!("\n{name:<6} {:<5} ", suite.bit())),
            "{name}"
        );
    }
    assert_eq!(Features::SEALED, Features::from_bits(1 << 1));
    assert!(TEXT.contains("\n1   SEALED "));
}
