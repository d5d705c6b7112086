// SPDX-License-Identifier: GPL-2.0

//! The connections of a storage: how many there are, which of them takes what there is to send, and
//! what becomes of them.

use super::{
    config::{
        StorageEvent,
        StorageState, //
    },
    connection::Connection,
    failure::Failure,
    keeper,
    session::Shared,
    state::First,
    storage::Storage,
    text, //
};
use crate::{
    abstractions::{
        address::Address,
        kthread::{
            Prepared,
            Thread, //
        }, //
    },
    control::{
        refusal,
        Refusal, //
    },
    proto::{
        connection::Cause,
        hello::Welcome,
        negotiate::MAX_CONNECTIONS,
        session::Resend,
        units::{
            SessionId,
            Stamp, //
        }, //
    }, //
};
use kernel::{
    cpu::CpuId,
    prelude::*,
    sync::{
        atomic::{
            Full,
            Relaxed, //
        },
        Arc, //
    },
    time::{
        Instant,
        Monotonic, //
    }, //
};

/// Milliseconds for which it is tried again to connect if the export is in use: its server may not
/// have noticed yet that who used it is gone.
pub(super) const GRACE_MS: u32 = 1_000;

impl Storage {
    /// Returns how many connections it would like to have.
    pub(crate) fn connections(&self) -> u16 {
        // It began as one.
        self.wanted.load(Relaxed) as u16
    }

    /// Returns how many connections carry requests.
    pub(crate) fn live(&self) -> u16 {
        self.links.lock().live()
    }

    /// Starts keepers until there are `connections`. None is started if the storage is taken away:
    /// nobody would stop it. Process context; sleeps.
    ///
    /// # Errors
    ///
    /// Those of [`Self::recruit`]; nothing was changed then.
    pub(super) fn keep(self: &Arc<Self>, connections: u16) -> refusal::Result {
        let recruits = self.recruit(connections)?;

        self.employ(connections, recruits);
        Ok(())
    }

    /// Returns the keepers that are missing until there are `connections`; they do not run yet. As
    /// long as they are not [employed](Self::employ), nobody else may change how many there are,
    /// but for taking the storage away. Process context; sleeps.
    ///
    /// # Errors
    ///
    /// `ERANGE` if that is an impossible number, `ENOMEM` if there is no memory, `EINTR` if the task
    /// is being killed.
    pub(super) fn recruit(self: &Arc<Self>, connections: u16) -> refusal::Result<KVec<Prepared>> {
        if connections == 0 || connections > MAX_CONNECTIONS {
            return Err(Refusal::new(
                ERANGE,
                fmt!("A storage has 1 to {MAX_CONNECTIONS} connections"),
            ));
        }

        // No more than `MAX_CONNECTIONS`.
        let there = self.keepers.lock().len() as u16;
        let missing = connections.saturating_sub(there);
        let mut recruits = KVec::with_capacity(missing.into(), GFP_KERNEL)?;

        for number in there..connections {
            let storage = self.clone();
            let keeper = Thread::prepare(
                fmt!("dst-{}:{}", self.name(), number),
                None,
                move |current| keeper::run(&storage, number, current),
            )?;

            recruits.push(keeper, GFP_KERNEL)?;
        }
        Ok(recruits)
    }

    /// Has there be `connections` from now on, and the `recruits` start that were missing for that.
    /// None is started if the storage is taken away: nobody would stop it. Process context.
    pub(super) fn employ(&self, connections: u16, recruits: KVec<Prepared>) {
        // Each tells the server how many there will be.
        self.wanted.store(connections.into(), Relaxed);
        for recruit in recruits {
            let mut keepers = self.keepers.lock();

            // Whoever takes the storage away stops the keepers that are there after this.
            if self.queue.lock().is_dead() {
                break;
            }
            // There is room for it.
            let _ = keepers.push_within_capacity(recruit.start());
        }
    }

