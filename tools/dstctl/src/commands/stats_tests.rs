// SPDX-License-Identifier: GPL-2.0

//! Tests of the commands that show what is done.

use crate::commands::fake::{
    raw,
    Fake, //
};
use crate::failure::Cause;
use crate::netlink::Attributes;
use crate::uapi::{
    bucket,
    command,
    counters,
    operation,
    storage_stats as attr,
    timing, //
};

/// An operation that has taken `from` to `to` nanoseconds `count` times.
fn timed(operation: u32, from: u32, to: u32, count: u32) -> Attributes {
    let mut bucket = Attributes::new();
    let mut timed = Attributes::new();

    bucket
        .u32(bucket::FROM_NS, from)
        .u32(bucket::TO_NS, to)
        .u32(bucket::COUNT, count);
    timed
        .u32(timing::OPERATION, operation)
        .nest(timing::BUCKET, &bucket)
        .u32(timing::COUNT, count)
        .u32(timing::BYTES, count << 12)
        .u32(timing::LONGEST_NS, to);
    timed
}

/// A storage that has read `reads` times in `seconds`, and waited as often.
fn busy(seconds: u64, reads: u32) -> Attributes {
    let mut counted = Attributes::new();
    let mut busy = Attributes::new();
    let mut flush = Attributes::new();

    counted
        .u32(counters::READS, reads)
        .u32(counters::RESENT, 7)
        .u32(counters::RECONNECTS, 1);
    flush.u32(timing::OPERATION, operation::FLUSH);
    busy.string(attr::NAME, "disk")
        .bytes(attr::AGE_NS, &(seconds * 1_000_000_000).to_ne_bytes())
        .nest(
            attr::TIMING,
            &timed(operation::READ, 98_304, 106_495, reads),
        )
        .nest(attr::TIMING, &flush)
        .nest(attr::COUNTERS, &counted)
        .u32(attr::CREDIT_WAITS, reads)
        .u32(attr::CREDIT_WAIT_NS, reads * 1000);
    busy
}

#[test]
fn a_table_since_the_beginning() {
    let mut kernel = Fake::new().answer(&[&busy(10, 1000)]);
    let outcome = kernel.run(&["stats", "disk"]);

    assert_eq!(outcome.result, Ok(()));
    assert_eq!(kernel.asked[0].command, command::STORAGE_STATS_GET);
    assert_eq!(kernel.asked[0].attributes, raw(attr::NAME, b"disk\0"));
    assert_eq!(
        outcome.out,
        "\
OPERATION  COUNT  PER SECOND   THROUGHPUT     P50     P90     P99   P99.9     MAX
read        1000         100  400.0 KiB/s  106 us  106 us  106 us  106 us  106 us
flush          0         0.0            -       -       -       -       -       -
time:              10.0 s
in flight:         0
failed:            0
resent pages:      7
reconnects:        1
waits for credits: 1000, 1.00 ms in all
"
    );
}

#[test]
fn each_interval_is_a_line_of_its_own() {
    let mut kernel = Fake::new()
        .answer(&[&busy(10, 1000)])
        .answer(&[&busy(12, 1500)])
        .answer(&[&busy(13, 1500)]);
    let outcome = kernel.run(&[
        "--json",
        "stats",
        "disk",
        "--interval",
        "1ms",
        "--count",
        "2",
    ]);
    let lines: Vec<serde_json::Value> = outcome
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();

    assert_eq!(outcome.result, Ok(()));
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["period_ns"], 2_000_000_000_u64);
    assert_eq!(lines[0]["operations"]["read"]["count"], 500);
    assert_eq!(lines[0]["operations"]["read"]["bytes"], 500 << 12);
    assert_eq!(
        lines[0]["operations"]["read"]["latency_ns"]["p99.9"],
        106_495
    );
    assert_eq!(lines[0]["operations"]["read"]["per_second"], 250.0);
    assert_eq!(
        lines[0]["operations"]["read"]["bytes_per_second"],
        1_024_000.0
    );
    assert_eq!(lines[0]["resent"], 0);
    assert_eq!(lines[0]["credit_waits"], 500);
    assert_eq!(lines[1]["operations"]["read"]["count"], 0);
    assert!(lines[1]["operations"]["read"]["latency_ns"]["p50"].is_null());
}

#[test]
fn an_export_waits_for_no_credits() {
    let mut kernel = Fake::new().answer(&[&busy(10, 3)]);
    let outcome = kernel.run(&["--json", "export", "stats", "disk"]);
    let report: serde_json::Value = serde_json::from_str(&outcome.out).unwrap();

    assert_eq!(kernel.asked[0].command, command::EXPORT_STATS_GET);
    assert_eq!(report["operations"]["read"]["count"], 3);
    assert!(report.get("credit_waits").is_none());
}

#[test]
fn who_is_not_there_does_nothing() {
    let mut kernel = Fake::new().refuse(libc::ENODEV, Some("There is no storage called disk"));
    let failure = kernel.run(&["stats", "disk"]).result.unwrap_err();

    assert_eq!(failure.cause, Cause::NoSuchObject);
    assert!(failure.to_string().contains("dstctl list"));
}
