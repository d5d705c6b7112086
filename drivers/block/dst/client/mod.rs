// SPDX-License-Identifier: GPL-2.0

//! The client: storages, which are disks of this machine whose data is on another one.
//!
//! The path of a write, and where to read about each step:
//!
//! 1. [`submit`]: the block layer submits a bio to a [`storage`], and it becomes a [`request`] in the
//!    [`queue`]; a [`batch`] of them is sent together;
//! 2. [`dispatch`], [`split`]: it is split into runs of pages, which get a handle each;
//! 3. [`send`]: their frames go into the socket of a [`connection`], many in one call;
//! 4. [`receive`], [`answer`]: replies are matched to runs by handle, and pages acknowledged;
//! 5. when the last run of a request is done, the bio ends.
//!
//! A [`keeper`] for each connection sees to it that there is one, and says when runs are sent
//! again. What happens while there is none is a matter of the [`policy`].

mod answer;
mod batch;
mod change;
pub(crate) mod config;
mod connection;
mod connections;
pub(crate) mod counters;
mod device;
mod dispatch;
mod ear;
mod establish;
mod failure;
mod flight;
mod greeting;
mod handshake;
mod info;
mod keeper;
mod links;
mod migrate;
mod policy;
mod queue;
mod receive;
mod request;
mod route;
mod send;
mod session;
mod split;
mod state;
mod status;
mod storage;
mod submit;
#[cfg(CONFIG_KUNIT = "y")]
mod tests;
mod trace;
mod waits;

use crate::{
    abstractions::{
        disk::Table,
        namespace::Namespace, //
    },
    control::{
        changes::Changes,
        refusal,
        Refusal, //
    },
    pool::Pool,
    proto, //
};
use config::StorageConfig;
pub(crate) use config::StorageEvent;
use core::ops::Deref;
use kernel::{
    new_mutex,
    prelude::*,
    str::CStr,
    sync::{
        Arc,
        Mutex,
        SetOnce, //
    }, //
};
pub(crate) use storage::Storage;

/// The operations of all disks of this module.
static TABLE: SetOnce<Table<Storage>> = SetOnce::new();

/// Who wants to know what happens to storages.
pub(crate) trait Observer: Send + Sync + 'static {
    /// Returns where it is noted that storages of `namespace` come and go. Process context; sleeps.
    ///
    /// # Errors
    ///
    /// `ENONET` if the namespace comes to its end, `ENOMEM` if there is not enough memory.
    fn changes(&self, namespace: &Namespace) -> Result<Arc<Changes>>;

    /// `event` happened to `storage`. Process context.
    fn storage(&self, storage: &Storage, event: StorageEvent);
}

/// All storages.
#[pin_data]
pub(crate) struct Client {
    pool: Arc<Pool>,
    observer: Arc<dyn Observer>,
    #[pin]
    storages: Mutex<KVec<Entry>>,
}

/// A storage, or a name that is taken because one is being added.
struct Entry {
    storage: Arc<Storage>,
    changes: Arc<Changes>,
    /// Somebody is about to take it away.
    leaving: bool,
}

impl Client {
    /// Returns a client without storages, whose disks belong to `module`.
    fn new(
        module: &'static ThisModule,
        pool: Arc<Pool>,
        observer: Arc<dyn Observer>,
    ) -> impl PinInit<Self> {
        // There is one client; a second one would belong to the same module.
        TABLE.populate(Table::new(module));
        pin_init!(Self {
            pool,
            observer,
            storages <- new_mutex!(KVec::new(), "Client::storages"),
        })
    }

    /// Waits until the disk of `storage` is there. Process context; interruptible.
    ///
    /// # Errors
    ///
    /// Why there is no connection. The storage is gone then.
    pub(crate) fn settle(&self, storage: &Arc<Storage>) -> refusal::Result {
        storage.wait().inspect_err(|_| {
            self.take(storage);
            storage.stop(true);
        })
    }

    /// Adds a storage, which begins to connect. Process context; sleeps, and may load modules.
    ///
    /// # Errors
    ///
    /// `EINVAL` for an impossible configuration, `EEXIST` if the name is taken. Nothing is left
    /// behind.
    pub(crate) fn add_storage(&self, config: StorageConfig) -> refusal::Result<Arc<Storage>> {
        proto::name::storage(config.name.to_bytes()).map_err(|error| {
            Refusal::new(EINVAL, fmt!("The name of the storage {}", error.text()))
        })?;
        proto::name::export(config.export.to_bytes()).map_err(|error| {
            Refusal::new(EINVAL, fmt!("The name of the export {}", error.text()))
        })?;
        if config.addresses.is_empty() {
            return Err(Refusal::new(
                EINVAL,
                fmt!("A storage needs the address of a server"),
            ));
        }
        let table = TABLE.as_ref().ok_or(ENODEV)?;

        check_name(&self.storages.lock(), text(&config.name), &config.net)?;

        // Without the lock: ciphers are loaded by processes that may take their time, and who takes
        // storages away needs it.
        let connections = config.connections;
        let changes = self.observer.changes(&config.net)?;
        let storage = Storage::new(config, self.pool.clone(), self.observer.clone(), table)?;
        let mut storages = self.storages.lock();

        // Somebody else may have taken it meanwhile.
        check_name(&storages, storage.name(), storage.net())?;
        storages.reserve(1, GFP_KERNEL)?;
        storage.begin(connections)?;

        let entry = Entry {
            storage: storage.clone(),
            changes,
            leaving: false,
        };

        entry.changes.note();
        let pushed = storages.push_within_capacity(entry).is_ok();

        drop(storages);
        if !pushed {
            storage.stop(true);
            return Err(ENOMEM.into());
        }
        Ok(storage)
    }

