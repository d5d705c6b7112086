// SPDX-License-Identifier: GPL-2.0

//! A storage: a disk of this machine whose data is on another one.
//!
//! Locks, outer ones first: `removing`, `changing`; `keepers`, `adder`, `disk`, `session`, `old` (mutexes, each
//! taken alone); the inside of a connection's turnstiles (a mutex to send, a semaphore to receive,
//! which is only tried where something arrives); `status`, `policy`, `route` (mutexes, each taken
//! alone); `queue`, `links`, the inside of `batches`, a connection's control and ear (spinlocks,
//! each taken alone, leaves but for those of the pool and the scheduler).

use super::{
    batch::Batches,
    config::{
        Policy,
        StorageConfig,
        StorageEvent,
        StorageState, //
    },
    connection::Connection,
    counters::Counters,
    links::Links,
    queue::Queue,
    request::Request,
    route::Route,
    session::Shared,
    state::{
        First,
        Status, //
    },
    text,
    Observer, //
};
use crate::{
    abstractions::{
        address::Address,
        block_status::BlockStatus,
        disk::{
            Disk,
            Table, //
        },
        kthread::Thread,
        lock::{
            new_spinlock_irq,
            SpinLockIrq, //
        },
        machine::processors,
        mempool,
        namespace::Namespace, //
    },
    control::{
        refusal,
        Refusal, //
    },
    log::{
        Clock,
        Limiter, //
    },
    pool::Pool,
    proto::{
        connection::Cause,
        negotiate::MAX_CONNECTIONS,
        units::Uuid, //
    },
    wire::digest::Method, //
};
use kernel::{
    new_condvar,
    new_mutex,
    prelude::*,
    str::CString,
    sync::{
        atomic::{
            Atomic,
            Full,
            Relaxed, //
        },
        Arc,
        CondVar,
        CondVarTimeoutResult,
        Mutex, //
    },
    time::msecs_to_jiffies, //
};

/// Requests for which there is always memory.
const RESERVE: u16 = 64;

/// See the module's documentation.
#[pin_data]
pub(crate) struct Storage {
    name: CString,
    export: CString,
    net: Namespace,
    /// Identity that the export has to have.
    expected_uuid: Uuid,
    read_only: bool,
    /// Milliseconds to wait for the first connection.
    timeout: u32,
    /// The digest that data has to have on its way, if any.
    digest: Option<Method>,
    /// Changed with the session locked.
    #[pin]
    route: Mutex<Arc<Route>>,
    #[pin]
    pub(super) policy: Mutex<Policy>,
    threads: Arc<Pool>,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) table: &'static Table<Storage>,
    pub(super) requests: Arc<mempool::Pool<Request>>,
    pub(super) counters: Arc<Counters>,
    pub(super) clock: Clock,
    #[pin]
    limiter: Limiter,
    #[pin]
    pub(super) queue: SpinLockIrq<Queue>,
    /// The connections that requests go over.
    #[pin]
    pub(super) links: SpinLockIrq<Links>,
    /// Connections that are closed, but over which the network may still send.
    #[pin]
    pub(super) old: Mutex<KVec<Arc<Connection>>>,
    #[pin]
    pub(super) session: Mutex<Shared>,
    #[pin]
    pub(super) status: Mutex<Status>,
    /// Notified when the disk was added, or that failed.
    #[pin]
    pub(super) settled: CondVar,
    /// Taken by who changes what others must not change at the same time.
    #[pin]
    pub(super) changing: Mutex<()>,
    /// Taken by who takes the storage away, until that is done.
    #[pin]
    removing: Mutex<()>,
    /// How many connections it would like to have.
    pub(super) wanted: Atomic<u32>,
    /// Raised when something has changed that keepers have to look at.
    pub(super) changes: Atomic<u32>,
    /// Raised when there is another way to the server.
    moves: Atomic<u32>,
    /// Whether it is on its way to another server.
    pub(super) moving: Atomic<bool>,
    /// One for each connection.
    #[pin]
    pub(super) keepers: Mutex<KVec<Thread>>,
    #[pin]
    pub(super) adder: Mutex<Option<Thread>>,
    pub(super) batches: Arc<Batches>,
    #[pin]
    pub(super) disk: Mutex<Option<Disk<Storage>>>,
    /// Its number as tracepoints have it, 0 before it was added.
    pub(super) device: Atomic<u32>,
}

/// Returns how many connections a storage has unless somebody says otherwise. Where there is more than
/// one processor, two of them receive at a time, and I/O goes on while one connection is made anew.
/// More would be too many for a server that has many storages: see `default_limits` there.
fn usual_connections() -> u16 {
    match processors() {
        0 | 1 => 1,
        _ => 2,
    }
}

