// SPDX-License-Identifier: GPL-2.0

//! Why the driver does not do what it was told.

use crate::proto::attribute::printable;
use core::fmt::Write as _;
use kernel::{
    fmt,
    prelude::*, //
};

/// Bytes in the longest text: what an extended acknowledgement of netlink takes, without the
/// final zero.
pub(crate) const TEXT_MAX: usize = 79;

/// A refused command: an error for programs and a sentence for people.
///
/// The sentence names the object or the value that was refused and says what to do about it.
pub(crate) struct Refusal {
    error: Error,
    text: Text,
}

/// The result of a command.
pub(crate) type Result<T = ()> = core::result::Result<T, Refusal>;

impl Refusal {
    /// Refuses with `error` because of `text`, which is cut off after [`TEXT_MAX`] bytes. What in it
    /// could confuse a terminal is replaced: it may repeat what somebody has asked for.
    pub(crate) fn new(error: Error, text: fmt::Arguments<'_>) -> Self {
        Self {
            error,
            text: Text::new(text),
        }
    }

    /// Returns the error.
    pub(crate) fn error(&self) -> Error {
        self.error
    }

    /// Returns the sentence, which may be empty.
    pub(crate) fn text(&self) -> &str {
        self.text.as_str()
    }
}

impl From<Error> for Refusal {
    /// Refuses with an error that nobody has explained, such as a lack of memory.
    fn from(error: Error) -> Self {
        if error == ENOMEM {
            Self::new(error, fmt!("Not enough memory"))
        } else {
            Self::new(error, fmt!("Failed with error {}", -error.to_errno()))
        }
    }
}

impl From<kernel::alloc::AllocError> for Refusal {
    fn from(_: kernel::alloc::AllocError) -> Self {
        ENOMEM.into()
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        refusal.error
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.error, self.text())
    }
}

/// A short text that needs no allocation.
///
/// # Invariants
///
/// The first `len` bytes are valid UTF-8.
struct Text {
    bytes: [u8; TEXT_MAX],
    len: usize,
}

impl Text {
    /// Formats `text` and cuts off what does not fit.
    fn new(text: fmt::Arguments<'_>) -> Self {
        let mut new = Self {
            bytes: [0; TEXT_MAX],
            len: 0,
        };

        // What does not fit is meant to be lost.
        let _ = new.write_fmt(text);
        new
    }

    /// Returns the text.
    fn as_str(&self) -> &str {
        self.bytes
            .get(..self.len)
            .and_then(|bytes| core::str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        for character in s.chars().map(printable) {
            let free = self.bytes.get_mut(self.len..).unwrap_or_default();
            let place = free.get_mut(..character.len_utf8()).ok_or(fmt::Error)?;

            // INVARIANT: A whole character is added.
            self.len += character.encode_utf8(place).len();
        }
        Ok(())
    }
}
