// SPDX-License-Identifier: GPL-2.0

//! How an export goes away.

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
    export::Export,
    link::Cut, //
};

impl Export {
    /// Begins to remove the export: nobody is let in any more, and who is in is cut off.
    ///
    /// # Errors
    ///
    /// `EBUSY` if clients are attached and `force` is not given, or if that was done already.
    pub(super) fn begin_removal(&self, force: bool) -> Verdict {
        let mut inner = self.inner.lock();

        if inner.removing {
            drop(inner);
            return Err(self.refuse(EBUSY, "is being removed already"));
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
    /// device; returns whether that is durable. Process context.
    ///
    /// It waits for the device, but never for the network.
    ///
    /// # Errors
    ///
    /// `EINTR` if there is a signal, unless `patient`. The removal can be taken up again then.
    pub(super) fn finish_removal(&self, patient: bool) -> Result<bool> {
        let mut inner = self.inner.lock();

        while !inner.sessions.is_empty() {
            let timeout = msecs_to_jiffies(1_000);

            if let CondVarTimeoutResult::Signal { .. } =
                self.left.wait_interruptible_timeout(&mut inner, timeout)
            {
                if !patient {
                    return Err(EINTR);
                }
                // The signal stays; do not spin.
                drop(inner);
                fsleep(Delta::from_millis(50));
                inner = self.inner.lock();
            }
        }

        let backend = inner.backend.take();

        drop(inner);
        Ok(match backend {
            Some(backend) if backend.is_writable() => backend.device().flush().is_ok(),
            Some(_) | None => true,
        })
    }
}