impl Storage {
    /// Makes a storage, which does nothing yet. Process context; sleeps, and may load modules.
    ///
    /// # Errors
    ///
    /// A refusal if the keys are not all there, or there is not enough memory.
    pub(super) fn new(
        config: StorageConfig,
        threads: Arc<Pool>,
        observer: Arc<dyn Observer>,
        table: &'static Table<Storage>,
    ) -> refusal::Result<Arc<Self>> {
        let requests = Arc::pin_init(mempool::Pool::new(RESERVE), GFP_KERNEL)?;
        let counters = Arc::new(Counters::new()?, GFP_KERNEL)?;
        let queue = Queue::new()?;
        let old = KVec::with_capacity(MAX_CONNECTIONS.into(), GFP_KERNEL)?;
        let uuid = config.uuid;
        let policy = config.policy;
        // Nobody may wait for memory later while a keeper waits for the lock.
        let keepers = KVec::with_capacity(MAX_CONNECTIONS.into(), GFP_KERNEL)?;
        let route = Route {
            addresses: Arc::new(config.addresses, GFP_KERNEL)?,
            keys: config.keys.apply(None, config.digest.as_ref())?,
        };
        let route = Arc::new(route, GFP_KERNEL)?;

        Ok(Arc::pin_init(
            try_pin_init!(Self {
                name: config.name,
                export: config.export,
                net: config.net,
                expected_uuid: uuid,
                read_only: config.read_only,
                timeout: config.timeout,
                digest: config.digest,
                route <- new_mutex!(route, "Storage::route"),
                policy <- new_mutex!(policy, "Storage::policy"),
                threads,
                observer,
                table,
                requests,
                counters,
                clock: Clock::new(),
                limiter <- Limiter::new(),
                queue <- new_spinlock_irq!(queue, "Storage::queue"),
                links <- new_spinlock_irq!(Links::new(), "Storage::links"),
                old <- new_mutex!(old, "Storage::old"),
                session <- new_mutex!(Shared::new(), "Storage::session"),
                status <- new_mutex!(Status::new(uuid), "Storage::status"),
                settled <- new_condvar!("Storage::settled"),
                wanted: Atomic::new(0),
                changes: Atomic::new(0),
                moves: Atomic::new(0),
                moving: Atomic::new(false),
                changing <- new_mutex!((), "Storage::changing"),
                removing <- new_mutex!((), "Storage::removing"),
                keepers <- new_mutex!(keepers, "Storage::keepers"),
                adder <- new_mutex!(None, "Storage::adder"),
                batches: Batches::new()?,
                disk <- new_mutex!(None, "Storage::disk"),
                device: Atomic::new(0),
            }),
            GFP_KERNEL,
        )?)
    }

    /// Tells of the storage and begins to connect, with as many `connections` or, if that is 0, as
    /// many as usual. Process context; sleeps.
    ///
    /// # Errors
    ///
    /// A refusal if there is not enough memory. The storage is of no use then.
    pub(super) fn begin(self: &Arc<Self>, connections: u16) -> refusal::Result {
        let connections = match connections {
            0 => usual_connections(),
            connections => connections.min(MAX_CONNECTIONS),
        };

        // Nobody can have it do anything yet that there is to tell.
        self.observer.storage(self, StorageEvent::Added);

        // Its keepers refer to it, so it has to be stopped if they are not all there.
        let begun = self
            .batches
            .begin(self.clone())
            .map_err(Refusal::from)
            .and_then(|()| self.keep(connections));

        if let Err(error) = begun {
            // Those that are there may have got as far as a disk, which reads.
            self.give_up();
            self.end();
            self.observer.storage(self, StorageEvent::Removed);
            return Err(error);
        }
        Ok(())
    }

    /// Waits until the disk was added, or the first attempts to connect have failed.
    ///
    /// # Errors
    ///
    /// Why there is no disk; the storage has to be removed then.
    pub(super) fn wait(&self) -> refusal::Result {
        let mut left = msecs_to_jiffies(self.timeout);
        let mut status = self.status.lock();

        loop {
            match core::mem::replace(&mut status.first, First::Pending) {
                First::Up => {
                    status.first = First::Up;
                    return Ok(());
                }
                First::Failed(refusal) => return Err(refusal),
                First::Pending => (),
            }
            match self.settled.wait_interruptible_timeout(&mut status, left) {
                CondVarTimeoutResult::Woken { jiffies } => left = jiffies,
                CondVarTimeoutResult::Timeout => {
                    return Err(Refusal::new(
                        ETIMEDOUT,
                        fmt!("The server did not answer in time"),
                    ));
                }
                CondVarTimeoutResult::Signal { .. } => {
                    return Err(Refusal::new(EINTR, fmt!("Interrupted")));
                }
            }
        }
    }

    /// Takes the storage away, or waits until whoever has begun with it is done. Process context;
    /// sleeps, with `force` never for the server.
    ///
    /// If `force`, what was asked for and not done fails, also if somebody else takes the storage
    /// away who lets it be done first, which is what happens otherwise if there is a connection.
    /// Whoever waits for the disk is told not to.
    pub(super) fn stop(&self, force: bool) {
        if force {
            self.send_away();
            self.give_up();
        }

        let _alone = self.removing.lock();

        if !self.set_state(StorageState::Removing) {
            return;
        }
        self.send_away();
        if self.live() == 0 {
            self.give_up();
        }
        self.remove_disk();
        self.end();
        self.observer.storage(self, StorageEvent::Removed);
    }

