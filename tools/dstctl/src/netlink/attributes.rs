// SPDX-License-Identifier: GPL-2.0

//! Attributes, written and read.

use dst_proto::attribute::is_harmless;
use netlink_packet_core::{
    DefaultNla,
    Emitable,
    NlasIterator,
    NLA_F_NESTED,
    NLA_HEADER_SIZE, //
};
use std::fmt;

/// The kernel sent something that does not fit its specification.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Malformed(String);

impl Malformed {
    /// Says what does not fit.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Attributes to be sent, in the order in which they are put.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Attributes(Vec<u8>);

impl Attributes {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts bytes as they are, less than 64 KiB of them.
    pub fn bytes(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        let attribute = DefaultNla::new(kind, value.to_vec());
        let start = self.0.len();

        self.0.resize(start + attribute.buffer_len(), 0);
        attribute.emit(&mut self.0[start..]);
        self
    }

    /// Puts a text and the zero that ends it.
    pub fn string(&mut self, kind: u16, value: &str) -> &mut Self {
        let mut bytes = value.as_bytes().to_vec();

        bytes.push(0);
        self.bytes(kind, &bytes)
    }

    /// Puts a number of one byte.
    pub fn u8(&mut self, kind: u16, value: u8) -> &mut Self {
        self.bytes(kind, &[value])
    }

    /// Puts a number of four bytes.
    pub fn u32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.bytes(kind, &value.to_ne_bytes())
    }

    /// Puts a flag.
    pub fn flag(&mut self, kind: u16) -> &mut Self {
        self.bytes(kind, &[])
    }

    /// Puts attributes inside of one.
    pub fn nest(&mut self, kind: u16, inner: &Self) -> &mut Self {
        self.bytes(kind | NLA_F_NESTED, &inner.0)
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// One attribute received.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Attribute<'a> {
    /// Its number.
    pub kind: u16,
    /// Its value.
    pub value: &'a [u8],
}

impl<'a> Attribute<'a> {
    /// Returns the value as a text without the zero that ends it.
    ///
    /// What is no UTF-8 is replaced, and so is what could steer a terminal.
    pub fn string(&self) -> String {
        let text = self.value.split(|&byte| byte == 0).next().unwrap_or(&[]);

        String::from_utf8_lossy(text)
            .chars()
            .map(|c| if is_harmless(c) { c } else { '\u{fffd}' })
            .collect()
    }

    /// Returns the value as a number; it may have 1, 2, 4 or 8 bytes.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if it has another length.
    pub fn number(&self) -> Result<u64, Malformed> {
        match *self.value {
            [a] => Ok(u64::from(a)),
            [a, b] => Ok(u64::from(u16::from_ne_bytes([a, b]))),
            [a, b, c, d] => Ok(u64::from(u32::from_ne_bytes([a, b, c, d]))),
            [a, b, c, d, e, f, g, h] => Ok(u64::from_ne_bytes([a, b, c, d, e, f, g, h])),
            _ => Err(self.malformed("a number")),
        }
    }

    /// Returns the value as a number of at most 32 bits.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if it is none.
    pub fn u32(&self) -> Result<u32, Malformed> {
        u32::try_from(self.number()?).map_err(|_| self.malformed("a number of 32 bits"))
    }

    /// Returns the value as an array.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if it has another length.
    pub fn array<const N: usize>(&self) -> Result<[u8; N], Malformed> {
        self.value
            .try_into()
            .map_err(|_| self.malformed(&format!("of {N} bytes")))
    }

    /// Returns the attributes inside.
    pub fn nested(&self) -> Reader<'a> {
        Reader::new(self.value)
    }

    /// Says that the value is not what it should be.
    fn malformed(&self, expected: &str) -> Malformed {
        Malformed::new(format!(
            "attribute {} of {} bytes is not {expected}",
            self.kind,
            self.value.len()
        ))
    }
}

