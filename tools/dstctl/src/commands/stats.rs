// SPDX-License-Identifier: GPL-2.0

//! What storages and exports do, and how long it takes.

use super::explain::{
    explain,
    missing, //
};
use super::{
    export,
    storage,
    Context, //
};
use crate::cli::Period;
use crate::failure::Result;
use crate::netlink::{
    Attributes,
    Malformed, //
};
use crate::objects::{
    Bucket,
    Stats,
    Timing, //
};
use crate::output::{
    self,
    units,
    Align,
    Sheet,
    Table, //
};
use crate::uapi::{
    command,
    export_stats,
    storage_stats, //
};
use serde::Serialize;
use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

/// What to ask the kernel for, and how to understand it.
struct Subject<'a> {
    /// What the object is.
    kind: &'static str,
    name: &'a str,
    /// What shows all of its kind.
    list: &'static str,
    command: u8,
    /// The attribute that names it.
    attribute: u16,
    parse: fn(&[u8]) -> Result<Stats, Malformed>,
}

/// Times of an operation in nanoseconds.
#[derive(Debug, Serialize)]
struct Latency {
    p50: Option<u64>,
    p90: Option<u64>,
    p99: Option<u64>,
    #[serde(rename = "p99.9")]
    p99_9: Option<u64>,
    max: Option<u64>,
}

impl From<&Timing> for Latency {
    fn from(timing: &Timing) -> Self {
        Self {
            p50: timing.percentile(500),
            p90: timing.percentile(900),
            p99: timing.percentile(990),
            p99_9: timing.percentile(999),
            max: timing.percentile(1000),
        }
    }
}

/// An operation as programs read it.
#[derive(Debug, Serialize)]
struct Operation<'a> {
    count: u64,
    bytes: u64,
    per_second: f64,
    bytes_per_second: f64,
    latency_ns: Latency,
    buckets: &'a [Bucket],
}

/// All as programs read it.
#[derive(Debug, Serialize)]
struct Report<'a> {
    name: &'a str,
    period_ns: u64,
    operations: BTreeMap<String, Operation<'a>>,
    errors: u64,
    in_flight: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    resent: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reconnects: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credit_waits: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credit_wait_ns: Option<u64>,
}

impl<'a> From<&'a Stats> for Report<'a> {
    fn from(stats: &'a Stats) -> Self {
        // Nobody needs more digits than a `f64` has.
        let per_second = |number: u64| number as f64 * 1e9 / stats.period_ns.max(1) as f64;
        let operations = stats.timings.iter().map(|timing| {
            let operation = Operation {
                count: timing.count(),
                bytes: timing.bytes,
                per_second: per_second(timing.count()),
                bytes_per_second: per_second(timing.bytes),
                latency_ns: timing.into(),
                buckets: &timing.buckets,
            };

            (timing.operation.to_string(), operation)
        });

        Self {
            name: &stats.name,
            period_ns: stats.period_ns,
            operations: operations.collect(),
            errors: stats.counters.errors,
            in_flight: stats.counters.in_flight,
            resent: stats.credits.map(|_| stats.counters.resent),
            reconnects: stats.credits.map(|_| stats.counters.reconnects),
            credit_waits: stats.credits.map(|(times, _)| times),
            credit_wait_ns: stats.credits.map(|(_, time)| time),
        }
    }
}

/// Shows what a storage does.
pub(super) fn storage(name: &str, period: Period, context: &mut Context<'_>) -> Result<()> {
    let subject = Subject {
        kind: "storage",
        name,
        list: storage::LIST,
        command: command::STORAGE_STATS_GET,
        attribute: storage_stats::NAME,
        parse: Stats::of_storage,
    };

    show(&subject, period, context)
}

/// Shows what an export does.
pub(super) fn export(name: &str, period: Period, context: &mut Context<'_>) -> Result<()> {
    let subject = Subject {
        kind: "export",
        name,
        list: export::LIST,
        command: command::EXPORT_STATS_GET,
        attribute: export_stats::NAME,
        parse: Stats::of_export,
    };

    show(&subject, period, context)
}

/// Shows all since the beginning, or each interval.
fn show(subject: &Subject<'_>, period: Period, context: &mut Context<'_>) -> Result<()> {
    let mut before = get(subject, context)?;
    let Some(interval) = period.interval else {
        return match context.json {
            true => output::json(context.out, &Report::from(&before)),
            false => write(&before, context),
        };
    };
    let mut left = period.count;

    while left != Some(0) {
        thread::sleep(Duration::from_millis(interval.into()));

        let now = get(subject, context)?;
        let since = now.since(&before);

        match context.json {
            true => output::json_line(context.out, &Report::from(&since))?,
            false => write(&since, context)?,
        }
        before = now;
        left = left.map(|left| left - 1);
        if left != Some(0) && !context.json {
            writeln!(context.out)?;
        }
    }
    Ok(())
}

/// Asks for what the object has done.
fn get(subject: &Subject<'_>, context: &mut Context<'_>) -> Result<Stats> {
    let Subject { kind, name, .. } = subject;
    let action = format!("cannot show what {kind} '{name}' does");
    let refused = |error| {
        explain(&action, error, |errno, _| {
            missing(kind, subject.list, errno)
        })
    };
    let mut attributes = Attributes::new();

    attributes.string(subject.attribute, name);

    let replies = context
        .kernel
        .request(subject.command, &attributes)
        .map_err(refused)?;

    (subject.parse)(replies.first().map_or(&[], Vec::as_slice))
        .map_err(|error| refused(error.into()))
}

/// Writes it for people.
fn write(stats: &Stats, context: &mut Context<'_>) -> Result<()> {
    let mut table = Table::new(&[
        ("OPERATION", Align::Left),
        ("COUNT", Align::Right),
        ("PER SECOND", Align::Right),
        ("THROUGHPUT", Align::Right),
        ("P50", Align::Right),
        ("P90", Align::Right),
        ("P99", Align::Right),
        ("P99.9", Align::Right),
        ("MAX", Align::Right),
    ]);

    for timing in &stats.timings {
        let time = |parts| {
            timing
                .percentile(parts)
                .map(units::latency)
                .unwrap_or_default()
        };

        table.row([
            timing.operation.to_string(),
            timing.count().to_string(),
            units::rate(timing.count(), stats.period_ns),
            match timing.bytes {
                0 => String::new(),
                bytes => units::throughput(bytes, stats.period_ns),
            },
            time(500),
            time(900),
            time(990),
            time(999),
            time(1000),
        ]);
    }
    write!(context.out, "{table}")?;

    let mut sheet = Sheet::new();

    sheet
        .put("time", Some(units::latency(stats.period_ns)))
        .put("in flight", Some(stats.counters.in_flight))
        .put("failed", Some(stats.counters.errors));
    if let Some((times, waited)) = stats.credits {
        sheet
            .put("resent pages", Some(stats.counters.resent))
            .put("reconnects", Some(stats.counters.reconnects))
            .put(
                "waits for credits",
                Some(format!("{times}, {} in all", units::latency(waited))),
            );
    }
    Ok(write!(context.out, "{sheet}")?)
}

#[cfg(test)]
#[path = "stats_tests.rs"]
mod tests;