    /// Takes away all that works for the storage, lets all requests fail, and takes away the disk that
    /// a keeper may have added before it stopped. Process context; sleeps.
    fn end(&self) {
        self.dismiss(0);
        self.give_up();
        // Some may have been started until now, but not from now on.
        self.dismiss(0);
        self.remove_disk();
        self.batches.end();
    }

    /// Tells those who wait for the disk that there will not be one.
    fn send_away(&self) {
        self.status.lock().first.give_up();
        self.settled.notify_all();
    }

    /// Lets all requests fail, now and from now on. Those that a connection has do so when the
    /// network has let go of their memory.
    fn give_up(&self) {
        self.forsake();

        // A file system on it may wait for what is being written back, which keepers have to let fail.
        let disk = self.disk.lock().as_ref().map(Disk::reference);

        if let Some(disk) = disk {
            disk.mark_dead();
        }
    }

    /// Lets all requests fail, now and from now on, and all connections end soon. Does not wait for
    /// anybody, neither for users of the disk. Process context.
    pub(super) fn forsake(&self) {
        self.queue.lock().kill(BlockStatus::Offline);
        self.session.lock().session.close();
        self.give_up_connections(Cause::Lost);
        self.wake_keepers();
        self.sweep();
    }

    /// Returns whether all requests fail from now on, and no connection is wanted any more.
    pub(super) fn is_forsaken(&self) -> bool {
        self.queue.lock().is_dead()
    }

    /// Returns whether a line may be written to the log about what the server does. Process context.
    pub(super) fn may_log(&self) -> bool {
        self.limiter.allows(self.clock.now())
    }

    /// Returns its name.
    pub(crate) fn name(&self) -> &str {
        text(&self.name)
    }

    /// Returns the name of the export.
    pub(crate) fn export(&self) -> &str {
        text(&self.export)
    }

    /// Returns the configured addresses of the server.
    pub(crate) fn addresses(&self) -> Arc<KVec<Address>> {
        self.route().addresses.clone()
    }

    /// Returns the way to the server.
    pub(super) fn route(&self) -> Arc<Route> {
        self.route.lock().clone()
    }

    /// Has the connections from now on go by `route`, and returns the one before. What was begun by
    /// that does not become a connection any more. If the server knows the client of `route` as
    /// somebody else, what begins from now on is another session; nothing may be under way then.
    pub(super) fn exchange_route(&self, route: Arc<Route>) -> Arc<Route> {
        let old = {
            let mut shared = self.session.lock();
            let mut now = self.route.lock();

            if route.is_of_another(&now) {
                shared.rename();
            }
            core::mem::replace(&mut *now, route)
        };

        self.status.lock().forget_tries();
        self.moves.fetch_add(1, Full);
        self.wake_keepers();
        old
    }

    /// Returns a number that is another one when there is another way to the server.
    pub(super) fn moves(&self) -> u32 {
        self.moves.load(Relaxed)
    }

    /// Returns whether it is on its way to another server, which has to offer all that it had.
    pub(super) fn is_moving(&self) -> bool {
        self.moving.load(Relaxed)
    }

    /// Returns the network namespace that it belongs to.
    pub(crate) fn net(&self) -> &Namespace {
        &self.net
    }

    /// Returns whether it asks only for reading.
    pub(crate) fn read_only(&self) -> bool {
        self.read_only
    }

    /// Returns the identity that the export has to have.
    pub(super) fn expected_uuid(&self) -> Uuid {
        self.expected_uuid
    }

    /// Returns the milliseconds that the first connection may take, 0 if nobody waits for it.
    pub(super) fn timeout(&self) -> u32 {
        self.timeout
    }

    /// Returns how to compute the digest that its data has to have on the way, if any.
    pub(crate) fn digest(&self) -> Option<&Method> {
        self.digest.as_ref()
    }

    /// Returns whether its connections are sealed.
    pub(super) fn is_sealed(&self) -> bool {
        self.route().keys.is_some()
    }

    /// Returns the threads that work for it.
    pub(super) fn threads(&self) -> &Arc<Pool> {
        &self.threads
    }

    /// Returns whether it has the disk open, and by how many.
    pub(crate) fn openers(&self) -> u32 {
        self.disk.lock().as_ref().map_or(0, Disk::openers)
    }

    /// Changes the state, and tells of it if it is another one. Returns whether it is.
    pub(super) fn set_state(&self, state: StorageState) -> bool {
        if !self.status.lock().go(state) {
            return false;
        }
        self.observer.storage(
            self,
            match state {
                StorageState::Connected => StorageEvent::Connected,
                _ => StorageEvent::State,
            },
        );
        true
    }
}
