// SPDX-License-Identifier: GPL-2.0

//! What requests say about the settings of an export.

use super::access;
use super::export::named;
use crate::address::Address;
use crate::cli::{
    ExportAdd,
    ExportSet, //
};
use crate::input::device::Device;
use crate::input::rule;
use crate::netlink::Attributes;
use crate::objects::{
    Access,
    Writers, //
};
use crate::uapi::export as attr;
use dst_proto::access::Rule;
use uuid::Uuid;

/// Puts what a new export and a change have in common.
fn put_lists(attributes: &mut Attributes, listen: &[Address], allow: &[Rule]) {
    for address in listen {
        attributes.bytes(attr::LISTEN, &address.to_bytes());
    }
    for allowed in allow {
        attributes.nest(attr::ALLOW, &rule::attributes(allowed));
    }
}

/// Puts the settings of sessions.
fn put_limits(attributes: &mut Attributes, window: Option<u32>, keepalive: Option<u32>) {
    if let Some(window) = window {
        attributes.u32(attr::WINDOW, window);
    }
    if let Some(keepalive) = keepalive {
        attributes.u32(attr::KEEPALIVE, keepalive);
    }
}

/// The attributes of a new export.
pub(super) fn add_attributes(
    args: &ExportAdd,
    device: &Device,
    listen: &[Address],
    uuid: Uuid,
) -> Attributes {
    let mut attributes = named(&args.name);
    let access = match args.read_only {
        true => Access::ReadOnly,
        false => Access::ReadWrite,
    };
    let writers = match args.shared_writers {
        true => Writers::Shared,
        false => Writers::Exclusive,
    };

    attributes
        .string(attr::DEVICE, &device.path)
        .bytes(attr::UUID, uuid.as_bytes())
        .u32(attr::ACCESS, access.number())
        .u32(attr::WRITERS, writers.number());
    if args.share_device {
        attributes.flag(attr::SHARE_DEVICE);
    }
    if args.write_through {
        attributes.flag(attr::WRITE_THROUGH);
    }
    put_lists(&mut attributes, listen, &args.allow);
    for key in &args.allow_key {
        attributes.nest(attr::ALLOW_KEY, &access::key_attributes(key));
    }
    if args.keys_only {
        attributes.flag(attr::KEYED);
    }
    put_limits(&mut attributes, args.window, args.keepalive);
    attributes
}

/// The attributes of a change.
pub(super) fn set_attributes(args: &ExportSet, listen: &[Address]) -> Attributes {
    let mut attributes = named(&args.name);

    match (args.read_only, args.read_write) {
        (true, _) => attributes.u32(attr::ACCESS, Access::ReadOnly.number()),
        (_, true) => attributes.u32(attr::ACCESS, Access::ReadWrite.number()),
        _ => &mut attributes,
    };
    match (args.shared_writers, args.exclusive_writers) {
        (true, _) => attributes.u32(attr::WRITERS, Writers::Shared.number()),
        (_, true) => attributes.u32(attr::WRITERS, Writers::Exclusive.number()),
        _ => &mut attributes,
    };
    put_lists(&mut attributes, listen, &args.allow);
    for (is_set, kind) in [
        (args.no_rules, attr::NO_RULES),
        (args.keys_only, attr::KEYED),
        (args.no_keys, attr::NO_KEYS),
    ] {
        if is_set {
            attributes.flag(kind);
        }
    }
    put_limits(&mut attributes, args.window, args.keepalive);
    attributes
}
