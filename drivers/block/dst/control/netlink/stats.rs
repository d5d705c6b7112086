// SPDX-License-Identifier: GPL-2.0

//! Requests concerning what storages and exports have done, and how long it took.

use super::{
    super::{
        refusal::Result as Verdict,
        uapi,
        Control, //
    },
    export,
    storage,
    values::{
        self,
        Counters, //
    }, //
};
use crate::{
    abstractions::{
        genetlink::{
            Dump,
            Request, //
        },
        netlink::Message, //
    },
    client::{
        config::StorageInfo,
        Storage, //
    },
    histogram::{
        Kind,
        Timings, //
    },
    server::export::Export, //
};
use kernel::prelude::*;

const _: () = assert!(
    Kind::Read as u32 == uapi::DST_OPERATION_READ
        && Kind::Write as u32 == uapi::DST_OPERATION_WRITE
        && Kind::Flush as u32 == uapi::DST_OPERATION_FLUSH
        && Kind::Discard as u32 == uapi::DST_OPERATION_DISCARD
        && Kind::WriteZeroes as u32 == uapi::DST_OPERATION_WRITE_ZEROES
);

/// Shows what a storage has done.
pub(super) fn get_storage(control: &Control, request: &Request) -> Verdict {
    let storage = storage::find_by(control, request, uapi::DST_A_STORAGE_STATS_NAME)?;

    Ok(request.reply(|message| put_storage(message, &storage))?)
}

/// Shows what all storages have done.
pub(super) fn dump_storages(control: &Control, dump: &mut Dump) -> Verdict {
    storage::dump_each(control, dump, put_storage)
}

/// Shows what an export has done.
pub(super) fn get_export(control: &Control, request: &Request) -> Verdict {
    let export = export::find_by(control, request, uapi::DST_A_EXPORT_STATS_NAME)?;

    Ok(request.reply(|message| put_export(message, &export))?)
}

/// Shows what all exports have done.
pub(super) fn dump_exports(control: &Control, dump: &mut Dump) -> Verdict {
    export::dump_each(control, dump, put_export)
}

/// Adds what `storage` has done.
fn put_storage(message: &mut Message<'_>, storage: &Storage) -> Result {
    let info = storage.info()?;
    let waits = storage.waits();

    message.put_str(uapi::DST_A_STORAGE_STATS_NAME, storage.name())?;
    message.put_uint(uapi::DST_A_STORAGE_STATS_AGE_NS, storage.age_ns())?;
    put_timings(message, uapi::DST_A_STORAGE_STATS_TIMING, storage.timings())?;
    of_storage(&info).put(message, uapi::DST_A_STORAGE_STATS_COUNTERS)?;
    message.put_uint(uapi::DST_A_STORAGE_STATS_CREDIT_WAITS, waits.times)?;
    message.put_uint(uapi::DST_A_STORAGE_STATS_CREDIT_WAIT_NS, waits.nanoseconds)
}

/// Adds what `export` has done.
fn put_export(message: &mut Message<'_>, export: &Export) -> Result {
    let info = export.info()?;

    values::put_text(message, uapi::DST_A_EXPORT_STATS_NAME, export.name())?;
    message.put_uint(uapi::DST_A_EXPORT_STATS_AGE_NS, export.age_ns())?;
    put_timings(message, uapi::DST_A_EXPORT_STATS_TIMING, export.timings())?;
    export::counters(&info.counts).put(message, uapi::DST_A_EXPORT_STATS_COUNTERS)
}

/// Adds a nest of `attribute` for each kind of operation.
fn put_timings(message: &mut Message<'_>, attribute: u32, timings: &Timings) -> Result {
    Kind::ALL
        .into_iter()
        .try_for_each(|kind| message.nest(attribute, |nest| put_timing(nest, kind, timings)))
}

/// Adds how often operations of a kind have taken how long.
fn put_timing(message: &mut Message<'_>, kind: Kind, timings: &Timings) -> Result {
    let histogram = timings.of(kind);
    let mut sum = 0;

    message.put_u32(uapi::DST_A_TIMING_OPERATION, kind.number())?;
    for (bucket, count) in histogram.buckets() {
        sum += count;
        message.nest(uapi::DST_A_TIMING_BUCKET, |nest| {
            nest.put_uint(uapi::DST_A_BUCKET_FROM_NS, bucket.from())?;
            if bucket.to() != u64::MAX {
                nest.put_uint(uapi::DST_A_BUCKET_TO_NS, bucket.to())?;
            }
            nest.put_uint(uapi::DST_A_BUCKET_COUNT, count)
        })?;
    }
    message.put_uint(uapi::DST_A_TIMING_COUNT, sum)?;
    message.put_uint(uapi::DST_A_TIMING_BYTES, histogram.bytes())?;
    message.put_uint(uapi::DST_A_TIMING_LONGEST_NS, histogram.longest())
}

/// Returns what a storage has done.
pub(super) fn of_storage(info: &StorageInfo) -> Counters {
    let totals = &info.totals;

    Counters {
        reads: totals.reads,
        writes: totals.writes,
        flushes: totals.flushes,
        discards: totals.discards,
        write_zeroes: totals.write_zeroes,
        bytes_read: totals.bytes_read,
        bytes_written: totals.bytes_written,
        errors: totals.errors,
        protocol_errors: totals.protocol_errors,
        digest_errors: totals.digest_errors,
        seal_errors: totals.seal_errors,
        in_flight: info.in_flight.into(),
        again: Some((totals.resent, totals.reconnects)),
        revoked: None,
    }
}
