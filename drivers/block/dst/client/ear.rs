// SPDX-License-Identifier: GPL-2.0

//! What a connection hears of its socket.
//!
//! Replies that are short are received right where they arrive: nobody has to be woken for them but
//! who waits for what they end. While a task of ours has the socket, which is while it sends, they
//! cannot be; that task receives them when it is done. All else is left to the job of the connection.

use super::connection::Connection;
use crate::{
    abstractions::{
        lock::{
            new_spinlock_irq,
            SpinLockIrq, //
        },
        socket::{
            Events,
            Locked, //
        }, //
    },
    pool::Job, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Full,
            Relaxed, //
        },
        Arc, //
    }, //
};

/// Hears of what happens to the socket of a connection, and has the connection's job look after it.
#[pin_data]
pub(super) struct Ear {
    job: Arc<Job>,
    /// The connection, while what arrives may be received right where it does. The lock is held for
    /// no longer than it takes to get hold of it.
    #[pin]
    connection: SpinLockIrq<Option<Arc<Connection>>>,
    /// Tasks that are sending, and will look at `arrived`.
    senders: Atomic<u32>,
    /// Something arrived that was not received where it did.
    arrived: Atomic<bool>,
}

impl Ear {
    /// Returns one that has `job` done.
    pub(super) fn new(job: Arc<Job>) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                job,
                connection <- new_spinlock_irq!(None, "Ear::connection"),
                senders: Atomic::new(0),
                arrived: Atomic::new(false),
            }),
            GFP_KERNEL,
        )
    }

    /// From now on `connection` may receive right where something arrives; with [`None`], no more.
    pub(super) fn set(&self, connection: Option<Arc<Connection>>) {
        let old = core::mem::replace(&mut *self.connection.lock(), connection);

        drop(old);
    }

    /// Notes that the current task begins to send: what arrives from now on can be left to it.
    pub(super) fn begin(&self) {
        self.senders.add(1, Relaxed);
    }

    /// Ends what [`Self::begin`] began; returns whether the current task has to receive what has
    /// arrived.
    #[must_use]
    pub(super) fn end(&self) -> bool {
        // Either this sees what has arrived, or who tells of it sees that nobody is sending.
        self.senders.fetch_sub(1, Full);
        self.take_arrived()
    }

    /// Returns whether it is up to the caller to have received what has arrived.
    fn take_arrived(&self) -> bool {
        self.arrived.load(Relaxed) && self.arrived.xchg(false, Full)
    }
}

impl Events for Ear {
    fn readable(&self) {
        self.arrived.xchg(true, Full);
        if self.senders.load(Relaxed) == 0 && self.take_arrived() {
            self.job.schedule();
        }
    }

    fn arrived(&self, socket: &Locked<'_>) {
        // Whoever takes it away waits for this call, see `Connection::close()`, and drops it.
        let connection = self.connection.lock().clone();

        if !connection.is_some_and(|connection| connection.receive_here(socket)) {
            self.job.schedule();
        }
    }

    fn writable(&self) {
        self.job.schedule();
    }

    fn changed(&self) {
        self.job.schedule();
    }
}