    /// Takes `storage` away.
    ///
    /// If `force`, what it has not done yet fails, and so does all that users of the disk ask for
    /// later. Process context; sleeps, but with `force` not for the server.
    ///
    /// If somebody else is taking it away already, that ends soon with `force`, and is waited for.
    ///
    /// # Errors
    ///
    /// `ENODEV` if there is none, `EBUSY` if the disk is open, or somebody is taking the storage away
    /// already, and `force` is not set.
    pub(crate) fn remove_storage(&self, storage: &Arc<Storage>, force: bool) -> refusal::Result {
        let name = storage.name();

        {
            let mut storages = self.storages.lock();
            let Some(entry) = storages
                .iter_mut()
                .find(|entry| Arc::ptr_eq(&entry.storage, storage))
            else {
                return Err(Refusal::new(
                    ENODEV,
                    fmt!("There is no storage called {name}"),
                ));
            };
            let openers = entry.storage.openers();

            if entry.leaving && !force {
                return Err(Refusal::new(EBUSY, fmt!("{name} is being removed already")));
            }
            if openers > 0 && !force {
                return Err(Refusal::new(
                    EBUSY,
                    fmt!("/dev/dst-{name} is in use: unmount it, or use force to let I/O fail"),
                ));
            }
            entry.leaving = true;
        }

        storage.stop(force);
        self.take(storage);
        Ok(())
    }

    /// Begins to take some storage of `net` away, which comes to its end: the connections are given
    /// up, and what was asked for fails. Returns the storage, or [`None`] if there is none to begin
    /// with; [`Self::finish_storage`] has to follow. Process context; does not wait for users of the
    /// disk.
    pub(crate) fn evict_storage(&self, net: &Namespace) -> Option<Arc<Storage>> {
        let storage = {
            let mut storages = self.storages.lock();
            let ours = storages.iter().filter(|entry| entry.storage.net() == net);

            // Whoever takes one away already does not have to wait for its server.
            for entry in ours.filter(|entry| entry.leaving) {
                entry.storage.forsake();
            }

            let entry = storages
                .iter_mut()
                .find(|entry| !entry.leaving && entry.storage.net() == net)?;

            entry.leaving = true;
            entry.storage.clone()
        };

        storage.forsake();
        Some(storage)
    }

    /// Ends what [`Self::evict_storage`] has begun. Process context; sleeps.
    pub(crate) fn finish_storage(&self, storage: &Arc<Storage>) {
        storage.stop(true);
        self.take(storage);
    }

    /// Forgets `storage`; its name is free then.
    fn take(&self, storage: &Arc<Storage>) {
        let taken = {
            let mut storages = self.storages.lock();
            let index = storages
                .iter()
                .position(|entry| Arc::ptr_eq(&entry.storage, storage));
            let taken = index.and_then(|index| storages.remove(index).ok());

            if let Some(entry) = &taken {
                entry.changes.note();
            }
            taken
        };
        drop(taken);
    }

    /// Returns the storage called `name` of `net`.
    pub(crate) fn storage(&self, net: &Namespace, name: &str) -> Option<Arc<Storage>> {
        self.storages
            .lock()
            .iter()
            .find(|entry| entry.storage.net() == net && entry.storage.name() == name)
            .map(|entry| entry.storage.clone())
    }

    /// Returns all storages of `net`, the oldest first.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is not enough memory.
    pub(crate) fn storages_of(&self, net: &Namespace) -> Result<KVec<Arc<Storage>>> {
        let storages = self.storages.lock();
        let mut ours = KVec::new();

        for entry in storages.iter() {
            if entry.storage.net() == net {
                ours.push(entry.storage.clone(), GFP_KERNEL)?;
            }
        }
        Ok(ours)
    }

    /// Returns the `n`th storage of all namespaces; numbers change when storages go away.
    pub(crate) fn nth(&self, n: usize) -> Option<Arc<Storage>> {
        self.storages
            .lock()
            .get(n)
            .map(|entry| entry.storage.clone())
    }
}

/// Who has a client. Dropping it takes all storages away, by force.
pub(crate) struct Owner(Arc<Client>);

impl Owner {
    /// Makes a client without storages, whose disks belong to `module`.
    pub(crate) fn new(
        module: &'static ThisModule,
        pool: Arc<Pool>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self> {
        Ok(Self(Arc::pin_init(
            Client::new(module, pool, observer),
            GFP_KERNEL,
        )?))
    }
}

impl Deref for Owner {
    type Target = Arc<Client>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        loop {
            let entry = self.0.storages.lock().pop();

            match entry {
                Some(entry) => entry.storage.stop(true),
                None => break,
            }
        }
    }
}

/// Refuses a storage in `net` that would be called like one of `storages`.
fn check_name(storages: &[Entry], name: &str, net: &Namespace) -> refusal::Result {
    let Some(entry) = storages.iter().find(|entry| entry.storage.name() == name) else {
        return Ok(());
    };

    // Who is elsewhere does not see it, but all see its device.
    Err(match entry.storage.net() == net {
        true => Refusal::new(
            EEXIST,
            fmt!("There is a storage called {name} already: choose another name"),
        ),
        false => Refusal::new(
            EEXIST,
            fmt!("/dev/dst-{name} is taken on this machine: choose another name"),
        ),
    })
}

/// Returns a name as text; names consist of ASCII characters.
fn text(name: &CStr) -> &str {
    name.to_str().unwrap_or("?")
}
