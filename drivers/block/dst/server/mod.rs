// SPDX-License-Identifier: GPL-2.0

//! The server: block devices of this machine for clients elsewhere.
//!
//! A client comes in at a [`listener`], becomes a [`connection`], introduces itself ([`greeting`]),
//! is let in ([`hello`]), and with that a member of a session ([`sessions`]) of an [`export`]. It
//! sends requests ([`serve`], [`inbox`], [`receive`]), which are carried out ([`io`], [`backend`])
//! and answered ([`reply`]).
//!
//! All of this happens in jobs of the pool, started by what the sockets and the devices tell.
//! Nothing in them waits for the network or for a device. A connection is worked on by its own job
//! only, so that it needs no locks; what others have to know of it is in its [`link`].
//!
//! Lock order: the state of a connection (only ever taken by its job), [`registry`], the export's
//! own lock, and then locks of mailboxes, jobs and failed [`flushes`], which are leaves.

mod backend;
mod chain;
mod change;
mod channel;
pub(crate) mod config;
mod connection;
mod counters;
mod device;
mod door;
pub(crate) mod export;
mod flushes;
mod greeting;
mod handshake;
mod hello;
mod io;
mod link;
mod listener;
mod memory;
mod parting;
mod receive;
pub(crate) mod registry;
mod removal;
mod reply;
mod serve;
mod sessions;
mod settings;
mod trace;
pub(crate) mod walls;

use kernel::{
    prelude::*,
    sync::Arc,
    time::msecs_to_jiffies, //
};

use crate::{
    abstractions::{
        errno,
        kthread::Thread,
        memory::NoIoScope,
        namespace::Namespace, //
    },
    control::refusal::{
        Refusal,
        Result as Verdict, //
    },
    pool::Pool,
    proto::{
        access::{
            Prefix,
            Rule, //
        },
        secret::PublicKey,
        suite::{
            Suite,
            Suites, //
        },
        walls::Limits, //
    },
    wire::cipher::Ciphers, //
};

use config::{
    ExportChange,
    ExportConfig,
    KeyChange,
    ServerChange,
    SessionInfo, //
};
use export::Export;
use listener::Listeners;
use registry::{
    Registry,
    Watcher, //
};
pub(crate) use removal::Finished;
use settings::Identity;
use walls::WallsInfo;

/// Milliseconds between two looks at all connections.
const TICK: u32 = 100;

/// Ticks between two looks at what devices have become.
const TICKS_OF_LOOK: u32 = 10;

/// All exports of this machine, each of which belongs to a network namespace.
///
/// Dropping it removes all of them and waits until the devices are done with what they have; it
/// must happen before the pool ends, and not in a job.
pub(crate) struct Server {
    registry: Arc<Registry>,
    listeners: Arc<Listeners>,
    _janitor: Thread,
}

impl Server {
    /// Returns a server without exports, whose work is done by `pool`. `watcher` is told what
    /// happens to sessions. Process context.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory.
    pub(crate) fn new(pool: &Arc<Pool>, watcher: Option<Arc<dyn Watcher>>) -> Result<Self> {
        let registry = Registry::new(watcher)?;
        let listeners = Listeners::new(&registry, pool)?;
        let janitor = {
            let registry = registry.clone();
            let listeners = listeners.clone();

            Thread::new(fmt!("dst-server"), None, move |current| {
                let _noio = NoIoScope::new();

                for tick in (0..TICKS_OF_LOOK).cycle() {
                    current.sleep_until_timeout(msecs_to_jiffies(TICK), || false);
                    if current.should_stop() {
                        break;
                    }
                    registry.tick();
                    listeners.tick();
                    if tick == 0 {
                        registry.look_at_devices();
                    }
                }
            })?
        };

        Ok(Self {
            registry,
            listeners,
            _janitor: janitor,
        })
    }

