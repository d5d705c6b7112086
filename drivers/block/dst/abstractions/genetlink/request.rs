// SPDX-License-Identifier: GPL-2.0

//! Requests.

use super::{
    buffer::{
        Buffer,
        Header, //
    },
    Explain, //
};
use crate::abstractions::{
    bindings,
    namespace::Namespace,
    netlink::{
        Attribute,
        Attributes,
        Message, //
    }, //
};
use core::ptr::NonNull;
use kernel::{
    error::to_result,
    prelude::*,
    types::Opaque, //
};

/// Bytes in front of the attributes of a message.
const HEADERS: usize = size_of::<bindings::nlmsghdr>() + size_of::<bindings::genlmsghdr>();

/// Bytes in the longest text of an acknowledgement, without its final zero.
pub(super) const TEXT_MAX: usize = 79;

/// A request that is being handled.
///
/// # Invariants
///
/// The request is valid, its extended acknowledgement is null or valid, and the message it
/// arrived in does not change. The first pointer for handlers is null, or that of the buffer that
/// the message is in; nobody else uses it.
#[repr(transparent)]
pub(crate) struct Request(Opaque<bindings::genl_info>);

impl Request {
    /// The request `raw`, which came in `buffer`.
    ///
    /// # Safety
    ///
    /// Generic netlink must have passed both to the function that it calls for requests, which must
    /// not return as long as the result is used.
    pub(super) unsafe fn new<'a>(
        raw: *mut bindings::genl_info,
        buffer: *mut bindings::sk_buff,
    ) -> &'a Self {
        // INVARIANT: By the requirements of this function. The pointer is there for the handler.
        //
        // SAFETY: By the requirements of this function; `Request` is transparent.
        unsafe {
            bindings::dstblk_genl_info_set_skb(raw, buffer);
            &*raw.cast::<Self>()
        }
    }

    /// Returns whether the caller, and who has made the socket, may administer the network namespace
    /// of the socket.
    pub(crate) fn is_privileged(&self) -> bool {
        // SAFETY: By the type invariants, the request is valid, and its buffer is null or valid.
        unsafe { is_privileged(bindings::dstblk_genl_info_skb(self.0.get())) }
    }

    /// Returns what the request says.
    pub(crate) fn attributes(&self) -> Attributes<'_> {
        // SAFETY: By the type invariants, the request is valid; C has checked that the message is
        // as long as it says and that the headers fit in it.
        let message = unsafe {
            let header = (*self.0.get()).nlhdr;

            core::slice::from_raw_parts(header.cast::<u8>(), (*header).nlmsg_len as usize)
        };

        Attributes::new(message.get(HEADERS..).unwrap_or_default())
    }

    /// Returns attribute `kind`. If it is missing, the caller is told so.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the attribute is missing.
    pub(crate) fn require(&self, kind: u32) -> Result<Attribute<'_>> {
        self.attributes().get(kind).ok_or_else(|| {
            // SAFETY: By the type invariants, the acknowledgement is null or valid.
            if let Some(ack) = unsafe { (*self.0.get()).extack.as_mut() } {
                ack.miss_type = u16::try_from(kind).unwrap_or(0);
            }
            EINVAL
        })
    }

    /// Tells the caller that `attribute` is what is wrong.
    pub(crate) fn blame(&self, attribute: &Attribute<'_>) {
        // SAFETY: By the type invariants, the acknowledgement is null or valid.
        if let Some(ack) = unsafe { (*self.0.get()).extack.as_mut() } {
            ack.bad_attr = attribute.as_ptr();
        }
    }

    /// Returns the network namespace of the caller.
    pub(crate) fn namespace(&self) -> Result<Namespace> {
        // SAFETY: By the type invariants, the request is valid.
        let net = unsafe { bindings::genl_info_net(self.0.get()) };

        // SAFETY: The namespace of a request is valid as long as the request is handled.
        Ok(unsafe { Namespace::from_raw(NonNull::new(net).ok_or(EINVAL)?) })
    }

    /// Replies with what `fill` puts into the message. It may be called more than once. This
    /// sleeps.
    ///
    /// # Errors
    ///
    /// - Whatever `fill` returns; `EMSGSIZE` if that does not fit in the largest message.
    /// - `ENOMEM` if there is not enough memory.
    /// - `EAGAIN` if the caller does not read its replies.
    pub(crate) fn reply(&self, fill: impl Fn(&mut Message<'_>) -> Result) -> Result {
        let buffer = Buffer::filled(&self.header(0), fill)?;

        // SAFETY: The message goes to C, whatever becomes of it; the request is valid.
        to_result(unsafe { bindings::genlmsg_reply(buffer.into_raw(), self.0.get()) })
    }

    /// Tells the caller why the request was refused. Returns the number of the error.
    pub(super) fn refuse(&self, refusal: &impl Explain) -> c_int {
        // SAFETY: By the type invariants, the acknowledgement is null or valid.
        unsafe { explain((*self.0.get()).extack, refusal) }
    }

    /// Returns a copy of the header of the message.
    pub(super) fn netlink_header(&self) -> bindings::nlmsghdr {
        // SAFETY: By the type invariants, the request is valid, and so is its message.
        unsafe { *(*self.0.get()).nlhdr }
    }

    /// Returns the header of an answer.
    pub(super) fn header(&self, flags: u32) -> Header {
        let info = self.0.get();

        // SAFETY: By the type invariants, the request is valid, and so are its headers.
        unsafe {
            Header {
                family: (*info).family,
                port: (*info).snd_portid,
                sequence: (*info).snd_seq,
                flags,
                command: (*(*info).genlhdr).cmd,
            }
        }
    }
}

/// Returns whether the message in `buffer` comes from somebody who may administer the network
/// namespace that it has come to.
///
/// # Safety
///
/// `buffer` must be null or that of a message that is being handled.
pub(super) unsafe fn is_privileged(buffer: *const bindings::sk_buff) -> bool {
    // SAFETY: By the requirements of this function.
    !buffer.is_null()
        && unsafe { bindings::netlink_net_capable(buffer, bindings::CAP_NET_ADMIN as c_int) }
}

/// Writes why a request was refused into `ack`. Returns the number of the error.
///
/// # Safety
///
/// `ack` must be null or valid, and nobody else may use it.
pub(super) unsafe fn explain(ack: *mut bindings::netlink_ext_ack, refusal: &impl Explain) -> c_int {
    // SAFETY: By the requirements of this function.
    if let Some(ack) = unsafe { ack.as_mut() } {
        let text = refusal.text().as_bytes();
        let room = ack._msg_buf.len() - 1;

        ack._msg_buf.fill(0);
        for (to, from) in ack._msg_buf.iter_mut().zip(text.iter().take(room)) {
            *to = *from;
        }
        if !text.is_empty() {
            ack._msg = ack._msg_buf.as_ptr();
        }
    }
    refusal.error().to_errno()
}
