// SPDX-License-Identifier: GPL-2.0

//! Texts of the other side.

use crate::proto::attribute::Printable;
use core::fmt::{
    self,
    Write as _, //
};
use kernel::prelude::*;

/// A text that grows.
struct Buffer(KVec<u8>);

impl fmt::Write for Buffer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0
            .extend_from_slice(text.as_bytes(), GFP_KERNEL)
            .map_err(|_| fmt::Error)
    }
}

/// Returns `text` without what could confuse a log or a terminal, see [`Printable`]; it stays UTF-8.
/// Process context; sleeps.
///
/// # Errors
///
/// `ENOMEM` if there is not enough memory.
pub(crate) fn printable(text: &str) -> Result<KVec<u8>> {
    let mut buffer = Buffer(KVec::new());

    write!(buffer, "{}", Printable(text)).map_err(|_| ENOMEM)?;
    Ok(buffer.0)
}
