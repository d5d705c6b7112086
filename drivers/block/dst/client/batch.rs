// SPDX-License-Identifier: GPL-2.0

//! What one task submits together is sent together.
//!
//! As long as a task goes on submitting, its bios wait in the queue; when it is done, it sends them
//! all. If it goes to sleep first, a thread does. Others that have something to send meanwhile take
//! them along.

use super::storage::Storage;
use crate::{
    abstractions::{
        bio::{
            Bio,
            Operation, //
        },
        lock::{
            new_spinlock_irq,
            SpinLockIrq, //
        },
        plug::{
            self,
            Moment,
            Unplug, //
        }, //
    },
    pool::{
        Job,
        Work, //
    },
    proto::units::PAGE_SIZE, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Bytes that wait for others at most: longer is no use, the server could be at work on them.
const MOST: u32 = 128 << 10;

/// Those of a storage.
#[pin_data]
pub(super) struct Batches {
    /// Nothing once there is no disk any more: the end of a batch can come later than that.
    #[pin]
    sender: SpinLockIrq<Option<Sender>>,
}

/// Who sends.
struct Sender {
    storage: Arc<Storage>,
    /// Sends for tasks that sleep.
    job: Arc<Job>,
}

impl Batches {
    /// Returns those of nobody.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is not enough memory.
    pub(super) fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                sender <- new_spinlock_irq!(None, "Batches::sender"),
            }),
            GFP_KERNEL,
        )
    }

    /// Has batches sent by `storage` from now on, until [`Self::end`].
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is not enough memory.
    pub(super) fn begin(self: &Arc<Self>, storage: Arc<Storage>) -> Result {
        let job = Job::new(storage.threads().clone())?;

        job.attach(self.clone());
        *self.sender.lock() = Some(Sender { storage, job });
        Ok(())
    }

    /// Lets go of the storage. Process context; sleeps.
    pub(super) fn end(&self) {
        let sender = self.sender.lock().take();

        if let Some(sender) = sender {
            sender.job.cancel();
        }
    }

    /// Returns whether `bio`, which is about to be put into the queue, is sent at the end of its
    /// batch. If not, it has to be sent at once.
    pub(super) fn take(self: &Arc<Self>, bio: &Bio) -> bool {
        let bytes = match bio.operation() {
            Operation::Read | Operation::Write => bio.len().max(PAGE_SIZE),
            _ => MOST,
        };

        plug::defer(self, bytes, MOST)
    }
}

impl Unplug for Batches {
    fn unplug(&self, moment: Moment) {
        match moment {
            Moment::Complete => self.work(),
            Moment::AboutToSleep => {
                if let Some(sender) = &*self.sender.lock() {
                    sender.job.schedule();
                }
            }
        }
    }
}

impl Work for Batches {
    fn work(&self) {
        let storage = {
            let sender = self.sender.lock();

            sender.as_ref().map(|sender| sender.storage.clone())
        };

        if let Some(storage) = storage {
            storage.transmit();
        }
    }
}