    /// Stops keepers until there are no more than `connections`, and waits for them.
    pub(super) fn dismiss(&self, connections: u16) {
        loop {
            // They may want to wake each other meanwhile, so the lock is not held.
            let keeper = {
                let mut keepers = self.keepers.lock();

                match keepers.len() > usize::from(connections) {
                    true => keepers.pop(),
                    false => None,
                }
            };

            match keeper {
                Some(keeper) => drop(keeper),
                None => break,
            }
        }
    }

    /// Has all keepers look at what has changed. Process context.
    pub(super) fn wake_keepers(&self) {
        self.changes.fetch_add(1, Full);
        for keeper in self.keepers.lock().iter() {
            keeper.wake();
        }
    }

    /// Sends what there is to send, over the connection of this processor first, and over others as
    /// far as that has no room. Where much has to be computed for that, the jobs of the connections
    /// share it. Process context.
    pub(super) fn transmit(&self) {
        let first = CpuId::current().as_u32();
        let mut n = 0;

        loop {
            let (link, live) = {
                let links = self.links.lock();

                (links.nth(first.wrapping_add(n)), links.live())
            };
            let Some(link) = link else {
                return;
            };

            if link.computes() && self.queue.lock().is_next_bulk() {
                link.job.schedule();
            } else {
                link.transmit();
            }
            n += 1;
            if n >= live.into() || !self.queue.lock().has_work() {
                return;
            }
        }
    }

    /// Notes that a keeper tries `address`, which is one of the present ones.
    pub(super) fn trying(&self, address: &Address, session: SessionId, stamp: Stamp) {
        let mut status = self.status.lock();

        status.peer = Some(address.clone());
        status.session = session;
        status.stamp = stamp;
        status.tries += 1;
    }

    /// Notes that the server still has `left` requests to complete before it welcomes the connection
    /// `number`, which begins with `stamp`.
    pub(super) fn draining(&self, number: u16, stamp: Stamp, left: u32) {
        self.status.lock().drains.told(number, stamp, left);
        // As long as another connection carries requests, not everything waits.
        if self.live() > 0 {
            return;
        }
        if self.set_state(StorageState::Draining) && self.may_log() {
            pr_info!("{}: the server completes {} requests\n", self.name(), left);
        }
    }

