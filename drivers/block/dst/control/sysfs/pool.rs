// SPDX-License-Identifier: GPL-2.0

//! Attributes of the pool of threads: `/sys/class/dst/pool`.

use super::super::Control;
use crate::abstractions::attributes::{
    attribute_group,
    OfClass,
    Text, //
};
use core::fmt::Write as _;
use kernel::{
    fmt,
    prelude::*, //
};

attribute_group! {
    /// The attributes of the pool.
    pub(super) static ATTRIBUTES: OfClass<Control> = None;
    threads: threads, set_threads;
    threads_limit: threads_limit;
    busy: busy;
    queued: queued;
    jobs: jobs;
}

/// Shows the number of threads.
fn threads(control: &Control, text: &mut Text<'_>) -> fmt::Result {
    writeln!(text, "{}", control.pool.stats().threads)
}

/// Changes the number of threads.
fn set_threads(control: &Control, text: &str) -> Result {
    let threads = text.parse().map_err(|_| EINVAL)?;

    Ok(control.set_threads(threads)?)
}

/// Shows how many threads there may be.
fn threads_limit(control: &Control, text: &mut Text<'_>) -> fmt::Result {
    writeln!(text, "{}", control.pool.limit())
}

/// Shows how many threads run a job.
fn busy(control: &Control, text: &mut Text<'_>) -> fmt::Result {
    writeln!(text, "{}", control.pool.stats().busy)
}

/// Shows how many jobs wait for a thread.
fn queued(control: &Control, text: &mut Text<'_>) -> fmt::Result {
    writeln!(text, "{}", control.pool.stats().queued)
}

/// Shows how many jobs were run.
fn jobs(control: &Control, text: &mut Text<'_>) -> fmt::Result {
    writeln!(text, "{}", control.pool.stats().jobs)
}
