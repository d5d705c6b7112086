// SPDX-License-Identifier: GPL-2.0

//! What all connections of the server share: where the exports are found, and who is connected.

use kernel::{
    new_condvar,
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        CondVar,
        Mutex, //
    },
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

use crate::{
    abstractions::{
        boot,
        namespace::{
            Namespace,
            PerNamespace, //
        },
        random::random_bytes,
        socket::Socket, //
    },
    control::changes::Changes,
    log::{
        Clock,
        Limiter, //
    },
    proto::{
        handshake::keys::SessionKeys,
        sources::Source,
        suite::{
            Suite,
            Suites, //
        },
        units::{
            BootId,
            SessionId, //
        }, //
    }, //
};

use super::{
    config::SessionInfo,
    door::Credentials,
    export::Export,
    hello::Denial,
    link::{
        Cut,
        Link,
        Stage, //
    },
    listener::Listener,
    parting::Parting,
    settings::{
        Identity,
        Settings, //
    },
    walls::Walls, //
};

/// Milliseconds after which it is tried again to leave the mark of a loss.
const MARK_RETRY_MS: i64 = 100;

/// The mark that exports have lost writes in this boot.
const LOSS: &CStr = c"dst_lost_writes";

/// What happened to a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SessionEvent {
    /// A connection is served, and it was the first one.
    Connected,
    /// The last connection is gone.
    Disconnected,
}

/// Who wants to know what happens without anybody having asked for it.
///
/// All methods are called in process context, and without locks.
pub(crate) trait Watcher: Send + Sync + 'static {
    /// Returns where it is noted that exports and sessions of `namespace` come and go. Sleeps.
    ///
    /// # Errors
    ///
    /// `ENONET` if the namespace comes to its end, `ENOMEM` if there is not enough memory.
    fn changes(&self, namespace: &Namespace) -> Result<Arc<Changes>>;

    /// Something happened to a session.
    fn session(&self, event: SessionEvent, info: &SessionInfo);

    /// The device of an export has another size, or can be written where it could not, or the
    /// reverse.
    fn resized(&self, export: &Export);
}

/// The exports, the connections, and what else there is once.
#[pin_data]
pub(super) struct Registry {
    /// Identity of this boot of the machine.
    pub(super) boot_id: BootId,
    /// The incarnation of exports that have lost nothing.
    incarnation: u64,
    /// How many exports ended with writes that may not be durable.
    losses: Atomic<u64>,
    pub(super) clock: Clock,
    #[pin]
    limiter: Limiter,
    /// What connections are sealed with.
    #[pin]
    settings: PerNamespace<Settings>,
    #[pin]
    exports: Mutex<KVec<Arc<Export>>>,
    /// All connections, the oldest first.
    #[pin]
    links: Mutex<KVec<Arc<Link>>>,
    /// Notified when a connection is gone.
    #[pin]
    gone: CondVar,
    /// Sockets of connections that are gone.
    #[pin]
    parting: Parting,
    #[pin]
    walls: PerNamespace<Walls>,
    watcher: Option<Arc<dyn Watcher>>,
}

impl Registry {
    /// Returns an empty one that tells `watcher` what happens. Process context; sleeps.
    ///
    /// When the module is loaded again in the same boot, its exports are what they were, because it
    /// was not unloaded before all that was written to them was durable. If that could not be had,
    /// there is a mark that says so. When in doubt they are other ones.
    pub(super) fn new(watcher: Option<Arc<dyn Watcher>>) -> Result<Arc<Self>> {
        let boot_id = boot::boot_id().unwrap_or_else(|_| random_bytes());
        let incarnation = match boot::is_marked(LOSS) {
            true => u64::from_ne_bytes(random_bytes()),
            false => 0,
        };

        Arc::pin_init(
            pin_init!(Self {
                boot_id: BootId(boot_id),
                incarnation,
                losses: Atomic::new(0),
                clock: Clock::new(),
                limiter <- Limiter::new(),
                settings <- PerNamespace::new(),
                exports <- new_mutex!(KVec::new(), "Registry::exports"),
                links <- new_mutex!(KVec::new(), "Registry::links"),
                gone <- new_condvar!("Registry::gone"),
                parting <- Parting::new(),
                walls <- PerNamespace::new(),
                watcher,
            }),
            GFP_KERNEL,
        )
    }

