// SPDX-License-Identifier: GPL-2.0

//! Attributes: what hello, welcome, refusal, bye and event carry besides their fixed part.
//!
//! An attribute is a type (16 bits), the length of its value (16 bits), the value, and zeroes up to
//! the next multiple of four. Whoever meets an attribute that it does not know skips it, unless
//! [`CRITICAL`] is set in the type: then it must refuse the whole.

use core::fmt;

use super::{
    digest,
    name, //
};

/// Bit of the type that says: refuse the whole if this attribute is unknown.
pub const CRITICAL: u16 = 0x8000;

/// Bytes that the name of a client may have.
pub const MAX_CLIENT: usize = 64;

/// Bytes that a message may have.
pub const MAX_MESSAGE: usize = 512;

/// Bytes before the value of an attribute.
const HEAD: usize = 4;

/// Type of the name of the export, sent as critical.
const EXPORT: u16 = 1;
/// Type of the name of the client's machine.
const CLIENT: u16 = 2;
/// Type of a message for people.
const MESSAGE: u16 = 3;
/// Type of the name of a digest, sent as critical.
const DIGEST: u16 = 4;

/// The known attributes of one payload, each at most once.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Attributes<'a> {
    /// Name of the export, valid by [`super::name::export`].
    pub export: Option<&'a str>,
    /// Name of the client's machine. Print it as [`Printable`] only.
    pub client: Option<&'a str>,
    /// Message for people. Print it as [`Printable`] only.
    pub message: Option<&'a str>,
    /// Name of the digest that the client wants, valid by [`super::digest::is_name`].
    pub digest: Option<&'a str>,
}

/// Why attributes were refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AttributeError {
    /// The payload ends within an attribute, or padding is not zero.
    Malformed,
    /// An attribute that must be understood is not known.
    Critical(u16),
    /// An attribute is there twice.
    Duplicate(u16),
    /// A value is no valid name, too long, or not UTF-8.
    Value(u16),
}

impl AttributeError {
    /// What to tell people, as part of a sentence.
    pub fn text(self) -> &'static str {
        match self {
            Self::Malformed => "malformed attributes",
            Self::Critical(_) => "unknown critical attribute",
            Self::Duplicate(_) => "repeated attribute",
            Self::Value(_) => "invalid attribute value",
        }
    }
}

impl fmt::Display for AttributeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// The attributes do not fit into the buffer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NoRoom;

impl<'a> Attributes<'a> {
    /// Only a message.
    #[inline]
    pub fn message(text: &'a str) -> Self {
        Self {
            message: Some(text),
            ..Self::default()
        }
    }

    /// Reads the attributes that make up all of `bytes`.
    ///
    /// # Errors
    ///
    /// See [`AttributeError`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, AttributeError> {
        let mut found = Self::default();

        for attribute in Items(bytes) {
            let (number, value) = attribute?;
            let kind = number & !CRITICAL;
            let place = match kind {
                EXPORT => &mut found.export,
                CLIENT => &mut found.client,
                MESSAGE => &mut found.message,
                DIGEST => &mut found.digest,
                _ if number & CRITICAL != 0 => return Err(AttributeError::Critical(kind)),
                _ => continue,
            };
            let value = check(kind, value).ok_or(AttributeError::Value(kind))?;

            if place.replace(value).is_some() {
                return Err(AttributeError::Duplicate(kind));
            }
        }
        Ok(found)
    }

    /// Writes the attributes to the beginning of `buffer`; returns how many bytes they take.
    ///
    /// Texts that are too long are cut at the last character that fits.
    ///
    /// # Errors
    ///
    /// [`NoRoom`] if `buffer` is too short for all of them.
    pub fn write(&self, buffer: &mut [u8]) -> Result<usize, NoRoom> {
        let mut builder = Builder { buffer, len: 0 };

        if let Some(name) = self.export {
            builder.put(EXPORT | CRITICAL, name)?;
        }
        if let Some(name) = self.client {
            builder.put(CLIENT, cut(name, MAX_CLIENT))?;
        }
        if let Some(text) = self.message {
            builder.put(MESSAGE, cut(text, MAX_MESSAGE))?;
        }
        if let Some(name) = self.digest {
            builder.put(DIGEST | CRITICAL, name)?;
        }
        Ok(builder.len)
    }
}

