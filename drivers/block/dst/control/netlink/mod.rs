// SPDX-License-Identifier: GPL-2.0

//! The generic netlink family `dst`.
//!
//! It is specified in `Documentation/netlink/specs/dst.yaml`, from which `../netlink_gen.c` is
//! generated. That checks the rights of callers and the form of what they send; the functions in
//! here do what is asked.

mod keys;
mod pool;
mod server;
mod stats;
mod values;

pub(super) mod export;
pub(super) mod session;
pub(super) mod storage;

use super::{
    errands::Outcome,
    refusal::{
        Refusal,
        Result as Verdict, //
    },
    Control, //
};
use crate::abstractions::genetlink::{
    self,
    Answer,
    Context,
    Deferred,
    Explain,
    Request, //
};
use kernel::{
    prelude::*,
    sync::{
        Arc,
        ArcBorrow, //
    }, //
};

/// Where the handlers find the [`Control`].
static CONTEXT: Context<Control> = Context::new();

genetlink::family! {
    /// Returns the generated family.
    pub(super) fn family() -> dst_nl_family;
}

genetlink::handlers! {
    context: CONTEXT,
    requests: {
        dst_nl_storage_get_doit => storage::get,
        dst_nl_storage_stats_get_doit => stats::get_storage,
        dst_nl_storage_suspend_doit => storage::suspend,
        dst_nl_storage_resume_doit => storage::resume,
        dst_nl_export_add_doit => export::add,
        dst_nl_export_set_doit => export::set,
        dst_nl_export_get_doit => export::get,
        dst_nl_export_stats_get_doit => stats::get_export,
        dst_nl_export_allow_doit => export::allow,
        dst_nl_export_disallow_doit => export::disallow,
        dst_nl_server_get_doit => server::get,
        dst_nl_server_set_doit => server::set,
        dst_nl_pool_get_doit => pool::get,
        dst_nl_pool_set_doit => pool::set,
    },
    lengthy: {
        dst_nl_storage_add_doit => storage::add,
        dst_nl_storage_del_doit => storage::del,
        dst_nl_storage_set_doit => storage::set,
        dst_nl_storage_migrate_doit => storage::migrate,
        dst_nl_export_del_doit => export::del,
    },
    dumps: {
        dst_nl_storage_get_dumpit => storage::dump,
        dst_nl_storage_stats_get_dumpit => stats::dump_storages,
        dst_nl_export_get_dumpit => export::dump,
        dst_nl_export_stats_get_dumpit => stats::dump_exports,
        dst_nl_session_get_dumpit => session::dump,
    },
}

/// Returns where the handlers find the [`Control`].
pub(super) fn context() -> &'static Context<Control> {
    &CONTEXT
}

/// Has a thread do `errand`, which `request` asks for and which may wait for devices or the network.
/// What the errand returns is the answer.
fn later(
    control: ArcBorrow<'_, Control>,
    request: &Request,
    errand: impl FnOnce(&Control, &Deferred) -> Verdict + Send + Unpin + 'static,
) -> Verdict<Answer> {
    let deferred = Deferred::new(request)?;
    let kept = Arc::from(control);

    control.errands.run(move || {
        let result = errand(&kept, &deferred);

        deferred.finish(result);
    })?;
    Ok(Answer::Later)
}

/// Like [`later`], but if the errand takes more than `limit_ms` milliseconds, `late` is the answer;
/// it goes on all the same.
fn within(
    control: ArcBorrow<'_, Control>,
    request: &Request,
    limit_ms: u32,
    late: Refusal,
    errand: impl FnOnce(&Control) -> Verdict + Send + Unpin + 'static,
) -> Verdict<Answer> {
    let outcome = Outcome::new()?;
    let answer = outcome.clone();
    let answerer = later(control, request, move |_, _| answer.wait(limit_ms, late))?;
    let worker = outcome.clone();
    let kept: Arc<Control> = Arc::from(control);

    if let Err(refusal) = control.errands.run(move || worker.set(errand(&kept))) {
        outcome.set(Err(refusal));
    }
    Ok(answerer)
}

impl Explain for Refusal {
    fn error(&self) -> Error {
        self.error()
    }

    fn text(&self) -> &str {
        self.text()
    }
}