    /// Returns the incarnation of an export that begins now: another one than before if writes may
    /// have been lost since.
    pub(super) fn incarnation(&self) -> u64 {
        self.incarnation.wrapping_add(self.losses.load(Relaxed))
    }

    /// Notes that an export ended with writes that may not be durable. Process context; sleeps.
    pub(super) fn note_loss(&self) {
        self.losses.add(1, Relaxed);
        while boot::leave_mark(LOSS).is_err() {
            // There has to be memory at some time, and the clients have to hear of it.
            fsleep(Delta::from_millis(MARK_RETRY_MS));
        }
    }

    /// Returns what connections in `net` are sealed with, if there is something.
    pub(super) fn identity(&self, net: &Namespace) -> Option<Arc<Identity>> {
        self.settings.get(net)?.identity()
    }

    /// Returns the only suite that connections in `net` are sealed with, if not any will do.
    pub(super) fn suite(&self, net: &Namespace) -> Option<Suite> {
        self.settings.get(net)?.suite()
    }

    /// Returns what can be set about how connections in `net` are sealed. Process context; sleeps.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is not enough memory, `ENONET` if the namespace comes to its end.
    pub(super) fn settings(&self, net: &Namespace) -> Result<Arc<Settings>> {
        self.settings.get_or(net, Settings::new)
    }

    /// Returns what to seal a connection in `net` with, where the server has `identity` and the client
    /// allows `offered`. Process context.
    ///
    /// # Errors
    ///
    /// What the client is to be told if there is nothing for both.
    pub(super) fn choose(
        &self,
        net: &Namespace,
        identity: &Identity,
        offered: Suites,
    ) -> Result<Suite, Denial> {
        let allowed = self.suite(net).map_or(Suites::ALL, Suites::only);
        let ours = identity.ciphers.suites().common(allowed);

        ours.choose(offered, identity.ciphers.preferred())
            .ok_or(Denial::no_suite(ours))
    }

    /// Returns what connections of the session `id` can join with that come in at `listener`, its
    /// export, and what its client has proved.
    pub(super) fn find_keys(
        &self,
        id: SessionId,
        listener: &Arc<Listener>,
    ) -> Option<(Arc<Export>, Arc<SessionKeys>, Credentials)> {
        self.exports
            .lock()
            .iter()
            .filter(|export| export.net() == listener.net() && export.listens_at(listener))
            .find_map(|export| {
                let (keys, credentials) = export.inner.lock().sessions.keys(id)?;

                Some((export.clone(), keys, credentials))
            })
    }

    /// Returns whether a line may be written to the log.
    pub(super) fn may_log(&self) -> bool {
        self.limiter.allows(self.clock.now())
    }

    /// Tells who wants to know what happened to a session.
    pub(super) fn tell(&self, event: SessionEvent, info: &SessionInfo) {
        if let Some(watcher) = &self.watcher {
            watcher.session(event, info);
        }
    }

    /// Returns where it is noted that exports and sessions of `net` come and go. Process context;
    /// sleeps.
    ///
    /// # Errors
    ///
    /// `ENONET` if the namespace comes to its end, `ENOMEM` if there is not enough memory.
    pub(super) fn changes(&self, net: &Namespace) -> Result<Arc<Changes>> {
        match &self.watcher {
            Some(watcher) => watcher.changes(net),
            None => Changes::new(),
        }
    }

    /// Adds an export.
    ///
    /// # Errors
    ///
    /// `EEXIST` if there is one of that name in its namespace, `ENOMEM` if there is no memory.
    pub(super) fn add(&self, export: Arc<Export>) -> Result {
        let mut exports = self.exports.lock();
        let same =
            |known: &Arc<Export>| known.net() == export.net() && known.name() == export.name();

        if exports.iter().any(same) {
            return Err(EEXIST);
        }
        exports.reserve(1, GFP_KERNEL)?;
        export.changes.note();
        exports.push(export, GFP_KERNEL)?;
        Ok(())
    }

    /// Returns the export `name` of `net`.
    pub(super) fn find(&self, net: &Namespace, name: &[u8]) -> Option<Arc<Export>> {
        self.exports
            .lock()
            .iter()
            .find(|export| export.net() == net && export.name().to_bytes() == name)
            .cloned()
    }

    /// Returns the export `name` if those who come in at `listener` may ask for it.
    pub(super) fn find_at(&self, name: &[u8], listener: &Arc<Listener>) -> Option<Arc<Export>> {
        self.find(listener.net(), name)
            .filter(|export| export.listens_at(listener))
    }