/// The value as text, if it is one that an attribute of this kind may have.
fn check(kind: u16, value: &[u8]) -> Option<&str> {
    let max = match kind {
        EXPORT => return name::export(value).ok(),
        DIGEST => {
            return core::str::from_utf8(value)
                .ok()
                .filter(|name| digest::is_name(name));
        }
        CLIENT => MAX_CLIENT,
        _ => MAX_MESSAGE,
    };

    match value.len() <= max {
        true => core::str::from_utf8(value).ok(),
        false => None,
    }
}

/// The longest beginning of `text` that has at most `max` bytes.
fn cut(text: &str, max: usize) -> &str {
    (0..=max.min(text.len()))
        .rev()
        .find_map(|end| text.get(..end))
        .unwrap_or_default()
}

/// Iterator over types and values.
struct Items<'a>(&'a [u8]);

impl<'a> Items<'a> {
    /// Takes the next attribute off, without its padding.
    fn take(&mut self) -> Option<(u16, &'a [u8])> {
        let ([t0, t1, l0, l1], rest) = self.0.split_first_chunk::<HEAD>()?;
        let len = usize::from(u16::from_le_bytes([*l0, *l1]));
        let (value, rest) = rest.split_at_checked(len)?;
        let (padding, rest) = rest.split_at_checked(padding(len))?;

        if padding.iter().any(|byte| *byte != 0) {
            return None;
        }
        self.0 = rest;
        Some((u16::from_le_bytes([*t0, *t1]), value))
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Result<(u16, &'a [u8]), AttributeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }

        let item = self.take().ok_or(AttributeError::Malformed);

        if item.is_err() {
            self.0 = &[];
        }
        Some(item)
    }
}

/// Zeroes behind a value of `len` bytes.
fn padding(len: usize) -> usize {
    len.wrapping_neg() % HEAD
}

/// Writes attributes one behind the other.
struct Builder<'b> {
    /// Where they go.
    buffer: &'b mut [u8],
    /// How much of it is used.
    len: usize,
}

impl Builder<'_> {
    /// Appends an attribute.
    fn put(&mut self, kind: u16, value: &str) -> Result<(), NoRoom> {
        let len = u16::try_from(value.len()).map_err(|_| NoRoom)?;
        let room = self.buffer.get_mut(self.len..).ok_or(NoRoom)?;
        let (head, room) = room.split_first_chunk_mut::<HEAD>().ok_or(NoRoom)?;
        let (place, room) = room.split_at_mut_checked(value.len()).ok_or(NoRoom)?;
        let padding = room.get_mut(..padding(value.len())).ok_or(NoRoom)?;
        let [t0, t1] = kind.to_le_bytes();
        let [l0, l1] = len.to_le_bytes();

        *head = [t0, t1, l0, l1];
        place.copy_from_slice(value.as_bytes());
        padding.fill(0);
        self.len = self
            .len
            .saturating_add(HEAD)
            .saturating_add(value.len())
            .saturating_add(padding.len());
        Ok(())
    }
}

/// A text from the peer, printed with whatever could confuse a terminal or a log replaced.
#[derive(Clone, Copy, Debug)]
pub struct Printable<'a>(pub &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;

        for character in self.0.chars() {
            f.write_char(printable(character))?;
        }
        Ok(())
    }
}

/// The character, or a question mark if it could confuse a terminal or a log.
pub fn printable(character: char) -> char {
    match is_harmless(character) {
        true => character,
        false => '?',
    }
}

/// Whether a character only ever prints itself: no control, line, or direction character, and none
/// that cannot be seen.
pub fn is_harmless(character: char) -> bool {
    !character.is_control()
        && !matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}
