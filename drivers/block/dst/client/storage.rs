// SPDX-License-Identifier: GPL-2.0

//! A storage: a disk of this machine whose data is on another one.
//!
//! Locks, outer ones first: `thread`, `adder`, `disk` (mutexes, each taken alone); the inside of a
//! connection's turnstile (mutex); `status` (mutex); `queue`, `link`, a connection's control
//! (spinlocks, each taken alone, leaves but for the scheduler's own).

use super::{
    config::{
        StorageConfig,
        StorageEvent,
        StorageState, //
    },
    connection::Connection,
    counters::Counters,
    failure::Failure,
    flight::Over,
    keeper,
    queue::Queue,
    request::Request,
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
        bio::Bio,
        block_status::BlockStatus,
        disk::{
            Disk,
            Operations,
            Table, //
        },
        kthread::Thread,
        lock::{
            new_spinlock_irq,
            SpinLockIrq, //
        },
        mempool,
        namespace::Namespace, //
    },
    control::{
        refusal,
        Refusal, //
    },
    pool::Pool,
    proto::{
        geometry::Geometry,
        hello::Welcome,
        units::{
            SessionId,
            Stamp,
            Uuid, //
        }, //
    }, //
};
use kernel::{
    new_condvar,
    new_mutex,
    prelude::*,
    sync::{
        aref::ARef,
        Arc,
        CondVar,
        CondVarTimeoutResult,
        Mutex,
        SetOnce, //
    },
    task::Task,
    time::msecs_to_jiffies, //
};

/// Requests for which there is always memory.
const RESERVE: u16 = 64;

/// See the module's documentation.
#[pin_data]
pub(crate) struct Storage {
    /// Without the addresses.
    config: StorageConfig,
    /// Where the server listens, at least one address.
    #[pin]
    addresses: Mutex<Arc<KVec<Address>>>,
    threads: Arc<Pool>,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) table: &'static Table<Storage>,
    requests: Arc<mempool::Pool<Request>>,
    pub(super) counters: Arc<Counters>,
    #[pin]
    pub(super) queue: SpinLockIrq<Queue>,
    /// The connection that requests go over.
    #[pin]
    link: SpinLockIrq<Option<Arc<Connection>>>,
    #[pin]
    pub(super) status: Mutex<Status>,
    /// Notified when the disk was added, or that failed.
    #[pin]
    pub(super) settled: CondVar,
    keeper: SetOnce<ARef<Task>>,
    #[pin]
    thread: Mutex<Option<Thread>>,
    #[pin]
    pub(super) adder: Mutex<Option<Thread>>,
    #[pin]
    pub(super) disk: Mutex<Option<Disk<Storage>>>,
}

impl Storage {
    /// Makes a storage that begins to connect. Process context.
    pub(super) fn start(
        mut config: StorageConfig,
        threads: Arc<Pool>,
        observer: Arc<dyn Observer>,
        table: &'static Table<Storage>,
    ) -> Result<Arc<Self>> {
        let requests = Arc::pin_init(mempool::Pool::new(RESERVE), GFP_KERNEL)?;
        let counters = Arc::new(Counters::new(), GFP_KERNEL)?;
        let queue = Queue::new()?;
        let uuid = config.uuid;
        let addresses = Arc::new(core::mem::take(&mut config.addresses), GFP_KERNEL)?;
        let storage = Arc::pin_init(
            pin_init!(Self {
                config,
                addresses <- new_mutex!(addresses, "Storage::addresses"),
                threads,
                observer,
                table,
                requests,
                counters,
                queue <- new_spinlock_irq!(queue, "Storage::queue"),
                link <- new_spinlock_irq!(None, "Storage::link"),
                status <- new_mutex!(Status::new(uuid), "Storage::status"),
                settled <- new_condvar!("Storage::settled"),
                keeper: SetOnce::new(),
                thread <- new_mutex!(None, "Storage::thread"),
                adder <- new_mutex!(None, "Storage::adder"),
                disk <- new_mutex!(None, "Storage::disk"),
            }),
            GFP_KERNEL,
        )?;

        let kept = storage.clone();
        let thread = Thread::prepare(fmt!("dst-{}", storage.name()), None, move |current| {
            keeper::run(&kept, current)
        })?;
        storage.keeper.populate(thread.task().clone());
        *storage.thread.lock() = Some(thread.start());
        Ok(storage)
    }

