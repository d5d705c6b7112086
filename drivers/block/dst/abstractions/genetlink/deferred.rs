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
    errno::ENONET,
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

/// Bytes of an acknowledgement in front of its text.
const PAYLOAD: usize = size_of::<bindings::nlmsgerr>();

/// Bytes around the text: its header, its final zero and the padding.
const MARGIN: usize = 16;

/// A request that is answered after its handler has returned. Dropping it does not answer.
///
/// It does not keep the namespace of who has asked: if that has come to its end, so has who has asked.
///
/// # Invariants
///
/// The family of `header` is valid for as long as the module is loaded.
pub(crate) struct Deferred {
    net: Namespace,
    header: Header,
    /// The header of the request.
    request: bindings::nlmsghdr,
    /// What the acknowledgement goes into: who has asked waits for it, so it must not depend on
    /// whether there will be memory.
    acknowledgement: Buffer,
}

// SAFETY: The only pointers are that of the family, of which only constants are used, and that of a
// buffer, which nobody else has.
unsafe impl Send for Deferred {}

// SAFETY: As above, and the buffer is only touched by who owns `self`; all else are values, and the
// identity of a namespace.
unsafe impl Sync for Deferred {}

impl Deferred {
    /// Notes who has sent `request`. The handler has to return [`Answer::Later`] then.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is not enough memory.
    pub(crate) fn new(request: &Request) -> Result<Self> {
        // INVARIANT: Families are static variables of the module.
        Ok(Self {
            net: request.namespace()?,
            header: request.header(0),
            request: request.netlink_header(),
            acknowledgement: Buffer::new(PAYLOAD + TEXT_MAX + MARGIN)?,
        })
    }

    /// Replies with what `fill` puts into the message. It may be called more than once. This
    /// sleeps.
    ///
    /// It must be nothing that is not for everybody in the namespace: when who has asked is gone,
    /// anybody there may have bound its port.
    ///
    /// # Errors
    ///
    /// - Whatever `fill` returns; `EMSGSIZE` if that does not fit in the largest message.
    /// - `ENOMEM` if there is not enough memory.
    /// - `ECONNREFUSED` or `ENONET` if who has asked is gone, `EAGAIN` if it does not read its replies.
    pub(crate) fn reply(&self, fill: impl Fn(&mut Message<'_>) -> Result) -> Result {
        send(
            &self.net,
            self.header.port,
            Buffer::filled(&self.header, fill)?,
        )
    }

    /// Tells who has asked that the request is done, or why not. This sleeps.
    pub(crate) fn finish(self, result: Result<(), impl Explain>) {
        let written = match &result {
            Ok(()) if u32::from(self.request.nlmsg_flags) & bindings::NLM_F_ACK == 0 => return,
            Ok(()) => self.acknowledge(0, ""),
            Err(refusal) => self.acknowledge(refusal.error().to_errno(), refusal.text()),
        };

        // Who has asked may be gone.
        let _ = written.and_then(|()| send(&self.net, self.header.port, self.acknowledgement));
    }

    /// Writes how the request ended into its buffer: with `error` because of `text`.
    fn acknowledge(&self, error: c_int, text: &str) -> Result {
        let mut len = text.len().min(TEXT_MAX);

        while !text.is_char_boundary(len) {
            len -= 1;
        }

        let text = text.get(..len).unwrap_or_default();
        let tlvs = match text.is_empty() {
            true => 0,
            false => bindings::NLM_F_ACK_TLVS,
        };
        let skb = NonNull::new(self.acknowledgement.as_ptr()).ok_or(EINVAL)?;

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
        Ok(())
    }
}

/// Sends a message to `port` in `net`.
fn send(net: &Namespace, port: u32, buffer: Buffer) -> Result {
    let net = net.stay().ok_or(ENONET)?;

    // SAFETY: The namespace is valid; the message goes to C, whatever becomes of it.
    to_result(unsafe { bindings::genlmsg_unicast(net.as_ptr(), buffer.into_raw(), port) })
}
