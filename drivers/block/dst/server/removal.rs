// SPDX-License-Identifier: GPL-2.0

//! How an export goes away.
//!
//! First nobody is let in any more. Then what clients have asked for has to be done, what they wrote
//! is made durable, and the device is closed. That takes as long as the device does, be it for ever:
//! until then the export stays where it is seen.

use kernel::{
    prelude::*,
    sync::CondVarTimeoutResult,
    time::{
        delay::fsleep,
        msecs_to_jiffies,
        Delta, //
    }, //
};

use crate::control::refusal::{
    Refusal,
    Result as Verdict, //
};

use super::{
    export::{
        Export,
        Inner, //
    },
    link::Cut, //
};

/// Milliseconds between two looks at what is waited for, if nobody tells of it.
const LOOK_MS: u32 = 1_000;

/// Milliseconds between two looks of a task with a signal.
const SIGNALLED_LOOK_MS: i64 = 50;

/// Who has finished a removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finished {
    /// Who asks; whether all that was written is durable.
    Here(bool),
    /// Somebody else.
    Elsewhere,
}

impl Export {
    /// Begins to remove the export: nobody is let in any more, and who is in is cut off. Does
    /// nothing if that was done already.
    ///
    /// # Errors
    ///
    /// `EBUSY` if clients are attached and `force` is not given.
    pub(super) fn begin_removal(&self, force: bool) -> Verdict {
        let mut inner = self.inner.lock();

        if inner.removing {
            return Ok(());
        }
        if !force && !inner.sessions.is_empty() {
            let clients = inner.sessions.len();

            drop(inner);
            return Err(Refusal::new(
                EBUSY,
                fmt!("Export {}: {} clients are attached", &*self.name, clients),
            ));
        }
        inner.removing = true;
        inner.sessions.cut(Cut::Gone, |_, _| true);

        let uses = core::mem::replace(&mut inner.uses, KVec::new());

        drop(inner);
        drop(uses);
        Ok(())
    }

    /// Waits until all requests of clients are done, makes what they wrote durable and closes the
    /// device, or waits until somebody else has done so. Process context.
    ///
    /// It waits for the device, for as long as that takes, but never for the network.
    pub(super) fn finish_removal(&self) -> Finished {
        self.await_that(|inner| inner.sessions.is_empty());

        let (backend, heard) = {
            let mut inner = self.inner.lock();

            (inner.backend.take(), inner.absent.heard())
        };
        let Some(backend) = backend else {
            self.await_that(|inner| inner.gone);
            return Finished::Elsewhere;
        };
        let flushed = !backend.is_writable() || backend.device().flush().is_ok();
        // The device does not say again what somebody has not heard.
        let durable = flushed && heard >= backend.failed_flushes().count();

        // Who hears that the export is gone counts on its device being free.
        let hold = backend.device().hold();

        drop(backend);
        drop(hold);
        self.inner.lock().gone = true;
        self.left.notify_all();
        Finished::Here(durable)
    }

    /// Waits until the removal, which somebody else does, is finished, but no longer than `limit_ms`
    /// milliseconds; returns whether it is. Process context, of a thread without signals.
    pub(crate) fn await_removal(&self, limit_ms: u32) -> bool {
        let mut left = msecs_to_jiffies(limit_ms);
        let mut inner = self.inner.lock();

        while !inner.gone {
            match self.left.wait_interruptible_timeout(&mut inner, left) {
                CondVarTimeoutResult::Woken { jiffies } => left = jiffies,
                CondVarTimeoutResult::Timeout | CondVarTimeoutResult::Signal { .. } => break,
            }
        }
        inner.gone
    }

    /// Waits until `ready`.
    fn await_that(&self, ready: impl Fn(&Inner) -> bool) {
        loop {
            let mut inner = self.inner.lock();

            if ready(&inner) {
                return;
            }

            let timeout = msecs_to_jiffies(LOOK_MS);
            let result = self.left.wait_interruptible_timeout(&mut inner, timeout);

            drop(inner);
            if let CondVarTimeoutResult::Signal { .. } = result {
                // The signal stays; do not spin.
                fsleep(Delta::from_millis(SIGNALLED_LOOK_MS));
            }
        }
    }
}
