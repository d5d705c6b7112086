// SPDX-License-Identifier: GPL-2.0

//! The pool of threads.

use super::explain::explain;
use super::Context;
use crate::cli::PoolCommand;
use crate::failure::Result;
use crate::netlink::Attributes;
use crate::objects::Pool;
use crate::output::{
    self,
    Sheet, //
};
use crate::uapi::{
    command,
    pool as attr, //
};

/// Runs a command for the pool.
pub(super) fn run(command: PoolCommand, context: &mut Context<'_>) -> Result<()> {
    if let PoolCommand::Set { threads } = command {
        let mut attributes = Attributes::new();

        attributes.u32(attr::THREADS, threads);
        context
            .kernel
            .request(command::POOL_SET, &attributes)
            .map_err(|error| explain("cannot change the pool", error, |_, _| None))?;
    }
    let refused = |error| explain("cannot show the pool", error, |_, _| None);
    let replies = context
        .kernel
        .request(command::POOL_GET, &Attributes::new())
        .map_err(refused)?;
    let pool = Pool::parse(replies.first().map_or(&[], Vec::as_slice))
        .map_err(|error| refused(error.into()))?;

    if context.json {
        return output::json(context.out, &pool);
    }
    let mut sheet = Sheet::new();

    sheet
        .put(
            "threads",
            Some(format!(
                "{} of {} at most",
                pool.threads, pool.threads_limit
            )),
        )
        .put("busy", Some(pool.busy))
        .put("jobs waiting", Some(pool.queued))
        .put("jobs done", Some(pool.jobs));
    Ok(write!(context.out, "{sheet}")?)
}