/// Reads attributes one after the other.
#[derive(Clone, Debug)]
pub struct Reader<'a>(NlasIterator<&'a [u8]>);

impl<'a> Reader<'a> {
    /// Reads the attributes in `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(NlasIterator::new(bytes))
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Result<Attribute<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let attribute = match self.0.next()? {
            Ok(attribute) => attribute,
            Err(error) => return Some(Err(Malformed::new(error.to_string()))),
        };
        let kind = attribute.kind();
        let len = usize::from(attribute.length());

        Some(
            attribute
                .into_inner()
                .get(NLA_HEADER_SIZE..len)
                .map(|value| Attribute { kind, value })
                .ok_or_else(|| Malformed::new(format!("attribute {kind} has {len} bytes"))),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_its_bytes() {
        let mut inner = Attributes::new();
        let mut all = Attributes::new();

        inner.u8(3, 24);
        all.string(1, "disk")
            .u32(2, 0x0102_0304)
            .flag(8)
            .nest(4, &inner);

        let mut expected = vec![];
        expected.extend([9_u16.to_ne_bytes(), 1_u16.to_ne_bytes()].concat());
        expected.extend(b"disk\0\0\0\0");
        expected.extend([8_u16.to_ne_bytes(), 2_u16.to_ne_bytes()].concat());
        expected.extend(0x0102_0304_u32.to_ne_bytes());
        expected.extend([4_u16.to_ne_bytes(), 8_u16.to_ne_bytes()].concat());
        expected.extend([12_u16.to_ne_bytes(), 0x8004_u16.to_ne_bytes()].concat());
        expected.extend([5_u16.to_ne_bytes(), 3_u16.to_ne_bytes()].concat());
        expected.extend([24, 0, 0, 0]);
        assert_eq!(all.as_bytes(), expected);
    }

    #[test]
    fn what_is_written_can_be_read() {
        let mut inner = Attributes::new();
        let mut all = Attributes::new();

        inner.bytes(2, &7_u64.to_ne_bytes());
        all.string(1, "disk").nest(4, &inner).u8(5, 200);

        let read: Vec<_> = Reader::new(all.as_bytes()).map(Result::unwrap).collect();
        assert_eq!(read.len(), 3);
        assert_eq!((read[0].kind, read[0].string().as_str()), (1, "disk"));
        assert_eq!(read[1].kind, 4);
        let nested: Vec<_> = read[1].nested().map(Result::unwrap).collect();
        assert_eq!(nested[0].number(), Ok(7));
        assert_eq!(read[2].u32(), Ok(200));
    }

    #[test]
    fn values_of_the_wrong_length_are_refused() {
        let attribute = Attribute {
            kind: 9,
            value: &[1, 2, 3],
        };

        assert_eq!(
            attribute.number(),
            Err(Malformed::new("attribute 9 of 3 bytes is not a number"))
        );
        assert_eq!(
            attribute.array::<16>(),
            Err(Malformed::new("attribute 9 of 3 bytes is not of 16 bytes"))
        );
        let long = Attribute {
            kind: 9,
            value: &u64::MAX.to_ne_bytes(),
        };
        assert_eq!(
            long.u32(),
            Err(Malformed::new(
                "attribute 9 of 8 bytes is not a number of 32 bits"
            ))
        );
    }

    #[test]
    fn cut_off_attributes_are_refused_once() {
        for bytes in [&[8, 0, 1][..], &[8, 0, 1, 0, 1], &[3, 0, 1, 0]] {
            let mut reader = Reader::new(bytes);

            assert!(matches!(reader.next(), Some(Err(_))), "{bytes:?}");
            assert!(reader.next().is_none());
        }
    }

    #[test]
    fn texts_cannot_steer_the_terminal() {
        let attribute = Attribute {
            kind: 1,
            value: b"a\x1b[2Jb\xff\xe2\x80\xae\0rest",
        };

        assert_eq!(attribute.string(), "a\u{fffd}[2Jb\u{fffd}\u{fffd}");
    }
}
