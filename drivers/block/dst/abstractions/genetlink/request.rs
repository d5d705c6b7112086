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
    prelude::*, //
};

/// Bytes in front of the attributes of a message.
const HEADERS: usize = size_of::<bindings::nlmsghdr>() + size_of::<bindings::genlmsghdr>();

/// Bytes in the longest text of an acknowledgement, without its final zero.
pub(super) const TEXT_MAX: usize = 79;

/// A power over the whole machine, which root of a user namespace does not have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Power {
    /// `CAP_SYS_ADMIN` in the initial user namespace.
    SystemAdministration,
}

/// A request that is being handled.
///
/// # Invariants
///
/// Both pointers are those of one request, and valid. Its extended acknowledgement is null or valid,
/// and the message it arrived in does not change.
pub(crate) struct Request {
    info: NonNull<bindings::genl_info>,
    /// The message, which knows who has sent it.
    skb: NonNull<bindings::sk_buff>,
}

impl Request {
    /// The request `info`, which arrived in `skb`, or [`None`] if one of them is null.
    ///
    /// # Safety
    ///
    /// Generic netlink must have passed both to the function that it calls, and they must be valid
    /// for as long as the request exists.
    pub(super) unsafe fn new(
        info: *mut bindings::genl_info,
        skb: *mut bindings::sk_buff,
    ) -> Option<Self> {
        // INVARIANT: By the requirements of this function.
        Some(Self {
            info: NonNull::new(info)?,
            skb: NonNull::new(skb)?,
        })
    }

    /// Returns whether the caller, and who has opened the socket, may administer the network
    /// namespace of the socket.
    pub(crate) fn is_privileged(&self) -> bool {
        // SAFETY: By the type invariants, the message is valid, and it is one that netlink has
        // received.
        unsafe {
            bindings::netlink_net_capable(self.skb.as_ptr(), bindings::CAP_NET_ADMIN as c_int)
        }
    }

    /// Returns whether the caller has `power`, and had it when the socket was opened that the
    /// request came over: nobody can have it sent by somebody else who has it.
    pub(crate) fn has(&self, power: Power) -> bool {
        let capability = match power {
            Power::SystemAdministration => bindings::CAP_SYS_ADMIN,
        };

        // SAFETY: By the type invariants, the message is valid, and it is one that netlink has
        // received.
        unsafe { bindings::netlink_capable(self.skb.as_ptr(), capability as c_int) }
    }

    /// Returns what the request says.
    pub(crate) fn attributes(&self) -> Attributes<'_> {
        // SAFETY: By the type invariants, the request is valid; C has checked that the message is
        // as long as it says and that the headers fit in it.
        let message = unsafe {
            let header = (*self.info.as_ptr()).nlhdr;

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
            if let Some(ack) = unsafe { (*self.info.as_ptr()).extack.as_mut() } {
                ack.miss_type = u16::try_from(kind).unwrap_or(0);
            }
            EINVAL
        })
    }

    /// Tells the caller that `attribute` is what is wrong.
    pub(crate) fn blame(&self, attribute: &Attribute<'_>) {
        // SAFETY: By the type invariants, the acknowledgement is null or valid.
        if let Some(ack) = unsafe { (*self.info.as_ptr()).extack.as_mut() } {
            ack.bad_attr = attribute.as_ptr();
        }
    }

    /// Returns the network namespace of the caller.
    ///
    /// # Errors
    ///
    /// `ENODEV` if the module does not know of namespaces, `ENOMEM` if there is not enough memory.
    pub(crate) fn namespace(&self) -> Result<Namespace> {
        // SAFETY: By the type invariants, the request is valid.
        let net = unsafe { bindings::genl_info_net(self.info.as_ptr()) };

        // SAFETY: The namespace of a request is valid and does not end as long as the request is
        // handled: the socket of the caller is in it.
        unsafe { Namespace::from_raw(NonNull::new(net).ok_or(EINVAL)?) }
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
        to_result(unsafe { bindings::genlmsg_reply(buffer.into_raw(), self.info.as_ptr()) })
    }

    /// Tells the caller why the request was refused. Returns the number of the error.
    pub(super) fn refuse(&self, refusal: &impl Explain) -> c_int {
        // SAFETY: By the type invariants, the acknowledgement is null or valid.
        unsafe { explain((*self.info.as_ptr()).extack, refusal) }
    }

    /// Returns a copy of the header of the message.
    pub(super) fn netlink_header(&self) -> bindings::nlmsghdr {
        // SAFETY: By the type invariants, the request is valid, and so is its message.
        unsafe { *(*self.info.as_ptr()).nlhdr }
    }

    /// Returns the header of an answer.
    pub(super) fn header(&self, flags: u32) -> Header {
        let info = self.info.as_ptr();

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
