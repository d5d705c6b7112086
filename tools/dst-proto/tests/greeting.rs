// SPDX-License-Identifier: GPL-2.0

//! Payloads of hello, welcome and event, and their attributes.

mod common;

use common::{
    disk,
    stamp, //
};
use dst_proto::attribute::{
    AttributeError,
    Attributes,
    NoRoom,
    Printable,
    CRITICAL, //
};
use dst_proto::geometry::{
    DiskFlags,
    Geometry,
    GeometryError, //
};
use dst_proto::hello::{
    Hello,
    HelloError,
    Welcome, //
};
use dst_proto::name;
use dst_proto::negotiate::{
    Features,
    Versions, //
};
use dst_proto::units::{
    BootId,
    Sectors,
    SessionId,
    Uuid, //
};
use proptest::prelude::*;

/// A hello with a different byte everywhere.
fn hello() -> Hello<'static> {
    Hello {
        versions: Versions {
            min: 0x0201,
            max: 0x0403,
        },
        write: true,
        features: Features::from_bits(0x100f_0e0d_0c0b_0a09),
        session: SessionId([0x11; 16]),
        uuid: Uuid([0x22; 16]),
        stamp: stamp(0x3433_3231, 0x3837_3635),
        connection: 0x3a39,
        connections: 0x3c3b,
        export: "disk",
        client: Some("host"),
        digest: None,
    }
}

/// A welcome with a different byte everywhere.
fn welcome() -> Welcome {
    Welcome {
        version: 0x0201,
        max_connections: 0x0403,
        keepalive_ms: 0x0807_0605,
        features: Features::from_bits(0x100f_0e0d_0c0b_0a09),
        session: SessionId([0x11; 16]),
        uuid: Uuid([0x22; 16]),
        boot_id: BootId([0x33; 16]),
        incarnation: 0x4847_4645_4443_4241,
        stamp: stamp(0x4c4b_4a49, 0x504f_4e4d),
        connection: 0x5251,
        window: 0x5857_5655,
        geometry: disk(0x0000_5e5d_5c5b_5a58),
    }
}

