// SPDX-License-Identifier: GPL-2.0

//! Messages that are being written.

use crate::abstractions::{
    bindings,
    netlink::Message, //
};
use core::{
    mem::ManuallyDrop,
    ptr::NonNull, //
};
use kernel::prelude::*;

/// Bytes of payload that a message gets at first.
const SIZE_MIN: usize = 3072;

/// Bytes of payload in the largest message.
pub(super) const SIZE_MAX: usize = 65536;

/// What is in front of the attributes of a message.
pub(super) struct Header {
    /// The family, which is valid as long as the header exists.
    pub(super) family: *const bindings::genl_family,
    /// The port that the message goes to, 0 if it goes to a group.
    pub(super) port: u32,
    /// The number of the request, 0 if there is none.
    pub(super) sequence: u32,
    /// `NLM_F_*`.
    pub(super) flags: u32,
    /// The command of the family.
    pub(super) command: u8,
}

/// A socket buffer with a message.
///
/// # Invariants
///
/// The pointer is that of a valid socket buffer, which `self` owns.
pub(super) struct Buffer(NonNull<bindings::sk_buff>);

impl Buffer {
    /// Returns a message with `header` and what `fill` puts into it.
    ///
    /// `fill` is called with larger and larger messages until one is large enough. This sleeps.
    ///
    /// # Errors
    ///
    /// - Whatever `fill` returns; `EMSGSIZE` if that does not fit in the largest message.
    /// - `ENOMEM` if there is not enough memory.
    pub(super) fn filled(
        header: &Header,
        fill: impl Fn(&mut Message<'_>) -> Result,
    ) -> Result<Self> {
        let mut size = SIZE_MIN;

        loop {
            let buffer = Self::new(size)?;

            // SAFETY: By the type invariants, the buffer is valid and ours; the family is that
            // of a header.
            match unsafe { put(buffer.0, header, |_, message| fill(message)) } {
                Err(EMSGSIZE) if size < SIZE_MAX => size = size.saturating_mul(4).min(SIZE_MAX),
                Err(error) => return Err(error),
                Ok(()) => return Ok(buffer),
            }
        }
    }

    /// Returns an empty buffer with room for `size` bytes of payload.
    pub(super) fn new(size: usize) -> Result<Self> {
        // SAFETY: There are no requirements to call this where one may sleep.
        let skb = unsafe { bindings::genlmsg_new(size, bindings::GFP_KERNEL) };

        // INVARIANT: The buffer is new and nobody else has it.
        Ok(Self(NonNull::new(skb).ok_or(ENOMEM)?))
    }

    /// Returns the pointer for a call into C.
    pub(super) fn as_ptr(&self) -> *mut bindings::sk_buff {
        self.0.as_ptr()
    }

    /// Gives the buffer to C.
    pub(super) fn into_raw(self) -> *mut bindings::sk_buff {
        ManuallyDrop::new(self).0.as_ptr()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the buffer is valid and ours.
        unsafe { bindings::nlmsg_free(self.0.as_ptr()) };
    }
}

/// Appends a message to `skb`: `header` and what `fill` adds. If that fails, nothing is appended.
///
/// `fill` also gets what `genlmsg_put()` returned.
///
/// # Errors
///
/// Whatever `fill` returns; `EMSGSIZE` if there is no room for the header.
///
/// # Safety
///
/// `skb` must be valid, and nobody else may use it. The family of `header` must be valid.
pub(super) unsafe fn put(
    skb: NonNull<bindings::sk_buff>,
    header: &Header,
    fill: impl FnOnce(*mut c_void, &mut Message<'_>) -> Result,
) -> Result {
    // SAFETY: By the requirements of this function.
    let start = unsafe {
        bindings::genlmsg_put(
            skb.as_ptr(),
            header.port,
            header.sequence,
            header.family,
            header.flags as c_int,
            header.command,
        )
    };
    if start.is_null() {
        return Err(EMSGSIZE);
    }

    // SAFETY: By the requirements of this function, and the message is gone before the buffer is
    // used again.
    let result = fill(start, &mut unsafe { Message::new(skb) });

    // SAFETY: The message was begun above in this buffer and is the last one.
    unsafe {
        match result {
            Ok(()) => bindings::genlmsg_end(skb.as_ptr(), start),
            Err(_) => bindings::genlmsg_cancel(skb.as_ptr(), start),
        }
    }
    result
}
