// SPDX-License-Identifier: GPL-2.0

//! The jobs that the pool runs.

use super::{
    stage::{
        Next,
        Stage, //
    },
    Pool, //
};
use crate::{
    abstractions::lock::{
        new_spinlock_irq,
        SpinLockIrq, //
    },
    proto::job::Pace, //
};
use kernel::{
    cpu::CpuId,
    list::{
        impl_list_arc_safe,
        impl_list_item,
        AtomicTracker,
        ListArc,
        ListLinks,
        TryNewListArc, //
    },
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    task::Task, //
};

/// What a job does.
pub(crate) trait Work: Send + Sync + 'static {
    /// Does a bounded amount of work, and schedules the job again if there is more.
    ///
    /// It is called in process context, on a thread of the pool and on no two of them at once,
    /// with allocations that start no I/O. It must not wait for I/O or the network.
    fn work(&self);
}

/// A unit of work that is done by one thread at a time.
///
/// A job goes round between three places: it rests; [`Job::schedule`] puts it into the queue of a
/// thread; a thread runs it. If it is scheduled while it runs, it is queued again at the end of
/// the run, so no call of [`Job::schedule`] is in vain. Scheduling needs no memory, because the
/// job is a link of the queue.
///
/// A job and its work usually refer to each other: [`Job::cancel`] has to be called in the end.
#[pin_data]
pub(crate) struct Job {
    pool: Arc<Pool>,
    stage: Stage,
    /// The processor that the job was last scheduled on.
    cpu: Atomic<u32>,
    /// The address of the task that runs the job, or zero.
    runner: Atomic<usize>,
    /// The number of the slot whose thread runs the job, or has run it last.
    place: Atomic<u32>,
    /// The number of its [`Pace`]. Only the job itself writes this.
    pace: Atomic<u32>,
    #[pin]
    work: SpinLockIrq<Option<Arc<dyn Work>>>,
    #[pin]
    links: ListLinks,
    #[pin]
    tracker: AtomicTracker,
}

impl_list_arc_safe! {
    impl ListArcSafe<0> for Job {
        tracked_by tracker: AtomicTracker;
    }
}

impl_list_item! {
    impl ListItem<0> for Job {
        using ListLinks { self.links };
    }
}

impl Job {
    /// Makes a job of `pool` that has no work yet.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is not enough memory.
    pub(crate) fn new(pool: Arc<Pool>) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                pool,
                stage: Stage::new(),
                cpu: Atomic::new(0),
                runner: Atomic::new(0),
                place: Atomic::new(0),
                pace: Atomic::new(Pace::default().0),
                work <- new_spinlock_irq!(None, "Job::work"),
                links <- ListLinks::new(),
                tracker <- AtomicTracker::new(),
            }),
            GFP_KERNEL,
        )
    }

    /// Gives the job its work, once and before it is scheduled for the first time.
    pub(crate) fn attach(&self, work: Arc<dyn Work>) {
        let old = self.work.lock().replace(work);

        drop(old);
    }

    /// Has the job run soon, preferably on the processor that this is called on.
    ///
    /// It may be called in any context, hard interrupts included, and takes no locks but those
    /// of the pool and the scheduler. A job that waits in a queue already stays where it is; one
    /// that runs is run once more; one that was cancelled is not run any more. A run that begins
    /// after this sees what was written before it.
    pub(crate) fn schedule(self: &Arc<Self>) {
        self.cpu.store(CpuId::current().as_u32(), Relaxed);
        if self.stage.schedule() {
            self.enqueue(None);
        }
    }

    /// Sees to it that the job never runs again, and drops its work.
    ///
    /// It waits for a run that has begun, unless it is called by the job itself: then that run
    /// is the last one. It may be called several times and by several at once, but two jobs must
    /// not cancel each other. This sleeps.
    pub(crate) fn cancel(&self) {
        self.stage.cancel();
        if !self.is_current() {
            self.pool.wait_for_end(&self.stage);
        }

        let work = self.work.lock().take();

        drop(work);
    }

    /// Lets another thread have what waits for the one that runs this job.
    ///
    /// Work that has done a part of what it has to do calls this, if the rest takes longer than it
    /// takes to wake a thread. It may only be called by the job itself, and costs next to nothing
    /// if nothing waits.
    pub(crate) fn share(&self) {
        self.pool.relieve(self.place.load(Relaxed) as usize);
    }

    /// Notes that the job has found so many `things` to do. May only be called by the job itself.
    pub(crate) fn found(&self, things: u32) {
        self.pace.store(self.pace().after(things).0, Relaxed);
    }

    /// Runs the job, which was taken from a queue, as the thread of slot `slot`.
    pub(super) fn run(job: ListArc<Self>, slot: usize) {
        // Now the job can be put into a queue again.
        let job = job.into_arc();

        if !job.stage.start() {
            return;
        }
        job.runner.store(current_task(), Relaxed);
        // There are far fewer slots than that.
        job.place.store(slot as u32, Relaxed);

        // The lock is not held meanwhile, and who waits for the end of the run finds that the
        // reference is gone, too.
        let work = job.work.lock().clone();

        if let Some(work) = work {
            work.work();
        }

        job.runner.store(0, Relaxed);
        match job.stage.finish() {
            Next::Rest => {}
            Next::Again => job.enqueue(Some(slot)),
            Next::Cancelled => job.pool.announce_end(),
        }
    }

    /// Returns the processor that the job was last scheduled on.
    pub(super) fn cpu(&self) -> u32 {
        self.cpu.load(Relaxed)
    }

    /// Returns how busy the job is.
    pub(super) fn pace(&self) -> Pace {
        Pace(self.pace.load(Relaxed))
    }

    /// Puts the job into a queue, which the stage has just called for; see [`Pool::enqueue`].
    fn enqueue(self: &Arc<Self>, from: Option<usize>) {
        // There is a `ListArc` from the time the stage calls for a queue until a thread takes the
        // job from it, and then not until the stage calls for one again.
        if let Ok(job) = ListArc::try_from_arc(self.clone()) {
            self.pool.enqueue(job, from);
        }
    }

    /// Returns whether the current task is the thread that runs the job.
    fn is_current(&self) -> bool {
        self.runner.load(Relaxed) == current_task()
    }
}

/// Returns what tells the current task from all others as long as it exists.
fn current_task() -> usize {
    Task::current_raw() as usize
}