    /// Adds an export, and has `announce` tell of it before anybody tells that it is gone. If that
    /// fails, it goes. Process context; sleeps.
    ///
    /// # Errors
    ///
    /// A refusal that says what is wrong; nothing is left behind then.
    pub(crate) fn add_export(
        &self,
        config: ExportConfig,
        announce: impl FnOnce(&Arc<Export>) -> Result,
    ) -> Verdict {
        let taken = |name: &CStr| Refusal::new(EEXIST, fmt!("There is an export {} already", name));

        if let Some(export) = self.registry.find(&config.net, config.name.to_bytes()) {
            return Err(match export.is_leaving() {
                true => export.refuse(EEXIST, "is being removed, but its device is not done yet"),
                false => taken(&config.name),
            });
        }

        let changes = self.registry.changes(&config.net)?;
        let incarnation = self.registry.incarnation();
        let export = Export::new(config, incarnation, changes, &self.listeners)?;
        let announcing = export.announcing.lock();

        match self.registry.add(export.clone()) {
            Ok(()) => {
                let announced = announce(&export);

                drop(announcing);
                if let Err(error) = announced {
                    self.remove_export(&export, true)?;
                    return Err(error.into());
                }
                Ok(())
            }
            Err(error) => {
                let refusal = match error == EEXIST {
                    true => taken(export.name()),
                    false => error.into(),
                };

                export.begin_removal(true)?;
                export.finish_removal();
                Err(refusal)
            }
        }
    }

    /// Changes `export`. Process context; sleeps.
    ///
    /// # Errors
    ///
    /// A refusal that says what is wrong; nothing was changed then.
    pub(crate) fn change_export(&self, export: &Export, change: ExportChange) -> Verdict {
        if export.change(change, &self.listeners)? {
            self.registry.resized(export);
        }
        Ok(())
    }

    /// Lets more clients into `export`, or those that are let in do something else. Process context;
    /// sleeps.
    ///
    /// # Errors
    ///
    /// A refusal that says what is wrong; nothing was changed then.
    pub(crate) fn allow(&self, export: &Export, rules: &[Rule], keys: KVec<KeyChange>) -> Verdict {
        export.allow(rules, keys)
    }

    /// Does not let clients into `export` any more by the rules of these prefixes, or by these keys,
    /// which lets some do more only if `may_widen`. Process context; sleeps.
    ///
    /// # Errors
    ///
    /// A refusal that says what is wrong; nothing was changed then.
    pub(crate) fn disallow(
        &self,
        export: &Export,
        prefixes: &[Prefix],
        keys: &[PublicKey],
        may_widen: bool,
    ) -> Verdict {
        export.disallow(prefixes, keys, may_widen)
    }

    /// Changes what `change` says of the server in `net`: all of it, or nothing. Keys and suite are
    /// used for all handshakes from now on; who has more than the limits keeps it. Process context;
    /// sleeps, and may load modules.
    ///
    /// # Errors
    ///
    /// `EOPNOTSUPP` if this kernel does not have the suite, `ENOMEM` if there is no memory, `ENONET` if
    /// the namespace comes to its end; nothing was changed then.
    pub(crate) fn change(
        &self,
        net: &Namespace,
        change: ServerChange<impl FnOnce(&mut Limits)>,
    ) -> Verdict {
        if let Some(Some(suite)) = change.suite {
            // With what nobody can use it would let nobody in.
            if Ciphers::load(Suites::only(suite))?.suites().is_empty() {
                return Err(Refusal::new(
                    errno::EOPNOTSUPP.into(),
                    fmt!(
                        "This kernel was built without {}: choose another suite, or any",
                        suite.name()
                    ),
                ));
            }
        }

        let identity = match change.keys {
            Some(keys) => {
                let ciphers = Ciphers::load(Suites::ALL)?;

                Some(Arc::new(Identity { keys, ciphers }, GFP_KERNEL)?)
            }
            None => None,
        };
        let settings = self.registry.settings(net)?;
        let limits = match change.limits {
            Some(limits) => Some((self.registry.walls(net)?, limits)),
            None => None,
        };

        // From here on nothing is refused.
        settings.set(identity, change.suite);
        if let Some((walls, limits)) = limits {
            walls.change(limits);
        }
        Ok(())
    }

