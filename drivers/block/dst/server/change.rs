// SPDX-License-Identifier: GPL-2.0

//! Changes of exports that are in use.

use kernel::{
    prelude::*,
    sync::Arc, //
};

use crate::{
    control::refusal::{
        Refusal,
        Result as Verdict, //
    },
    proto::{
        access::{
            Prefix,
            Rights,
            Rule, //
        },
        negotiate::KEEPALIVE_MS,
        secret::PublicKey, //
    }, //
};

use super::{
    config::{
        ExportChange,
        KeyChange,
        MAX_WINDOW,
        MIN_WINDOW, //
    },
    door::Door,
    export::{
        Export,
        Inner, //
    },
    link::Cut,
    listener::Listeners, //
};

impl Export {
    /// Changes what `change` says. Returns whether the device was found to have another size by the
    /// way, which nobody else is going to find any more. Process context; sleeps.
    ///
    /// # Errors
    ///
    /// A refusal that says what is wrong; nothing was changed then.
    pub(super) fn change(&self, change: ExportChange, listeners: &Arc<Listeners>) -> Verdict<bool> {
        change.window.map_or(Ok(()), check_window)?;
        change.keepalive.map_or(Ok(()), check_keepalive)?;

        let uses = match &change.listen {
            Some(addresses) => Some(listeners.open_all(&self.net, addresses)?),
            None => None,
        };
        let mut inner = self.inner.lock();

        if inner.removing {
            drop(inner);
            return Err(self.leaving());
        }
        if let Some(access) = change.access {
            let read_only = inner
                .backend
                .as_ref()
                .is_none_or(|backend| !backend.is_writable());

            if access == Rights::ReadWrite && read_only {
                drop(inner);
                return Err(self.refuse(EROFS, "was opened for reading only; add it again"));
            }
        }

        // From here on nothing is refused but for want of memory, and that comes first.
        let door = match change.rules {
            Some(rules) => Some(inner.door.with_rules(rules)?),
            None => None,
        };
        let door = match change.keyed {
            Some(true) => Some(door.as_ref().unwrap_or(&inner.door).locked()?),
            Some(false) => Some(door.as_ref().unwrap_or(&inner.door).unlocked()?),
            None => door,
        };
        let old = door.map(|door| core::mem::replace(&mut inner.door, door));

        inner.access = change.access.unwrap_or(inner.access);
        inner.writers = change.writers.unwrap_or(inner.writers);
        inner.window = change.window.unwrap_or(inner.window);
        inner.keepalive = change.keepalive.unwrap_or(inner.keepalive);
        self.revoke(&inner);

        let seen = self.look(&inner);

        // What is not used any more is closed without the lock: that waits for a job.
        let unused = uses.map(|uses| core::mem::replace(&mut inner.uses, uses));

        drop(inner);
        drop(unused);
        drop(old);
        Ok(seen.is_resized)
    }

    /// Lets more clients in, or those that are let in do something else. Process context; sleeps.
    ///
    /// # Errors
    ///
    /// A refusal that says what is wrong; nothing was changed then.
    pub(super) fn allow(&self, rules: &[Rule], keys: KVec<KeyChange>) -> Verdict {
        self.change_door(|door| door.allow(rules, keys))
    }

    /// Does not let clients in any more by the rules of these prefixes, or by these keys, which lets
    /// some do more only if `may_widen`. Process context; sleeps.
    ///
    /// # Errors
    ///
    /// A refusal that says what is wrong; nothing was changed then.
    pub(super) fn disallow(
        &self,
        prefixes: &[Prefix],
        keys: &[PublicKey],
        may_widen: bool,
    ) -> Verdict {
        self.change_door(|door| door.disallow(prefixes, keys, may_widen))
    }

    /// Puts what `change` makes of it in place of the door.
    fn change_door(&self, change: impl FnOnce(&Door) -> Verdict<Door>) -> Verdict {
        let mut inner = self.inner.lock();

        if inner.removing {
            drop(inner);
            return Err(self.leaving());
        }

        let door = change(&inner.door)?;
        let old = core::mem::replace(&mut inner.door, door);

        self.revoke(&inner);
        drop(inner);
        drop(old);
        Ok(())
    }

    /// Cuts those who are in although they would not be let in any more, and counts them. Requests
    /// that were accepted are still carried out, but no further ones.
    fn revoke(&self, inner: &Inner) {
        let cut = inner.sessions.cut(Cut::Denied, |link, session| {
            inner
                .rights(link, session.credentials())
                .map_or(true, |rights| rights < session.needs())
        });

        self.counters.revoked(cut);
    }

    /// Refuses to change an export that goes away.
    fn leaving(&self) -> Refusal {
        self.refuse(ENOENT, "is being removed")
    }
}

/// Refuses a window that is too small or too large.
pub(super) fn check_window(window: u32) -> Verdict {
    match (MIN_WINDOW..=MAX_WINDOW).contains(&window) {
        true => Ok(()),
        false => Err(Refusal::new(
            ERANGE,
            fmt!("The window has to be {MIN_WINDOW} to {MAX_WINDOW} pages"),
        )),
    }
}

/// Refuses a keepalive time that is too short or too long.
pub(super) fn check_keepalive(keepalive: u32) -> Verdict {
    let (min, max) = (KEEPALIVE_MS.start(), KEEPALIVE_MS.end());

    match KEEPALIVE_MS.contains(&keepalive) {
        true => Ok(()),
        false => Err(Refusal::new(
            ERANGE,
            fmt!("The keepalive time has to be {min} to {max} ms"),
        )),
    }
}
