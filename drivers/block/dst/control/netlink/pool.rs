// SPDX-License-Identifier: GPL-2.0

//! Requests concerning the pool of threads.

use super::{
    super::{
        refusal::Result,
        uapi,
        Control, //
    },
    values, //
};
use crate::abstractions::genetlink::Request;

/// Shows the pool.
pub(super) fn get(control: &Control, request: &Request) -> Result {
    let stats = control.pool.stats();

    request.reply(|message| {
        message.put_u32(uapi::DST_A_POOL_THREADS, stats.threads)?;
        message.put_u32(uapi::DST_A_POOL_THREADS_LIMIT, stats.limit)?;
        message.put_u32(uapi::DST_A_POOL_BUSY, stats.busy)?;
        message.put_u32(uapi::DST_A_POOL_QUEUED, stats.queued)?;
        message.put_uint(uapi::DST_A_POOL_JOBS, stats.jobs)
    })?;
    Ok(())
}

/// Changes the number of threads.
pub(super) fn set(control: &Control, request: &Request) -> Result {
    let threads = values::require(request, uapi::DST_A_POOL_THREADS, "The number of threads")?;

    control
        .set_threads(threads.u32()?)
        .inspect_err(|_| request.blame(&threads))
}
