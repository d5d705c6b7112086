// SPDX-License-Identifier: GPL-2.0

//! Dumps.

use super::{
    buffer::{
        self,
        SIZE_MAX, //
    },
    request::{
        explain,
        Request, //
    },
    Explain, //
};
use crate::abstractions::{
    bindings,
    netlink::Message, //
};
use core::ptr::NonNull;
use kernel::{
    error::to_result,
    prelude::*, //
};

/// A part of the answer to a request for all objects of a kind.
///
/// The handler of a dump is called again and again until it adds nothing.
///
/// # Invariants
///
/// `skb` and `cb` are valid and belong to the dump; the message that asked for it does not change.
pub(crate) struct Dump {
    skb: NonNull<bindings::sk_buff>,
    cb: NonNull<bindings::netlink_callback>,
    request: Request,
}

impl Dump {
    /// The part in `skb` of the dump `cb`, or [`None`] if one of them is null.
    ///
    /// # Safety
    ///
    /// Generic netlink must have passed both to the function that it calls for parts of dumps.
    pub(super) unsafe fn new(
        skb: *mut bindings::sk_buff,
        cb: *mut bindings::netlink_callback,
    ) -> Option<Self> {
        let cb = NonNull::new(cb)?;

        // SAFETY: By the requirements of this function. The request of a dump, and the message it
        // arrived in, stay valid until it is over.
        let request = unsafe {
            Request::new(
                bindings::genl_info_dump(cb.as_ptr()).cast_mut(),
                (*cb.as_ptr()).skb,
            )
        }?;

        // INVARIANT: By the requirements of this function.
        Some(Self {
            skb: NonNull::new(skb)?,
            cb,
            request,
        })
    }

    /// Tells the caller why the dump was refused. Returns the number of the error.
    pub(super) fn refuse(&self, refusal: &impl Explain) -> c_int {
        // SAFETY: By the type invariants, the dump is valid, and its acknowledgement is null or
        // valid, too.
        unsafe { explain((*self.cb.as_ptr()).extack, refusal) }
    }

    /// Returns the request.
    pub(crate) fn request(&self) -> &Request {
        &self.request
    }

    /// Says in which state of all objects this part is, as it was before one looked at them. Whoever
    /// gets parts of different states is told that some objects may be missing.
    pub(crate) fn set_state(&mut self, state: u32) {
        // Zero stands for unknown.
        //
        // SAFETY: By the type invariants, the dump is valid and ours.
        unsafe { (*self.cb.as_ptr()).seq = state.max(1) };
    }

    /// Adds a message for each of `items` that has none yet, with what `fill` puts into it.
    ///
    /// When the part is full it stops, and the next part goes on with the item of the same
    /// number.
    ///
    /// # Errors
    ///
    /// - Whatever `fill` returns; `EMSGSIZE` if that does not fit in the largest message.
    /// - `ENOMEM` if there is not enough memory.
    pub(crate) fn each<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        fill: impl Fn(&mut Message<'_>, &T) -> Result,
    ) -> Result {
        for item in items.into_iter().skip(self.position()) {
            match self.add(|message| fill(message, &item)) {
                Ok(()) => self.advance(),
                Err(EMSGSIZE) if self.length() != 0 => return Ok(()),
                Err(EMSGSIZE) => {
                    self.expand()?;
                    self.add(|message| fill(message, &item))?;
                    self.advance();
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Adds a message.
    fn add(&mut self, fill: impl FnOnce(&mut Message<'_>) -> Result) -> Result {
        let header = self.request().header(bindings::NLM_F_MULTI);

        // SAFETY: By the type invariants, the buffer is valid and ours, and the family of a
        // request is registered as long as that is being handled.
        unsafe {
            buffer::put(self.skb, &header, |start, message| {
                // SAFETY: By the type invariants, the dump is valid; `start` is that of a message.
                bindings::genl_dump_check_consistent(self.cb.as_ptr(), start);
                fill(message)
            })
        }
    }

    /// Makes room for one message of the largest size.
    fn expand(&mut self) -> Result {
        // SAFETY: By the type invariants, the buffer is valid and ours. It is empty, so nothing
        // refers to what moves.
        to_result(unsafe {
            bindings::pskb_expand_head(
                self.skb.as_ptr(),
                0,
                SIZE_MAX as c_int,
                bindings::GFP_KERNEL,
            )
        })
    }

    /// Returns the bytes that this part has so far.
    pub(super) fn length(&self) -> c_int {
        // SAFETY: By the type invariants, the buffer is valid.
        unsafe { self.skb.as_ref().len as c_int }
    }

    /// Returns how many items have been added to all parts.
    fn position(&self) -> usize {
        // SAFETY: By the type invariants, the dump is valid. It was zeroed when it began, and
        // nobody else uses this field of it.
        unsafe { (*self.cb.as_ptr()).__bindgen_anon_1.args[0] as usize }
    }

    /// Counts an item.
    fn advance(&mut self) {
        let position = self.position() + 1;

        // SAFETY: As in `position()`.
        unsafe { (*self.cb.as_ptr()).__bindgen_anon_1.args[0] = position as c_long };
    }
}
