// SPDX-License-Identifier: GPL-2.0

//! Attributes of greetings, goodbyes and events, against a reader that is written once more.

use dst_proto::attribute::{
    Attributes,
    Printable, //
};
use dst_proto::geometry::Geometry;

/// Bytes that a payload of attributes may have.
const MAX: usize = 4096;

/// Types, in the order in which they are written.
const EXPORT: u16 = 1;
const CLIENT: u16 = 2;
const MESSAGE: u16 = 3;
const DIGEST: u16 = 4;

/// Takes the bytes for the payload of a BYE and for that of an EVENT.
pub fn fuzz(bytes: &[u8]) {
    let bytes = &bytes[..bytes.len().min(MAX)];

    parse(bytes);
    if let Ok((geometry, rest)) = Geometry::decode(bytes) {
        assert_eq!(geometry.validate(), Ok(()));
        assert!(geometry
            .sectors
            .checked_mul(512)
            .is_some_and(|end| end < 1 << 63));
        assert!((1..=64).contains(&geometry.max_cost()));
        assert_eq!(geometry.encode(), bytes[..bytes.len() - rest.len()]);
        parse(rest);
    }
}

/// Parses attributes and checks what comes out.
pub fn parse(bytes: &[u8]) {
    let expected = read(bytes);
    let parsed = Attributes::parse(bytes).ok();

    assert_eq!(parsed, expected, "another reading");

    let Some(found) = parsed else {
        return;
    };
    let mut buffer = [0xa5; MAX];
    let len = found.write(&mut buffer).expect("room for what had room");
    let again = &buffer[..len];

    assert!(len <= bytes.len(), "it has grown");
    assert_eq!(Attributes::parse(again), Ok(found));
    // What has only known attributes, in the usual order, is repeated byte for byte.
    if numbers(bytes) == numbers(again) {
        assert_eq!(bytes, again);
    }
    for text in [found.client, found.message].into_iter().flatten() {
        let printed = Printable(text).to_string();

        assert_eq!(printed.chars().count(), text.chars().count());
        assert!(!printed.chars().any(char::is_control));
    }
    assert_eq!(
        found.write(&mut buffer[..len.saturating_sub(1)]).is_ok(),
        len == 0
    );
}

/// The attributes as they are there, if the payload can be taken apart.
fn items(mut bytes: &[u8]) -> Option<Vec<(u16, &[u8])>> {
    let mut items = Vec::new();

    while !bytes.is_empty() {
        let head = bytes.get(..4)?;
        let len = usize::from(u16::from_le_bytes([head[2], head[3]]));
        let value = bytes.get(4..4 + len)?;
        let end = 4 + len.div_ceil(4) * 4;

        if bytes.get(4 + len..end)?.iter().any(|byte| *byte != 0) {
            return None;
        }
        items.push((u16::from_le_bytes([head[0], head[1]]), value));
        bytes = &bytes[end..];
    }
    Some(items)
}

/// The types of the attributes.
fn numbers(bytes: &[u8]) -> Vec<u16> {
    items(bytes)
        .unwrap_or_default()
        .into_iter()
        .map(|item| item.0)
        .collect()
}

/// What the attributes say, by the letter of the specification.
fn read(bytes: &[u8]) -> Option<Attributes<'_>> {
    let mut found = Attributes::default();

    for (number, value) in items(bytes)? {
        let text = core::str::from_utf8(value);
        let letters = |allowed: &dyn Fn(u8) -> bool| value.iter().all(|byte| allowed(*byte));
        let (place, fine) = match number & 0x7fff {
            EXPORT => {
                let fine = (1..=63).contains(&value.len())
                    && value[0].is_ascii_alphanumeric()
                    && letters(&|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));

                (&mut found.export, fine)
            }
            CLIENT => (&mut found.client, value.len() <= 64),
            MESSAGE => (&mut found.message, value.len() <= 512),
            DIGEST => {
                let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'(' | b')' | b'_' | b'-');

                (
                    &mut found.digest,
                    (1..=32).contains(&value.len()) && letters(&allowed),
                )
            }
            _ if number & 0x8000 != 0 => return None,
            _ => continue,
        };

        if !fine || place.is_some() {
            return None;
        }
        *place = Some(text.ok()?);
    }
    Some(found)
}