    /// Waits until the disk was added, or the first attempts to connect have failed.
    ///
    /// # Errors
    ///
    /// Why there is no disk; the storage has to be removed then.
    pub(super) fn wait(&self) -> refusal::Result {
        let mut left = msecs_to_jiffies(self.config.timeout);
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

    /// Takes the storage away. Process context; sleeps, but never for the server.
    ///
    /// If `force`, what was asked for and not done fails. Otherwise it is done first if there is a
    /// connection. Whoever waits for the disk is told not to. Does nothing if somebody else has
    /// begun with it.
    pub(super) fn stop(&self, force: bool) {
        if !self.set_state(StorageState::Removing) {
            return;
        }
        self.status.lock().first.give_up();
        self.settled.notify_all();
        if force || self.link().is_none() {
            self.give_up();
        }
        self.remove_disk();
        let thread = self.thread.lock().take();
        drop(thread);
        self.give_up();
        // The keeper may have added it again before it stopped.
        self.remove_disk();
        self.observer.storage(self, StorageEvent::Removed);
    }

    /// Lets all requests fail, now and from now on.
    fn give_up(&self) {
        self.queue.lock().fail(BlockStatus::Offline);
        if let Some(link) = self.link() {
            // Until that is done, data may be received into the memory of requests.
            link.close();
        }
        if let Some(disk) = &*self.disk.lock() {
            disk.mark_dead();
        }
        loop {
            let over = self.queue.lock().pop();
            match over {
                Over::Nothing => break,
                over => drop(over),
            }
        }
    }

    /// Returns its name.
    pub(crate) fn name(&self) -> &str {
        text(&self.config.name)
    }

    /// Returns the name of the export.
    pub(crate) fn export(&self) -> &str {
        text(&self.config.export)
    }

    /// Returns the configured addresses of the server.
    pub(crate) fn addresses(&self) -> Arc<KVec<Address>> {
        self.addresses.lock().clone()
    }

    /// Has the connections from now on lead to one of `addresses`, of which there is at least one.
    /// Process context.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory; nothing was changed then.
    pub(crate) fn set_addresses(&self, addresses: KVec<Address>) -> Result {
        let addresses = Arc::new(addresses, GFP_KERNEL)?;
        let old = core::mem::replace(&mut *self.addresses.lock(), addresses);

        drop(old);
        self.wake_keeper();
        Ok(())
    }

    /// Returns the network namespace of its connections.
    pub(crate) fn net(&self) -> &Namespace {
        &self.config.net
    }

    /// Returns whether it asks only for reading.
    pub(crate) fn read_only(&self) -> bool {
        self.config.read_only
    }

    /// Returns the identity that the export has to have.
    pub(super) fn expected_uuid(&self) -> Uuid {
        self.config.uuid
    }

    /// Returns the threads that work for it.
    pub(super) fn threads(&self) -> &Arc<Pool> {
        &self.threads
    }

    /// Returns the connection that requests go over.
    fn link(&self) -> Option<Arc<Connection>> {
        self.link.lock().clone()
    }

    /// Returns the address to try for the `n`th time.
    pub(super) fn address(&self, n: usize) -> Option<Address> {
        let addresses = self.addresses();

        addresses.get(n.checked_rem(addresses.len())?).cloned()
    }

    /// Returns the address that was tried last.
    pub(super) fn peer(&self) -> Option<Address> {
        self.status.lock().peer.clone()
    }

    /// Has the keeper look at what is new.
    pub(super) fn wake_keeper(&self) {
        if let Some(task) = self.keeper.as_ref() {
            task.wake_up();
        }
    }

    /// Returns whether it has the disk open, and by how many.
    pub(crate) fn openers(&self) -> u32 {
        self.disk.lock().as_ref().map_or(0, Disk::openers)
    }

    /// Changes the state, and tells of it if it is another one. Returns whether it is.
    fn set_state(&self, state: StorageState) -> bool {
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

    /// Notes that the keeper tries `address`.
    pub(super) fn trying(&self, address: &Address, session: SessionId, stamp: Stamp) {
        let mut status = self.status.lock();

        status.peer = Some(address.clone());
        status.session = session;
        status.stamp = stamp;
        status.tries += 1;
    }

    /// Notes that the server still has `left` requests to complete.
    pub(super) fn draining(&self, left: u32) {
        if self.status.lock().state != StorageState::Draining {
            pr_info!("{}: the server completes {} requests\n", self.name(), left);
        }
        self.set_state(StorageState::Draining);
    }

    /// Notes that the server was restarted and may have lost what was in its cache.
    pub(super) fn restarted(&self) {
        if self.queue.lock().restarted() {
            self.counters.lost_writes();
            pr_err!(
                "{}: the server was restarted: the next flush fails, unflushed writes may be lost\n",
                self.name()
            );
        }
    }

    /// Lets requests flow over `connection`, beginning with all that were under way.
    pub(super) fn connected(
        self: &Arc<Self>,
        connection: &Arc<Connection>,
        welcome: &Welcome,
        again: bool,
        grown: bool,
    ) {
        self.status.lock().welcomed(welcome);
        self.queue
            .lock()
            .open(connection.stamp, welcome.window, welcome.geometry);
        *self.link.lock() = Some(connection.clone());
        if again {
            self.counters.reconnected();
        }
        if grown {
            self.resized(welcome.geometry);
        }
        if again {
            self.set_state(StorageState::Connected);
        } else {
            // Those who wait for the storage want to hear of it when there is a disk.
            self.status.lock().go(StorageState::Connected);
            self.add_disk(welcome.geometry);
        }
    }

    /// Lets everything wait: the connection is lost.
    pub(super) fn disconnected(&self) {
        self.queue.lock().shut();
        let link = self.link.lock().take();
        drop(link);
        self.set_state(StorageState::Reconnecting);
        self.observer.storage(self, StorageEvent::Disconnected);
    }

    /// Takes a new description of the disk.
    pub(super) fn resized(&self, geometry: Geometry) {
        self.queue.lock().set_geometry(geometry);
        self.status.lock().geometry = Some(geometry);
        if let Some(disk) = &*self.disk.lock() {
            disk.set_capacity(geometry.sectors);
        }
        self.observer.storage(self, StorageEvent::Resized);
    }

    /// Notes that there is no connection because of `failure`.
    pub(super) fn failed(&self, failure: Failure) {
        let sentence = failure.text();
        let mut news = false;
        let first_over = {
            let mut status = self.status.lock();
            if let Some(sentence) = &sentence {
                news = status.error.as_deref() != Some(sentence);
            }
            let pending = matches!(status.first, First::Pending);
            let over = pending
                && self.config.timeout > 0
                && status.geometry.is_none()
                && status.tries >= self.addresses().len();

            if over {
                status.first = First::Failed(failure.refusal(self.export()));
            }
            over
        };
        if let (true, Some(sentence)) = (news, &sentence) {
            pr_info!("{}: {}\n", self.name(), text(sentence));
        }
        let old = core::mem::replace(&mut self.status.lock().error, sentence);
        drop(old);
        if first_over {
            self.settled.notify_all();
        }
        if failure.is_refusal() {
            self.set_state(StorageState::Failed);
        } else if self.status.lock().geometry.is_some() {
            self.set_state(StorageState::Reconnecting);
        }
    }

    /// Puts a bio into the queue; returns whether there was memory for it at once.
    fn enqueue(&self, bio: Bio) -> bool {
        let request = Request::new(bio, self.counters.clone());

        match mempool::Pool::try_alloc(&self.requests, request) {
            Ok(request) => {
                // It comes back if everything fails, and ends when it is dropped.
                let back = self.queue.lock().submit(request);
                drop(back);
                true
            }
            Err(request) => {
                let Some(bio) = request.undo() else {
                    return true;
                };
                let back = self.queue.lock().starve(bio);
                drop(back);
                false
            }
        }
    }

    /// Sends what there is to send, if there is a connection.
    fn transmit(&self) {
        if let Some(link) = self.link() {
            link.transmit();
        }
    }

    /// Tries again what had to wait for memory: some was given back.
    pub(super) fn feed(&self) {
        loop {
            let bio = self.queue.lock().pop_starved();

            if !bio.is_some_and(|bio| self.enqueue(bio)) {
                return;
            }
        }
    }
}

impl Operations for Storage {
    fn submit(&self, bio: Bio) {
        self.enqueue(bio);
        self.transmit();
    }
}
