// SPDX-License-Identifier: GPL-2.0

//! The control plane: generic netlink, sysfs, and the beginning and end of the driver.
//!
//! Nothing is locked in here while a connection is made, a disk goes or a thread ends: the client,
//! the server and the pool lock what they need for as short as they need it.

mod errands;
mod events;
mod netlink;
mod uapi;

pub(crate) mod changes;
pub(crate) mod refusal;
pub(crate) mod sysfs;

use crate::{
    abstractions::{
        genetlink::{
            Notifier,
            Registration, //
        },
        namespace::{
            self,
            Namespace,
            Resident, //
        }, //
    },
    client,
    pool::{
        self,
        Pool, //
    },
    server::{
        config::{
            ExportChange,
            ExportConfig,
            ExportInfo,
            ExportState, //
        },
        export::Export,
        Server, //
    }, //
};
use errands::Errands;
use events::{
    Event,
    Events, //
};
use kernel::{
    prelude::*,
    sync::Arc,
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

pub(crate) use refusal::Refusal;

/// Milliseconds after which it is looked again whether all commands are done.
const ERRANDS_STEP_MS: i64 = 10;

/// What commands act upon.
///
/// Fields are dropped in their order: the storages go first, because some of them may be on
/// exports of this machine.
pub(crate) struct Control {
    /// None is being done any more when this is dropped.
    errands: Pin<KBox<Errands>>,
    client: client::Owner,
    exports: sysfs::Exports,
    server: Server,
    events: Arc<Events>,
    pool: Arc<Pool>,
}

impl Control {
    /// Adds an export. This sleeps.
    ///
    /// # Errors
    ///
    /// Those of [`Server::add_export`]; nothing is left behind then.
    fn add_export(&self, config: ExportConfig) -> refusal::Result {
        self.server.add_export(config, |export| {
            self.exports.show(&self.server, export)?;
            self.events.export(Event::Added, export);
            Ok(())
        })
    }

    /// Removes `export`. This sleeps until its device has done what it was asked for.
    ///
    /// # Errors
    ///
    /// Those of [`Server::remove_export`].
    fn remove_export(&self, export: &Arc<Export>, force: bool) -> refusal::Result {
        // Afterwards there is not much left to tell.
        let last = export.info()?;

        if !self.server.remove_export(export, force)? {
            return Ok(());
        }
        export.await_announcement();
        self.exports.hide(export);
        self.events.export_info(
            Event::Removed,
            &ExportInfo {
                state: ExportState::Removing,
                sessions: 0,
                ..last
            },
        );
        Ok(())
    }

    /// Changes `export`. This sleeps.
    ///
    /// # Errors
    ///
    /// Those of [`Server::change_export`]; nothing was changed then.
    fn change_export(&self, export: &Arc<Export>, change: ExportChange) -> refusal::Result {
        self.server.change_export(export, change)?;
        self.events.export(Event::Changed, export);
        Ok(())
    }

    /// Has `change` change who is let in to `export`. This sleeps.
    ///
    /// # Errors
    ///
    /// Those of `change`; nothing was changed then.
    fn change_allowed(
        &self,
        export: &Arc<Export>,
        change: impl FnOnce(&Server) -> refusal::Result,
    ) -> refusal::Result {
        change(&self.server)?;
        self.events.export(Event::Changed, export);
        Ok(())
    }

    /// Removes everything by force. This sleeps.
    fn remove_all(&self) {
        let mut kept = 0;

        while let Some(storage) = self.client.nth(kept) {
            if self.client.remove_storage(&storage, true).is_err() {
                kept += 1;
            }
        }
        for export in self.server.exports().into_iter().flatten() {
            // What remains goes with the server.
            let _ = self.remove_export(&export, true);
        }
    }

    /// Changes the number of threads, and returns when it is that many. This sleeps.
    ///
    /// # Errors
    ///
    /// Those of [`Pool::resize`].
    fn set_threads(&self, threads: u32) -> refusal::Result {
        self.pool.resize(threads).map_err(|error| {
            if error == ERANGE {
                Refusal::new(
                    error,
                    fmt!(
                        "{} threads are not possible here, 1 to {} are",
                        threads,
                        self.pool.limit()
                    ),
                )
            } else {
                Refusal::from(error)
            }
        })
    }
}

/// Has everything that belongs to a network namespace leave it when that comes to its end.
struct Bailiff(Arc<Control>);

impl Bailiff {
    /// Has a thread do `errand`, which may wait for devices, as soon as there is memory for one.
    /// Returns whether there will be one: there is not when the module is being unloaded.
    fn later(&self, errand: impl Fn(&Control) + Clone + Send + Unpin + 'static) -> bool {
        loop {
            let control = self.0.clone();
            let copy = errand.clone();

            match self.0.errands.run(move || copy(&control)) {
                Ok(()) => return true,
                Err(refusal) if refusal.error() == ENODEV => return false,
                Err(_) => fsleep(Delta::from_millis(ERRANDS_STEP_MS)),
            }
        }
    }
}

impl Resident for Bailiff {
    fn evict(&self, namespace: &Namespace) {
        let control = &self.0;

        while let Some(storage) = control.client.evict_storage(namespace) {
            let evicted = storage.clone();

            if !self.later(move |control| control.client.finish_storage(&evicted)) {
                control.client.finish_storage(&storage);
            }
        }
        while let Some(export) = control.server.evict_export(namespace) {
            // Who unloads the module waits for all exports in the end.
            let _ = self.later(move |control| {
                let _ = control.server.finish_export(&export);
            });
        }
        control.server.cut(namespace);
        control.exports.hide_all(namespace);
        control.events.forget(namespace);
    }
}

/// The driver, from the time it is loaded until it is unloaded.
///
/// Fields are dropped in their order: first nobody can give commands or look at anything any more,
/// then the namespaces are left, the storages and exports go, in the end the threads.
pub(crate) struct Driver {
    control: Arc<Control>,
    _family: Registration<Control>,
    _sysfs: sysfs::Registration,
    _namespaces: namespace::Registration,
    _pool: pool::Owner,
}

impl Driver {
    /// Starts the driver of `module`. It has to be called while the module is initialised.
    ///
    /// # Errors
    ///
    /// - `ENOMEM` if there is not enough memory.
    /// - `EEXIST` if somebody else has the names of the driver.
    pub(crate) fn start(module: &'static ThisModule) -> Result<Self> {
        let pool = Pool::start()?;
        let notifier = Notifier::new(netlink::family())?;
        let events = Events::new(notifier.clone())?;
        let class = sysfs::class()?;
        let control = Arc::new(
            Control {
                errands: KBox::pin_init(Errands::new(), GFP_KERNEL)?,
                client: client::Owner::new(module, pool.clone(), events.clone())?,
                exports: sysfs::Exports::new(class.clone())?,
                server: Server::new(&pool, Some(events.clone()))?,
                events,
                pool: pool.clone(),
            },
            GFP_KERNEL,
        )?;

        let bailiff = Arc::new(Bailiff(control.clone()), GFP_KERNEL)?;
        let namespaces = namespace::Registration::new(bailiff)?;

        Ok(Self {
            control: control.clone(),
            _sysfs: sysfs::Registration::new(class, &namespaces, control.clone())?,
            _namespaces: namespaces,
            _family: Registration::new(notifier, netlink::context(), control)?,
            _pool: pool,
        })
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // As long as there is the family, whoever listens hears of it. Commands that wait for
        // something end when what they are about is gone.
        self.control.errands.close();
        loop {
            self.control.remove_all();
            if self.control.errands.are_done() {
                break;
            }
            fsleep(Delta::from_millis(ERRANDS_STEP_MS));
        }
    }
}
