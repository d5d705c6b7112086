// SPDX-License-Identifier: GPL-2.0

//! Error codes that the kernel crate has no names for.
//!
//! C header: [`include/uapi/asm-generic/errno.h`](srctree/include/uapi/asm-generic/errno.h)

use super::bindings;
use kernel::{
    error::Error,
    ffi::c_int, //
};

/// An error code that converts to an [`Error`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Errno(u32);

impl From<Errno> for Error {
    fn from(errno: Errno) -> Self {
        Self::from_errno(-(errno.0 as c_int))
    }
}

macro_rules! declare {
    ($($name:ident: $doc:literal;)*) => {
        $(
            #[doc = $doc]
            pub(crate) const $name: Errno = Errno(bindings::$name);
        )*
    };
}

declare! {
    EADDRINUSE: "Address already in use.";
    EADDRNOTAVAIL: "The machine does not have the address.";
    EAFNOSUPPORT: "Address family not supported.";
    ECANCELED: "Operation canceled.";
    ECONNABORTED: "Connection was aborted.";
    ECONNREFUSED: "Connection refused.";
    ECONNRESET: "Connection reset by peer.";
    EHOSTUNREACH: "No route to host.";
    EINPROGRESS: "Operation now in progress.";
    ENONET: "There is no network any more.";
    EOPNOTSUPP: "Operation not supported.";
    EPROTO: "Protocol error.";
    EPROTONOSUPPORT: "Protocol not supported.";
    ESTALE: "Stale handle.";
}
