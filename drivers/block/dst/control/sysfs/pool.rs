// SPDX-License-Identifier: GPL-2.0

//! Attributes of the pool of threads: `/sys/class/dst/pool`.

use super::super::Control;
use crate::abstractions::{
    attributes::{
        attribute_group,
        Text, //
    },
    class::OfClass, //
};
use kernel::prelude::*;

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
fn threads(control: &Control, text: &mut Text<'_>) -> Result {
    text.line(fmt!("{}", control.pool.stats().threads));
    Ok(())
}

/// Changes the number of threads.
fn set_threads(control: &Control, text: &str) -> Result {
    let threads = text.parse().map_err(|_| EINVAL)?;

    Ok(control.set_threads(threads)?)
}

/// Shows how many threads there may be.
fn threads_limit(control: &Control, text: &mut Text<'_>) -> Result {
    text.line(fmt!("{}", control.pool.limit()));
    Ok(())
}

/// Shows how many threads run a job.
fn busy(control: &Control, text: &mut Text<'_>) -> Result {
    text.line(fmt!("{}", control.pool.stats().busy));
    Ok(())
}

/// Shows how many jobs wait for a thread.
fn queued(control: &Control, text: &mut Text<'_>) -> Result {
    text.line(fmt!("{}", control.pool.stats().queued));
    Ok(())
}

/// Shows how many jobs were run.
fn jobs(control: &Control, text: &mut Text<'_>) -> Result {
    text.line(fmt!("{}", control.pool.stats().jobs));
    Ok(())
}
