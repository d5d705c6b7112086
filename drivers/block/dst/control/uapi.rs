// SPDX-License-Identifier: GPL-2.0

//! The numbers of the netlink family: operations, attributes and values.
//!
//! C header: [`include/uapi/linux/dst.h`](srctree/include/uapi/linux/dst.h)

// The generated code is not ours to lint.
#![allow(
    clippy::all,
    dead_code,
    missing_docs,
    non_camel_case_types,
    non_upper_case_globals,
    unreachable_pub
)]

use kernel::ffi;

include!(concat!(env!("DSTBLK_OBJTREE"), "/uapi_generated.rs"));
