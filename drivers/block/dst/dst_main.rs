// SPDX-License-Identifier: GPL-2.0

//! DST: a network block device, client and server.
//!
//! See `Documentation/block/dst/` for the design and the protocol.
//!
//! The stack is small, and what calls into TCP or a disk from down there must have left some of it: what
//! has large local variables and seldom happens is a function of its own, `#[inline(never)]`.

#![deny(unsafe_code)]

use abstractions::unload::Unload;
use kernel::prelude::*;

mod abstractions;
mod client;
mod control;
mod crypto;
mod histogram;
mod log;
mod pool;
// Also a crate of its own, which uses all of it and of which all of it is public.
#[allow(dead_code, unreachable_pub)]
mod proto;
mod server;
mod wire;

module! {
    type: Dst,
    name: "dst",
    authors: ["The DST developers"],
    description: "Network block device, client and server",
    license: "GPL",
    alias: ["net-pf-16-proto-16-family-dst"],
    params: {
        rekey_bytes: u64 {
            default: 68719476736,
            description: "Bytes after which a sealed connection uses another key",
        },
    },
}

/// The most bytes after which a sealed connection uses another key: what the protocol allows, and the
/// default of the parameter.
const MAX_REKEY_BYTES: u64 = 1 << 36;

/// Bytes after which a sealed connection uses another key. There is something in between two of
/// them in any case.
fn rekey_bytes() -> u64 {
    module_parameters::rekey_bytes
        .value()
        .clamp(1, MAX_REKEY_BYTES)
}

/// The module, as long as it is loaded.
///
/// Fields are dropped in their order.
struct Dst {
    _driver: control::Driver,
    _unload: Unload,
}

impl kernel::Module for Dst {
    fn init(module: &'static ThisModule) -> Result<Self> {
        let unload = Unload::new();

        Ok(Self {
            _driver: control::Driver::start(module)?,
            _unload: unload,
        })
    }
}