/// An attribute on the wire.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = kind.to_le_bytes().to_vec();

    bytes.extend((value.len() as u16).to_le_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

#[test]
fn hello_has_its_layout() {
    let mut buffer = [0xff; 100];
    let len = hello().encode(&mut buffer).expect("room");
    let mut expected = vec![0x01, 0x02, 0x03, 0x04, 1, 0, 0, 0];

    expected.extend(0x09..=0x10);
    expected.extend([0x11; 16]);
    expected.extend([0x22; 16]);
    expected.extend(0x31..=0x3c);
    expected.extend([0; 4]);
    expected.extend(b"\x01\x80\x04\0disk");
    expected.extend(b"\x02\0\x04\0host");
    assert_eq!(buffer[..len], expected);
    assert!(buffer[len..].iter().all(|byte| *byte == 0xff));
    assert_eq!(Hello::decode(&expected), Ok(hello()));
}

#[test]
fn the_name_of_a_digest_is_an_attribute_that_has_to_be_understood() {
    let mut buffer = [0; 100];
    let wanted = Hello {
        client: None,
        digest: Some("hmac(sha256)"),
        ..hello()
    };
    let len = wanted.encode(&mut buffer).expect("room");

    assert_eq!(buffer[72..len], attribute(0x8004, b"hmac(sha256)"));
    assert_eq!(Hello::decode(&buffer[..len]), Ok(wanted));
    for name in [
        &b""[..],
        b"SHA256",
        b"sha 256",
        b"sha256\0",
        b"../sha256",
        b"\xff",
        &[b'a'; 33],
    ] {
        let mut payload = buffer[..72].to_vec();

        payload.extend(attribute(0x8004, name));
        assert_eq!(
            Hello::decode(&payload),
            Err(HelloError::Attributes(AttributeError::Value(4))),
            "{name:?}"
        );
    }
}

#[test]
fn welcome_has_its_layout() {
    let mut buffer = [0xff; 200];
    let len = welcome().encode(&mut buffer).expect("room");
    let mut expected: Vec<u8> = (0x01..=0x10).collect();

    expected.extend([0x11; 16]);
    expected.extend([0x22; 16]);
    expected.extend([0x33; 16]);
    expected.extend(0x41..=0x52);
    expected.extend([0, 0]);
    expected.extend(0x55..=0x58);
    expected.extend([0x58, 0x5a, 0x5b, 0x5c, 0x5d, 0x5e, 0, 0]);
    for number in [512, 4096, 4096, 0, 512, 1 << 20, 4096, 1 << 20, 6, 0_u32] {
        expected.extend(number.to_le_bytes());
    }
    assert_eq!(len, 136);
    assert_eq!(buffer[..len], expected);
    assert_eq!(Welcome::decode(&expected), Ok(welcome()));
}

#[test]
fn hello_must_be_whole() {
    let mut buffer = [0; 100];
    let len = hello().encode(&mut buffer).expect("room");

    for end in 0..64 {
        assert_eq!(Hello::decode(&buffer[..end]), Err(HelloError::Length));
    }
    assert_eq!(Hello::decode(&buffer[..64]), Err(HelloError::NoExport));
    for end in 65..72 {
        assert_eq!(
            Hello::decode(&buffer[..end]),
            Err(HelloError::Attributes(AttributeError::Malformed))
        );
    }
    for end in 0..len {
        assert_eq!(hello().encode(&mut buffer[..end]), Err(NoRoom));
    }

    // Unknown bits of access and the reserved field.
    for at in [4, 5, 7, 60, 63] {
        let mut wrong = buffer;

        wrong[at] |= 2;
        assert_eq!(Hello::decode(&wrong[..len]), Err(HelloError::Reserved));
    }
}

#[test]
fn welcome_must_be_whole() {
    let mut buffer = [0; 136];

    for end in 0..136 {
        assert_eq!(welcome().encode(&mut buffer[..end]), Err(NoRoom));
    }
    assert_eq!(welcome().encode(&mut buffer), Ok(136));
    for end in 0..136 {
        assert_eq!(Welcome::decode(&buffer[..end]), Err(HelloError::Length));
    }
    for at in [82, 83] {
        let mut wrong = buffer;

        wrong[at] = 1;
        assert_eq!(Welcome::decode(&wrong), Err(HelloError::Reserved));
    }
    buffer[132] = 1;
    assert_eq!(
        Welcome::decode(&buffer),
        Err(HelloError::Geometry(GeometryError::Reserved))
    );
}

#[test]
fn attributes_are_read_by_the_rules() {
    let parse = |parts: &[Vec<u8>]| {
        let bytes = parts.concat();

        Attributes::parse(&bytes).map(|found| {
            (
                found.export.map(String::from),
                found.client.map(String::from),
                found.message.map(String::from),
            )
        })
    };
    let text = |text: &str| Some(String::from(text));

    assert_eq!(parse(&[]), Ok((None, None, None)));
    assert_eq!(
        parse(&[attribute(2, b"a"), attribute(1 | CRITICAL, b"b")]),
        Ok((text("b"), text("a"), None))
    );
    // Known ones are the same with and without the bit.
    assert_eq!(parse(&[attribute(1, b"b")]), Ok((text("b"), None, None)));
    // Unknown ones are skipped, or not.
    assert_eq!(
        parse(&[attribute(77, b"?"), attribute(3, b"m")]),
        Ok((None, None, text("m")))
    );
    assert_eq!(
        parse(&[attribute(77 | CRITICAL, b"?")]),
        Err(AttributeError::Critical(77))
    );
    assert_eq!(
        parse(&[attribute(1, b"a"), attribute(1 | CRITICAL, b"a")]),
        Err(AttributeError::Duplicate(1))
    );
    assert_eq!(
        parse(&[attribute(1, b"a/b")]),
        Err(AttributeError::Value(1))
    );
    assert_eq!(
        parse(&[attribute(3, b"\xff")]),
        Err(AttributeError::Value(3))
    );
    assert_eq!(
        parse(&[attribute(2, &[b'a'; 65])]),
        Err(AttributeError::Value(2))
    );
    assert_eq!(
        parse(&[attribute(3, &[b'a'; 513])]),
        Err(AttributeError::Value(3))
    );
    // Padding is zero and there.
    assert_eq!(
        parse(&[b"\x02\0\x01\0a\0\0\x01".to_vec()]),
        Err(AttributeError::Malformed)
    );
    assert_eq!(
        parse(&[b"\x02\0\x01\0a".to_vec()]),
        Err(AttributeError::Malformed)
    );
    assert_eq!(
        parse(&[b"\x02\0\xff\xff".to_vec()]),
        Err(AttributeError::Malformed)
    );
}

#[test]
fn long_texts_are_cut_between_characters() {
    let long = "ä".repeat(400);
    let mut buffer = [0; 600];
    let len = Attributes::message(&long).write(&mut buffer).expect("room");
    let found = Attributes::parse(&buffer[..len]).expect("valid");

    assert_eq!(found.message, Some("ä".repeat(256).as_str()));

    let long = format!("a{long}");
    let len = Attributes::message(&long).write(&mut buffer).expect("room");
    let found = Attributes::parse(&buffer[..len]).expect("valid");

    assert_eq!(found.message.map(str::len), Some(511));
}

#[test]
fn texts_cannot_confuse_a_terminal() {
    let print = |text| Printable(text).to_string();

    assert_eq!(print("Grüße, 世界!"), "Grüße, 世界!");
    assert_eq!(print("a\x1b[31mb\n\0\x7f\u{85}"), "a?[31mb????");
    assert_eq!(print("\u{202e}cba\u{2066}\u{200b}\u{feff}"), "?cba???");
    assert_eq!(print("\u{9b}2J\u{fffb}\u{e0041}"), "?2J??");
}

#[test]
fn impossible_geometries_are_refused() {
    let good = disk(1000);
    let refused = |geometry: Geometry, error| {
        assert_eq!(geometry.validate(), Err(error));
        assert_eq!(Geometry::decode(&geometry.encode()), Err(error));
    };

    assert_eq!(Geometry::decode(&good.encode()), Ok((good, &[][..])));
    assert_eq!(
        Geometry::decode(&[&good.encode()[..], b"rest"].concat()).map(|(_, rest)| rest.to_vec()),
        Ok(b"rest".to_vec())
    );
    assert_eq!(
        Geometry::decode(&good.encode()[..47]),
        Err(GeometryError::Length)
    );
    for logical_block in [0, 1, 256, 513, 8192, u32::MAX] {
        refused(
            Geometry {
                logical_block,
                ..good
            },
            GeometryError::LogicalBlock,
        );
    }
    for physical_block in [0, 256, 4097] {
        refused(
            Geometry {
                physical_block,
                ..good
            },
            GeometryError::PhysicalBlock,
        );
    }
    refused(
        Geometry {
            logical_block: 4096,
            sectors: 1001,
            ..good
        },
        GeometryError::Size,
    );
    for (sectors, possible) in [
        ((1 << 54) - 1, true),
        (1 << 54, false),
        (u64::MAX, false),
        (0, true),
    ] {
        assert_eq!(Geometry { sectors, ..good }.validate().is_ok(), possible);
    }
    for max in [0, 7, 9, 513, 520, u32::MAX] {
        refused(
            Geometry {
                max_frame_sectors: Sectors(max),
                ..good
            },
            GeometryError::MaxFrame,
        );
    }
    refused(
        Geometry {
            flags: DiskFlags::from_bits(16),
            ..good
        },
        GeometryError::Flags,
    );
}

#[test]
fn costliest_request() {
    let cost = |max| {
        Geometry {
            max_frame_sectors: Sectors(max),
            ..disk(0)
        }
        .max_cost()
    };

    assert_eq!(cost(8), 2);
    assert_eq!(cost(504), 64);
    assert_eq!(cost(512), 64);
}

proptest! {
    #[test]
    fn decoders_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Hello::decode(&bytes);
        let _ = Welcome::decode(&bytes);
        let _ = Geometry::decode(&bytes);
        let _ = Attributes::parse(&bytes);
        let _ = name::export(&bytes);
    }

    #[test]
    fn attributes_never_panic(
        parts in prop::collection::vec(
            (0_u16..5, any::<bool>(), prop::collection::vec(any::<u8>(), 0..9)),
            0..5,
        ),
        cut in 0_usize..4,
    ) {
        let mut bytes: Vec<u8> = parts
            .iter()
            .flat_map(|(kind, critical, value)| {
                attribute(kind | if *critical { CRITICAL } else { 0 }, value)
            })
            .collect();

        bytes.truncate(bytes.len().saturating_sub(cut));
        if let Ok(found) = Attributes::parse(&bytes) {
            prop_assert!(found.export.is_none_or(|name| name::export(name.as_bytes()).is_ok()));
        }
    }

    #[test]
    fn attributes_come_back_the_same(
        export in prop::option::of("[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}"),
        client in prop::option::of("\\PC{0,16}"),
        message in prop::option::of("\\PC{0,120}"),
        digest in prop::option::of("[a-z0-9()_-]{1,32}"),
        room in 0_usize..700,
    ) {
        let attributes = Attributes {
            export: export.as_deref(),
            client: client.as_deref(),
            message: message.as_deref(),
            digest: digest.as_deref(),
        };
        let mut buffer = vec![0xff; room];

        if let Ok(len) = attributes.write(&mut buffer) {
            prop_assert_eq!(len % 4, 0);
            prop_assert_eq!(Attributes::parse(&buffer[..len]), Ok(attributes));
        }
        prop_assert!(attributes.write(&mut [0; 700]).is_ok());
    }

    #[test]
    fn hellos_come_back_the_same(
        (min, max, write, features) in any::<(u16, u16, bool, u64)>(),
        (session, uuid) in any::<([u8; 16], [u8; 16])>(),
        (epoch, generation, connection, connections) in any::<(u32, u32, u16, u16)>(),
        export in "[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}",
        client in prop::option::of("[a-z.]{0,64}"),
        digest in prop::option::of("[a-z0-9()_-]{1,32}"),
    ) {
        let hello = Hello {
            versions: Versions { min, max },
            write,
            features: Features::from_bits(features),
            session: SessionId(session),
            uuid: Uuid(uuid),
            stamp: stamp(epoch, generation),
            connection,
            connections,
            export: &export,
            client: client.as_deref(),
            digest: digest.as_deref(),
        };
        let mut buffer = [0; 4096];
        let len = hello.encode(&mut buffer).expect("a hello always fits");

        prop_assert_eq!(Hello::decode(&buffer[..len]), Ok(hello));
    }
}