    /// Returns the key that clients of the server in `net` have to be told, if there is one.
    pub(crate) fn public_key(&self, net: &Namespace) -> Option<PublicKey> {
        self.registry
            .identity(net)
            .map(|identity| *identity.keys.public())
    }

    /// Returns the only suite that connections of the server in `net` are sealed with, if not any will
    /// do.
    pub(crate) fn suite(&self, net: &Namespace) -> Option<Suite> {
        self.registry.suite(net)
    }

    /// Removes `export`, with `force` even if clients are attached. Process context.
    ///
    /// It waits until the device is done with what it has, and closes it; it does not wait for the
    /// network. Returns whether it was removed by this call, not by another one meanwhile.
    ///
    /// # Errors
    ///
    /// A refusal with `EBUSY`.
    pub(crate) fn remove_export(&self, export: &Arc<Export>, force: bool) -> Verdict<bool> {
        export.begin_removal(force)?;
        Ok(self.finish_export(export) != Finished::Elsewhere)
    }

    /// Begins to remove some export of `net`, which comes to its end, whoever is attached; returns it,
    /// or [`None`] if there is none to begin with. [`Self::finish_export`] has to follow. It does not
    /// wait for the device. Process context, but not in a job.
    pub(crate) fn evict_export(&self, net: &Namespace) -> Option<Arc<Export>> {
        let export = self.registry.staying(net)?;

        // By force it is never refused.
        let _ = export.begin_removal(true);
        Some(export)
    }

    /// Ends the removal of `export`, which has begun, and forgets it unless somebody else does.
    /// Process context; waits until the device is done with what it has, and closes it.
    pub(crate) fn finish_export(&self, export: &Arc<Export>) -> Finished {
        let finished = export.finish_removal();

        if let Finished::Here(durable) = finished {
            self.forget(export, durable);
        }
        finished
    }

    /// Cuts all connections in `net`, which comes to its end. Process context.
    pub(crate) fn cut(&self, net: &Namespace) {
        self.registry.cut(net);
    }

    /// Forgets an export that was removed, `durable` says whether all that was written is.
    fn forget(&self, export: &Arc<Export>, durable: bool) {
        if !durable {
            self.registry.note_loss();
        }
        self.registry.remove(export);
    }

    /// Returns the export `name` of `net`.
    ///
    /// # Errors
    ///
    /// A refusal with `ENOENT` if there is none.
    pub(crate) fn get(&self, net: &Namespace, name: &CStr) -> Verdict<Arc<Export>> {
        self.registry
            .find(net, name.to_bytes())
            .ok_or_else(|| Refusal::new(ENOENT, fmt!("There is no export {}", name)))
    }

    /// Returns all exports, the oldest first.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory.
    pub(crate) fn exports(&self) -> Result<KVec<Arc<Export>>> {
        self.registry.exports()
    }

    /// Returns all exports of `net`, the oldest first.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory.
    pub(crate) fn exports_of(&self, net: &Namespace) -> Result<KVec<Arc<Export>>> {
        let mut exports = self.exports()?;

        exports.retain(|export| export.net() == net);
        Ok(exports)
    }

    /// Tells about the walls of the server in `net`. Process context.
    pub(crate) fn walls_info(&self, net: &Namespace) -> WallsInfo {
        match self.registry.walls_if_any(net) {
            Some(walls) => walls.info(),
            None => WallsInfo::default(),
        }
    }

    /// Returns the sessions of `export`.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory.
    pub(crate) fn sessions(&self, export: &Export) -> Result<KVec<SessionInfo>> {
        export.sessions(self.registry.clock.now())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        loop {
            // One by one, so that no memory is needed.
            let Some(export) = self.registry.first() else {
                break;
            };
            let _ = export.begin_removal(true);

            if self.finish_export(&export) == Finished::Elsewhere {
                self.registry.remove(&export);
            }
        }
        self.registry.close();
    }
}