    /// Returns an export of `net` whose removal has not begun.
    pub(super) fn staying(&self, net: &Namespace) -> Option<Arc<Export>> {
        self.exports
            .lock()
            .iter()
            .find(|export| export.net() == net && !export.is_leaving())
            .cloned()
    }

    /// Forgets an export.
    pub(super) fn remove(&self, export: &Arc<Export>) {
        let mut exports = self.exports.lock();
        let index = exports.iter().position(|known| Arc::ptr_eq(known, export));
        let removed = index.and_then(|index| exports.remove(index).ok());

        export.changes.note();
        drop(exports);
        drop(removed);
    }

    /// Returns the oldest export.
    pub(super) fn first(&self) -> Option<Arc<Export>> {
        self.exports.lock().first().cloned()
    }

    /// Returns all exports.
    pub(super) fn exports(&self) -> Result<KVec<Arc<Export>>> {
        let exports = self.exports.lock();
        let mut all = KVec::with_capacity(exports.len(), GFP_KERNEL)?;

        for export in exports.iter() {
            all.push(export.clone(), GFP_KERNEL)?;
        }
        Ok(all)
    }

    /// Adds a connection.
    pub(super) fn join(&self, link: &Arc<Link>) -> Result {
        self.links.lock().push(link.clone(), GFP_KERNEL)?;
        Ok(())
    }

    /// Cuts off the client in `net`, from `source` if there is one, that has waited longest without
    /// having introduced itself.
    pub(super) fn crowd_out(&self, net: &Namespace, source: Option<Source>) {
        let links = self.links.lock();
        let silent = |link: &&Arc<Link>| {
            link.is_at(Stage::Greeting)
                && link.is_cut().is_none()
                && link.listener().net() == net
                && source.is_none_or(|source| link.visit().source() == source)
        };

        if let Some(oldest) = links.iter().find(silent) {
            oldest.cut(Cut::Crowded);
        }
    }

    /// Returns the walls of `net`. Process context; sleeps.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is not enough memory.
    pub(super) fn walls(&self, net: &Namespace) -> Result<Arc<Walls>> {
        self.walls.get_or(net, Walls::new)
    }

    /// Returns the walls of `net` if somebody has needed them. Process context.
    pub(super) fn walls_if_any(&self, net: &Namespace) -> Option<Arc<Walls>> {
        self.walls.get(net)
    }

    /// Cuts all connections in `net`, breaks those that are only waited for to be closed, and forgets
    /// what else there is for it. Process context.
    pub(super) fn cut(&self, net: &Namespace) {
        for link in self.links.lock().iter() {
            if link.listener().net() == net {
                link.cut(Cut::Gone);
            }
        }
        self.parting.clear(net);
        self.walls.remove(net);
        self.settings.remove(net);
    }

    /// Forgets a connection.
    pub(super) fn leave(&self, link: &Arc<Link>) {
        self.links.lock().retain(|known| !Arc::ptr_eq(known, link));
        link.visit().over();
        self.gone.notify_all();
    }

    /// Closes `socket` in an orderly way, which may take a while. Process context.
    pub(super) fn part(&self, socket: Socket) {
        self.parting.add(socket, self.clock.now());
    }

    /// Does what has to be done for all connections every now and then. Process context.
    pub(super) fn tick(&self) {
        let now = self.clock.now();

        for link in self.links.lock().iter() {
            link.tick(now);
        }
        self.parting.tick(now);
    }

    /// Looks whether devices have another size, or can be written or not. Process context.
    pub(super) fn look_at_devices(&self) {
        // If there is no memory for the list, there may be the next time.
        for export in self.exports().unwrap_or_default() {
            if export.has_changed() {
                self.resized(&export);
            }
        }
    }

    /// Tells who wants to know that the device of `export` has become another one, see
    /// [`Watcher::resized`].
    pub(super) fn resized(&self, export: &Export) {
        if let Some(watcher) = &self.watcher {
            watcher.resized(export);
        }
    }

    /// Cuts all connections and waits until they are gone. Process context, but not in a job.
    pub(super) fn close(&self) {
        let mut links = self.links.lock();

        while !links.is_empty() {
            for link in links.iter() {
                link.cut(Cut::Gone);
            }
            self.gone.wait(&mut links);
        }
        drop(links);
        self.parting.close();
    }
}
