// SPDX-License-Identifier: GPL-2.0

//! Answers that are given after the handler has returned.
//!
//! As long as a handler runs, generic netlink holds a lock that also those need who register or
//! unregister a family, and for whom all others then have to wait, whatever their family is. A
//! handler must not take long, therefore. What takes long is done elsewhere, and answered when it
//! is done; who has asked does not notice.

use super::{
    buffer::{
        Buffer,
        Header, //
    },
    request::{
        Request,
        TEXT_MAX, //
    },
    Explain, //
};
use crate::abstractions::{
    bindings,
    namespace::Namespace,
    netlink::Message, //
};
use core::ptr::NonNull;
use kernel::{
    error::to_result,
    prelude::*, //
};

/// What a handler says about its answer if it does not refuse.
#[must_use = "netlink has to know whether the request was answered"]
pub(crate) enum Answer {
    /// The request is done.
    Done,
    /// There is a [`Deferred`] that answers it.
    Later,
}

impl Answer {
    /// Returns what C wants to know.
    pub(super) fn to_raw(&self) -> c_int {
        match self {
            Self::Done => 0,
            // This is how dumps tell netlink not to acknowledge the request itself.
            Self::Later => EINTR.to_errno(),
        }
    }
}

/// A request that is answered after its handler has returned. Dropping it does not answer.
///
/// # Invariants
///
/// The family of `header` is valid for as long as the module is loaded.
pub(crate) struct Deferred {
    net: Namespace,
    header: Header,
    /// The header of the request.
    request: bindings::nlmsghdr,
}

// SAFETY: The only pointer is that of the family, of which only constants are used.
unsafe impl Send for Deferred {}

// SAFETY: As above; all else are values, and a reference to a namespace.
unsafe impl Sync for Deferred {}

impl Deferred {
    /// Notes who has sent `request`. The handler has to return [`Answer::Later`] then.
    pub(crate) fn new(request: &Request) -> Result<Self> {
        // INVARIANT: Families are static variables of the module.
        Ok(Self {
            net: request.namespace()?,
            header: request.header(0),
            request: request.netlink_header(),
        })
    }

    /// Replies with what `fill` puts into the message. It may be called more than once. This
    /// sleeps.
    ///
    /// # Errors
    ///
    /// - Whatever `fill` returns; `EMSGSIZE` if that does not fit in the largest message.
    /// - `ENOMEM` if there is not enough memory.
    /// - `ECONNREFUSED` if who has asked is gone, `EAGAIN` if it does not read its replies.
    pub(crate) fn reply(&self, fill: impl Fn(&mut Message<'_>) -> Result) -> Result {
        self.send(Buffer::filled(&self.header, fill)?)
    }

    /// Tells who has asked that the request is done, or why not. This sleeps.
    ///
    /// Nobody hears of it if there is no memory for the message.
    pub(crate) fn finish(self, result: Result<(), impl Explain>) {
        let acknowledgement = match &result {
            Ok(()) if u32::from(self.request.nlmsg_flags) & bindings::NLM_F_ACK == 0 => return,
            Ok(()) => self.acknowledgement(0, ""),
            Err(refusal) => self.acknowledgement(refusal.error().to_errno(), refusal.text()),
        };

        // Who has asked may be gone.
        let _ = acknowledgement.and_then(|buffer| self.send(buffer));
    }

    /// Returns a message that says how the request ended: with `error` because of `text`.
    fn acknowledgement(&self, error: c_int, text: &str) -> Result<Buffer> {
        const PAYLOAD: usize = size_of::<bindings::nlmsgerr>();

        let mut len = text.len().min(TEXT_MAX);

        while !text.is_char_boundary(len) {
            len -= 1;
        }

        let text = text.get(..len).unwrap_or_default();
        let tlvs = match text.is_empty() {
            true => 0,
            false => bindings::NLM_F_ACK_TLVS,
        };
        // Room for the text, its header, its final zero and the padding.
        let buffer = Buffer::new(PAYLOAD + TEXT_MAX + 16)?;
        let skb = NonNull::new(buffer.as_ptr()).ok_or(EINVAL)?;

        // SAFETY: The buffer is valid and ours, and has room for this.
        let header = unsafe {
            bindings::__nlmsg_put(
                skb.as_ptr(),
                self.header.port,
                self.header.sequence,
                bindings::NLMSG_ERROR as c_int,
                PAYLOAD as c_int,
                (bindings::NLM_F_CAPPED | tlvs) as c_int,
            )
        };

        // SAFETY: C has made room for the payload behind the header.
        unsafe {
            header
                .add(1)
                .cast::<bindings::nlmsgerr>()
                .write(bindings::nlmsgerr {
                    error,
                    msg: self.request,
                });
        }
        if !text.is_empty() {
            // SAFETY: The buffer is valid and ours, and the message is gone before it is used
            // again.
            unsafe { Message::new(skb) }
                .put_str(bindings::nlmsgerr_attrs_NLMSGERR_ATTR_MSG, text)?;
        }
        // SAFETY: The message was begun above in this buffer.
        unsafe { bindings::nlmsg_end(skb.as_ptr(), header) };
        Ok(buffer)
    }

    /// Sends a message to who has asked.
    fn send(&self, buffer: Buffer) -> Result {
        // SAFETY: The namespace is valid; the message goes to C, whatever becomes of it.
        to_result(unsafe {
            bindings::genlmsg_unicast(self.net.as_ptr(), buffer.into_raw(), self.header.port)
        })
    }
}
