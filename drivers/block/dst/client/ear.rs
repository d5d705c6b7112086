// SPDX-License-Identifier: GPL-2.0

//! What a connection hears of its socket.
//!
//! Replies that are short are received right where they arrive: nobody has to be woken for them but
//! who waits for what they end. All else is left to the job of the connection.

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
    sync::Arc, //
};

/// Hears of what happens to the socket of a connection, and has the connection's job look after it.
#[pin_data]
pub(super) struct Ear {
    job: Arc<Job>,
    /// The connection, while what arrives may be received right where it does. The lock is held for
    /// no longer than it takes to get hold of it.
    #[pin]
    connection: SpinLockIrq<Option<Arc<Connection>>>,
}

impl Ear {
    /// Returns one that has `job` done.
    pub(super) fn new(job: Arc<Job>) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                job,
                connection <- new_spinlock_irq!(None, "Ear::connection"),
            }),
            GFP_KERNEL,
        )
    }

    /// From now on `connection` may receive right where something arrives; with [`None`], no more.
    pub(super) fn set(&self, connection: Option<Arc<Connection>>) {
        let old = core::mem::replace(&mut *self.connection.lock(), connection);

        drop(old);
    }
}

impl Events for Ear {
    fn readable(&self) {
        self.job.schedule();
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