    /// Notes that the connection `number` does not wait for the server to complete requests any more.
    pub(super) fn drained(&self, number: u16) {
        self.status.lock().drains.over(number);
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

    /// Lets requests flow over `connection`, and those be sent again that its welcome fences, as
    /// `resend` says.
    ///
    /// The session is the one that has just noted the welcome, and still locked: whoever gives all
    /// connections up from now on finds this one among them, and what another one sends from now on
    /// is not mistaken for what was fenced. The caller has to call [`Self::connected`] afterwards.
    pub(super) fn open(
        &self,
        _session: &mut Shared,
        connection: &Arc<Connection>,
        welcome: &Welcome,
        resend: Resend,
    ) {
        {
            let mut queue = self.queue.lock();

            queue.set_geometry(welcome.geometry);
            queue.open(connection.number, connection.stamp, welcome.window, resend);
        }
        self.links.lock().add(connection.clone());
    }

    /// Tells of a connection that was [opened](Self::open) because of `welcome`, and sends what has
    /// waited for it. If it is the `first` one ever, the disk is added.
    pub(super) fn connected(self: &Arc<Self>, welcome: &Welcome, first: bool) {
        {
            let mut status = self.status.lock();

            status.welcomed(welcome);
            status.down_since = None;
        }
        if first {
            // Those who wait for the storage want to hear of it when there is a disk.
            self.status.lock().go(StorageState::Connected);
            self.add_disk(welcome.geometry);
        } else {
            self.set_state(StorageState::Connected);
        }
        self.wake_keepers();
        self.transmit();
    }

    /// Lets no more requests flow over the connection `number`.
    pub(super) fn disconnected(&self, number: u16) {
        self.queue.lock().shut(number);

        let link = self.links.lock().remove(number);

        drop(link);
    }

    /// Notes that a `connection` that was live is closed: its requests are let go of as soon as the
    /// network does.
    pub(super) fn closed(&self, connection: Arc<Connection>) {
        let stamp = connection.stamp;
        let down = {
            // There is room for one of each number.
            let _ = self.old.lock().push_within_capacity(connection);
            let mut shared = self.session.lock();

            shared.session.lost(stamp);

            let down = !shared.session.is_up();

            if down {
                self.queue.lock().down();
            }
            down
        };

        self.let_go(None);
        if down {
            self.status.lock().down_since = Some(Instant::<Monotonic>::now());
            self.set_state(StorageState::Reconnecting);
            self.observer.storage(self, StorageEvent::Disconnected);
        }
        self.wake_keepers();
        // Others may have been about to leave something to it.
        self.transmit();
    }

    /// Lets go of the requests of closed connections over which the network does not send any more;
    /// with `forced`, of those of that number in any case. Process context.
    pub(super) fn let_go(&self, forced: Option<u16>) {
        let mut gone = false;

        self.old.lock().retain(|connection| {
            let number = connection.number;
            let done = forced == Some(number) || !connection.socket.sending();

            if done {
                self.queue.lock().let_go(number);
                gone = true;
            }
            !done
        });
        if gone {
            self.sweep();
            self.transmit();
        }
    }

    /// Returns whether the network may still send over a closed connection with this number, or if
    /// it is [`None`], over any.
    pub(super) fn is_lingering(&self, number: Option<u16>) -> bool {
        self.old
            .lock()
            .iter()
            .any(|connection| number.is_none_or(|number| connection.number == number))
    }

    /// Has all connections given up because of `cause`, and made anew when all of them have ended.
    pub(super) fn give_up_connections(&self, cause: Cause) {
        self.session.lock().renew();
        for number in 0..MAX_CONNECTIONS {
            let link = self.links.lock().get(number);

            if let Some(link) = link {
                link.over(cause);
            }
        }
    }

    /// Notes that a connection was lost because of `failure`, or if it is an `attempt`, was not
    /// made.
    pub(super) fn failed(&self, failure: Failure, attempt: bool) {
        let sentence = failure.text();
        let addresses = self.addresses().len();
        let mut first_over = false;
        let news = {
            let mut status = self.status.lock();
            let tried = attempt && status.tries >= addresses;

            match status.first {
                First::Pending => {
                    let is_final = !failure.may_pass()
                        || status.since.elapsed().as_millis()
                            >= GRACE_MS.min(self.timeout()).into();

                    if tried && is_final && self.timeout() > 0 && status.geometry.is_none() {
                        first_over = true;
                        status.first = First::Failed(failure.refusal(self.export()));
                    }
                }
                First::Up | First::Failed(_) if tried => {
                    status.refused = Some(failure.refusal(self.export()));
                }
                First::Up | First::Failed(_) => (),
            }
            sentence.is_some() && status.error.as_deref() != sentence.as_deref()
        };

        if let (true, Some(sentence)) = (news && self.may_log(), &sentence) {
            pr_info!("{}: {}\n", self.name(), text(sentence));
        }

        let old = core::mem::replace(&mut self.status.lock().error, sentence);

        drop(old);
        if first_over {
            self.settled.notify_all();
        }
        if self.live() > 0 {
            return;
        }

        // What the server was known to be, it is until it says something else itself.
        let is_known = self.status.lock().geometry.is_some();

        if failure.is_refusal() && (failure.is_proven() || !is_known) {
            self.set_state(StorageState::Failed);
        } else if is_known {
            self.set_state(StorageState::Reconnecting);
        }
    }

    /// Returns a number that is another one when keepers have to look at what has changed.
    pub(super) fn changes(&self) -> u32 {
        self.changes.load(Relaxed)
    }
}
