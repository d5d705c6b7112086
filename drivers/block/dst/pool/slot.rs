// SPDX-License-Identifier: GPL-2.0

//! The places of the pool's threads and their queues.

use super::job::Job;
use crate::abstractions::{
    kthread::is_runnable,
    lock::{
        new_spinlock_irq,
        SpinLockIrq,
        SpinLockIrqGuard, //
    }, //
};
use kernel::{
    list::{
        List,
        ListArc, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Acquire,
            Atomic,
            Full,
            Relaxed, //
        }, //
    },
    task::Task, //
};

/// The place of a thread, whether there is one or not.
///
/// The lock is held for short, and the scheduler is not called with it: a thread that was woken
/// goes for it at once.
#[pin_data]
#[repr(align(64))]
pub(super) struct Slot {
    #[pin]
    inner: SpinLockIrq<Inner>,
    /// Jobs in the queue. Written under the lock, and looked at without it.
    length: Atomic<u32>,
    /// Whether the thread sleeps or is about to, so that who clears this has to wake it.
    idle: Atomic<bool>,
    /// Whether somebody was asked to take a job from the queue since one was taken.
    relieved: Atomic<bool>,
    /// Jobs that were run. Only the thread writes this.
    done: Atomic<u64>,
}

/// What the lock of a [`Slot`] protects.
struct Inner {
    /// The thread, while it takes jobs.
    task: Option<ARef<Task>>,
    queue: List<Job>,
}

/// What became of a job that was given to a slot.
pub(super) enum Push {
    /// The thread slept and was woken.
    Woken,
    /// The thread comes to the job when it is done with what it does now, and nothing but a
    /// processor is missing for that.
    Next,
    /// The thread will come to it when it is done with something else.
    Queued,
    /// The slot has no thread. Here is the job back.
    Vacant(ListArc<Job>),
}

impl Slot {
    /// An empty slot.
    pub(super) fn new() -> impl PinInit<Self, Error> {
        pin_init!(Self {
            inner <- new_spinlock_irq!(
                Inner {
                    task: None,
                    queue: List::new(),
                },
                "Slot::inner"
            ),
            length: Atomic::new(0),
            idle: Atomic::new(false),
            relieved: Atomic::new(false),
            done: Atomic::new(0),
        }? Error)
    }

    /// From now on `task` takes jobs from this slot.
    pub(super) fn occupy(&self, task: ARef<Task>) {
        self.inner.lock().task = Some(task);
    }

    /// From now on nobody takes jobs from this slot. Returns those that were waiting in it.
    pub(super) fn vacate(&self) -> List<Job> {
        let mut inner = self.inner.lock();
        let queue = core::mem::take(&mut inner.queue);
        let task = inner.task.take();

        self.length.store(0, Relaxed);
        drop(inner);
        drop(task);
        queue
    }

    /// Appends `job` to the queue and wakes the thread if it sleeps.
    pub(super) fn push(&self, job: ListArc<Job>) -> Push {
        let mut inner = self.inner.lock();

        if inner.task.is_none() {
            drop(inner);
            return Push::Vacant(job);
        }

        let first = inner.queue.is_empty();

        inner.queue.push_back(job);
        self.length.store(self.length.load(Relaxed) + 1, Relaxed);

        let sleeper = self.claim(&inner);
        let runs = inner.task.as_ref().is_some_and(|task| is_runnable(task));

        drop(inner);
        match sleeper {
            Some(task) => {
                task.wake_up();
                Push::Woken
            }
            None if first && runs => Push::Next,
            None => Push::Queued,
        }
    }

    /// Takes the first job from the queue.
    pub(super) fn pop(&self) -> Option<ListArc<Job>> {
        if self.is_empty() {
            return None;
        }

        let mut inner = self.inner.lock();
        let job = inner.queue.pop_front()?;

        self.length.store(self.length.load(Relaxed) - 1, Relaxed);
        self.relieved.store(false, Relaxed);
        Some(job)
    }

    /// Wakes the thread if it sleeps, and returns whether it did.
    pub(super) fn wake(&self) -> bool {
        if !self.is_idle() {
            return false;
        }

        let sleeper = self.claim(&self.inner.lock());

        sleeper.inspect(|task| task.wake_up()).is_some()
    }

    /// Returns whether there is a job in the queue for which nobody was asked to relieve the thread.
    /// If there is, the caller has to ask somebody.
    pub(super) fn wants_relief(&self) -> bool {
        !self.is_empty() && !self.relieved.load(Relaxed) && !self.relieved.xchg(true, Full)
    }

    /// Says whether the thread wants to sleep: who has a job for it then wakes it.
    ///
    /// Only the thread may call this.
    pub(super) fn set_idle(&self, idle: bool) {
        self.idle.store(idle, Relaxed);
    }

    /// Returns whether nobody has woken the thread since it wanted to sleep.
    pub(super) fn is_idle(&self) -> bool {
        self.idle.load(Acquire)
    }

    /// Returns whether there is no job in the queue.
    pub(super) fn is_empty(&self) -> bool {
        self.length() == 0
    }

    /// Returns the number of jobs in the queue.
    pub(super) fn length(&self) -> u32 {
        self.length.load(Relaxed)
    }

    /// Returns the number of jobs that the threads of this slot have run.
    pub(super) fn done(&self) -> u64 {
        self.done.load(Relaxed)
    }

    /// Counts a job. Only the thread of the slot may do that.
    pub(super) fn count(&self) {
        self.done
            .store(self.done.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// Returns the thread if it sleeps: it is for the caller to wake it, and for nobody else.
    fn claim(&self, inner: &SpinLockIrqGuard<'_, Inner>) -> Option<ARef<Task>> {
        if self.idle.load(Relaxed) && self.idle.xchg(false, Full) {
            inner.task.clone()
        } else {
            None
        }
    }
}
