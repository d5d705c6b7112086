// SPDX-License-Identifier: GPL-2.0

//! Attributes of storages: `/sys/block/dst-NAME/dst`.

use super::{
    access,
    lines,
    Identity,
    Maybe, //
};
use crate::{
    abstractions::attributes::{
        attribute_group,
        Groups,
        OfDisk,
        Text, //
    },
    client::Storage,
    proto::access::Rights, //
};
use kernel::prelude::*;

attribute_group! {
    /// The attributes that the disk of a storage has.
    static ATTRIBUTES: OfDisk<Storage> = Some(c"dst");
    state: state;
    state_ms: state_ms;
    peer: peer;
    export: export;
    access: may;
    uuid: uuid;
    epoch: epoch;
    generation: generation;
    protocol: protocol;
    window: window;
    keepalive: keepalive;
    digest: digest;
    connections: connections;
    connected: connected;
    draining: draining;
    fail_after: fail_after;
    io_timeout: io_timeout;
    error: error;
    openers: openers;
    in_flight: in_flight;
    reads: reads;
    writes: writes;
    flushes: flushes;
    discards: discards;
    write_zeroes: write_zeroes;
    bytes_read: bytes_read;
    bytes_written: bytes_written;
    errors: errors;
    resent: resent;
    reconnects: reconnects;
    protocol_errors: protocol_errors;
    digest_errors: digest_errors;
    seal_errors: seal_errors;
    stale_replies: stale_replies;
    lost_writes: lost_writes;
}

/// Returns the attributes that the disk of a storage has.
pub(crate) fn attributes() -> &'static Groups<OfDisk<Storage>> {
    &ATTRIBUTES
}

lines! {
    Storage, info:
    state => info.state.text();
    state_ms => info.state_ms;
    peer => Maybe(info.peer);
    uuid => Identity(&info.uuid.0);
    epoch => info.stamp.epoch.0;
    generation => info.stamp.generation.0;
    protocol => info.protocol;
    window => info.window;
    keepalive => info.keepalive;
    connections => info.connections;
    connected => info.live;
    draining => info.draining;
    fail_after => info.policy.fail_after;
    io_timeout => info.policy.io_timeout;
    error => Maybe(info.error.as_deref().and_then(|error| error.to_str().ok()));
    openers => info.openers;
    in_flight => info.in_flight;
    reads => info.totals.reads;
    writes => info.totals.writes;
    flushes => info.totals.flushes;
    discards => info.totals.discards;
    write_zeroes => info.totals.write_zeroes;
    bytes_read => info.totals.bytes_read;
    bytes_written => info.totals.bytes_written;
    errors => info.totals.errors;
    resent => info.totals.resent;
    reconnects => info.totals.reconnects;
    protocol_errors => info.totals.protocol_errors;
    digest_errors => info.totals.digest_errors;
    seal_errors => info.totals.seal_errors;
    stale_replies => info.totals.stale_replies;
    lost_writes => info.totals.lost_writes;
}

/// Shows the name of the export.
fn export(storage: &Storage, text: &mut Text<'_>) -> Result {
    text.line(fmt!("{}", storage.export()));
    Ok(())
}

/// Shows the name of the digest that data has on its way.
fn digest(storage: &Storage, text: &mut Text<'_>) -> Result {
    let name = storage.digest().map(|method| method.digest().name());

    text.line(fmt!("{}", Maybe(name)));
    Ok(())
}

/// Shows what the server lets the storage do.
fn may(storage: &Storage, text: &mut Text<'_>) -> Result {
    let info = storage.info()?;
    let granted = match info.geometry {
        None => Rights::None,
        Some(geometry) if storage.read_only() || geometry.is_read_only() => Rights::ReadOnly,
        Some(_) => Rights::ReadWrite,
    };

    text.line(fmt!("{}", access(granted)));
    Ok(())
}
