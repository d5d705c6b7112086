// SPDX-License-Identifier: GPL-2.0

//! The threads that do all the work that is not done in the context of who asks for it.
//!
//! One [`Pool`] is shared by all storages and exports. It consists of slots with a queue each; the
//! first of them, as many as there are to be, have a thread. A job goes into the queue of the
//! thread whose home is the processor it was scheduled on, because its data is in the cache there.
//! If that thread is busy another one that has nothing to do is woken and steals the job, so that
//! nothing waits behind a thread that takes long as long as there is another.
//!
//! The first threads, one for each processor, stay at home. Those that follow roam: the scheduler
//! puts them on whatever processor has nothing to do. They get the jobs that are
//! [busy](crate::proto::job::Pace), so that who asks for more and who does it do not share one
//! processor; as long as they find more, the same thread goes on with them. Where all processors
//! are taken they interrupt nobody: who asks goes on until he waits or has had his time, and the job
//! finds all the more.
//!
//! A job that is not busy finds the processor free that it was scheduled on, as a rule, and so does
//! every job if an interrupt has scheduled it there that came when nothing ran. There nobody else has
//! to be woken.
//!
//! To wake a thread on another processor costs more than most jobs take. So nobody is woken for
//! the first job in the queue of a thread that runs or could: that comes to it next. If it does
//! not, because it is stuck or has a lot to do, it is relieved: by itself when it says so
//! ([`Job::share`]), and by the [`watch`] otherwise.
//!
//! Locks: [`Pool::threads`] (a mutex, for changes of the number) is never taken by a job. The
//! lock of a slot is a leaf. No lock at all is held while a job runs.

mod job;
mod slot;
mod stage;
#[cfg(CONFIG_KUNIT = "y")]
mod tests;
mod watch;
mod worker;

use crate::abstractions::{
    barrier::smp_mb,
    kthread::{
        is_processor_idle,
        Thread, //
    },
    lock::{
        new_spinlock_irq,
        SpinLockIrq, //
    },
    machine::processors, //
};
use core::ops::Deref;
use kernel::{
    cpu::nr_cpu_ids,
    list::ListArc,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        new_condvar,
        new_mutex,
        Arc,
        CondVar,
        Mutex, //
    }, //
};
use slot::{
    Push,
    Slot, //
};
use stage::Stage;
use watch::Watch;

pub(crate) use job::{
    Job,
    Work, //
};

/// The smallest limit of the number of threads, for machines with few processors.
const LIMIT_MIN: u32 = 16;

/// The largest limit of the number of threads.
pub(crate) const LIMIT_MAX: u32 = 1024;

/// Roaming threads that are looked at for one that has nothing to do: not all of a large machine.
const ROAMERS: usize = 4;

/// How many threads there may be for each processor.
const LIMIT_PER_CPU: u32 = 4;

/// A set of threads that run jobs.
#[pin_data]
pub(crate) struct Pool {
    slots: Pin<KVBox<[Slot]>>,
    /// How many slots jobs are given to; all of these have a thread. Zero once the pool is closed.
    active: Atomic<u32>,
    /// How many of the slots have a home, the processor of the same number.
    homes: u32,
    /// How many threads have nothing to do. Never less than those whose slot says so.
    idle: Atomic<i32>,
    watch: Watch,
    /// The threads, in the order of their slots.
    #[pin]
    threads: Mutex<KVec<Thread>>,
    /// Taken to tell of the end of a job that was cancelled.
    #[pin]
    end: SpinLockIrq<()>,
    /// Notified when a job that was cancelled has ended.
    #[pin]
    ended: CondVar,
}

/// What a pool is doing.
pub(crate) struct Stats {
    /// How many threads there are.
    pub(crate) threads: u32,
    /// How many there may be.
    pub(crate) limit: u32,
    /// How many of them run a job.
    pub(crate) busy: u32,
    /// How many jobs wait for a thread.
    pub(crate) queued: u32,
    /// How many jobs were run.
    pub(crate) jobs: u64,
}

/// Who has a running pool. Dropping it stops all threads.
///
/// It must not be dropped by a job. Jobs that are scheduled afterwards do not run.
pub(crate) struct Owner {
    pool: Arc<Pool>,
    _watch: Thread,
}

impl Pool {
    /// Makes a pool of two threads for each processor, one that stays there and one that roams.
    ///
    /// # Errors
    ///
    /// Those of [`Pool::resize`].
    pub(crate) fn start() -> Result<Owner> {
        let homes = processors();
        let limit = nr_cpu_ids()
            .saturating_mul(LIMIT_PER_CPU)
            .clamp(LIMIT_MIN, LIMIT_MAX);
        let slots = KVBox::pin_slice(|_| Slot::new(), limit as usize, GFP_KERNEL)?;
        let pool = Arc::pin_init(
            pin_init!(Self {
                slots,
                active: Atomic::new(0),
                homes,
                idle: Atomic::new(0),
                watch: Watch::new(),
                threads <- new_mutex!(KVec::new(), "Pool::threads"),
                end <- new_spinlock_irq!((), "Pool::end"),
                ended <- new_condvar!("Pool::ended"),
            }),
            GFP_KERNEL,
        )?;
        let watch = watch::start(&pool)?;
        let owner = Owner {
            pool,
            _watch: watch,
        };

        owner.resize(homes.saturating_mul(2).min(limit))?;
        Ok(owner)
    }

    /// Returns how many threads there may be.
    pub(crate) fn limit(&self) -> u32 {
        // The limit was a `u32` when the slots were allocated.
        self.slots.len() as u32
    }

    /// Changes the number of threads.
    ///
    /// When it returns, the new threads run and the others are gone; if it fails there are as
    /// many as before. Jobs go on meanwhile, and those that wait for a thread that leaves are
    /// passed on. It waits for the jobs of leaving threads, so it must not be called by a job.
    /// This sleeps.
    ///
    /// # Errors
    ///
    /// - `ERANGE` if `threads` is zero or more than [`Pool::limit`].
    /// - `ENOMEM` if there is not enough memory.
    /// - `EINTR` if the calling task is being killed.
    pub(crate) fn resize(self: &Arc<Self>, threads: u32) -> Result {
        if threads == 0 || threads > self.limit() {
            return Err(ERANGE);
        }

        let mut running = self.threads.lock();
        let before = running.len();

        for (index, slot) in self
            .slots
            .iter()
            .enumerate()
            .take(threads as usize)
            .skip(before)
        {
            if let Err(error) = self.add(&mut running, index, slot) {
                self.dismiss(&mut running, before);
                return Err(error);
            }
        }
        self.settle(&mut running, threads);
        Ok(())
    }

    /// Returns what the pool is doing.
    pub(crate) fn stats(&self) -> Stats {
        let threads = self.active.load(Relaxed);
        let idle = u32::try_from(self.idle.load(Relaxed)).unwrap_or(0);

        Stats {
            threads,
            limit: self.limit(),
            busy: threads.saturating_sub(idle),
            queued: self.slots.iter().map(Slot::length).sum(),
            jobs: self.slots.iter().map(Slot::done).sum(),
        }
    }

    /// Starts the thread of `slot`, which is the one after those of `running`.
    fn add(self: &Arc<Self>, running: &mut KVec<Thread>, index: usize, slot: &Slot) -> Result {
        let cpu = u32::try_from(index).ok().filter(|cpu| *cpu < self.homes);
        let pool = self.clone();

        running.reserve(1, GFP_KERNEL)?;

        let thread = Thread::prepare(fmt!("dst/{}", index), cpu, move |current| {
            worker::run(&pool, index, current);
        })?;

        if cpu.is_none() {
            thread.never_preempt();
        }
        slot.occupy(thread.task().clone());
        running.push(thread.start(), GFP_KERNEL)?;
        Ok(())
    }

    /// Gives jobs to the first `threads` threads only and waits until the others are gone.
    fn settle(&self, running: &mut KVec<Thread>, threads: u32) {
        self.active.store(threads, Release);
        self.dismiss(running, threads as usize);
    }

    /// Ends all threads but the first `keep`, which jobs are not given to any more, and passes on
    /// what was meant for them.
    fn dismiss(&self, running: &mut KVec<Thread>, keep: usize) {
        while running.len() > keep {
            // This waits for the thread. It may have ended before it did anything at all, so it
            // cannot see to its queue itself.
            drop(running.pop());
            if let Some(slot) = self.slots.get(running.len()) {
                self.pass_on(slot);
            }
        }
    }

    /// Passes on what is in the queue of `slot`, whose thread is gone.
    fn pass_on(&self, slot: &Slot) {
        let mut queue = slot.vacate();

        while let Some(job) = queue.pop_front() {
            self.enqueue(job, None);
        }

        // Perhaps the thread was woken to steal a job and has not come to it.
        if !self.active().iter().all(Slot::is_empty) {
            self.active().iter().any(Slot::wake);
        }
    }

    /// Puts `job` into the queue of a thread and wakes one that will run it. If it is the thread of
    /// slot `from` that calls this, because it has just run the job, it goes on with it if it roams.
    ///
    /// It may be called in any context.
    fn enqueue(&self, mut job: ListArc<Job>, mut from: Option<usize>) {
        let cpu = job.cpu() as usize;

        // A slot without a thread was seen by who looked at an old number of threads: the
        // number changes first.
        let (index, slot, next) = loop {
            let active = self.active();
            // The numbers of processors may have gaps, and there may be more of them by now.
            let Some(home) = cpu.checked_rem(active.len().min(self.homes as usize)) else {
                return;
            };
            let index = match job.pace().is_busy() {
                true => self.roamer(active, cpu, from.take()).unwrap_or(home),
                false => home,
            };
            let Some(slot) = active.get(index) else {
                return;
            };

            match slot.push(job) {
                Push::Woken => return,
                Push::Next => break (index, slot, true),
                Push::Queued => break (index, slot, false),
                Push::Vacant(back) => job = back,
            }
        };

        // Pairs with the barrier of a thread that wants to sleep, be it the one of this slot or
        // another: either that thread is seen here, or it sees the job.
        smp_mb();
        if self.idle.load(Relaxed) > 0 && !slot.wake() {
            match next {
                true => self.watch.ask(),
                false => {
                    self.others(index).any(Slot::wake);
                }
            }
        }
    }

    /// Wakes a thread that takes what waits for the thread of slot `index`, if anything does.
    fn relieve(&self, index: usize) {
        let waits = self.slots.get(index).is_some_and(Slot::wants_relief);

        if waits && self.idle.load(Relaxed) > 0 {
            self.others(index).any(Slot::wake);
        }
    }

    /// Wakes a thread if there are jobs that nobody has come to.
    fn look(&self) {
        if self.idle.load(Relaxed) > 0 && !self.active().iter().all(Slot::is_empty) {
            self.active().iter().any(Slot::wake);
        }
    }

    /// Returns the slots that jobs are given to.
    fn active(&self) -> &[Slot] {
        self.slots
            .get(..self.active.load(Acquire) as usize)
            .unwrap_or_default()
    }

    /// Returns which of the `active` slots has a thread that roams, for a job that was scheduled on
    /// `cpu` or that the thread of slot `from` has just run: that one, if it roams, or one that has
    /// nothing to do, if there is one among the few that are looked at. If the processor has nothing
    /// else to do, nobody has to roam.
    fn roamer(&self, active: &[Slot], cpu: usize, from: Option<usize>) -> Option<usize> {
        let homes = self.homes as usize;

        if let Some(from) = from.filter(|from| (homes..active.len()).contains(from)) {
            return Some(from);
        }
        if self.idle.load(Relaxed) <= 0 || is_processor_idle() {
            return None;
        }

        let roamers = active.len().saturating_sub(homes);

        (0..roamers.min(ROAMERS))
            .filter_map(|n| Some(homes + (cpu + n).checked_rem(roamers)?))
            .find(|index| active.get(*index).is_some_and(Slot::is_idle))
    }

    /// Returns the slots that jobs are given to, without that of number `index` and beginning
    /// with the one that follows it.
    fn others(&self, index: usize) -> impl Iterator<Item = &Slot> {
        let active = self.active();
        let before = active.get(..index).unwrap_or(active);
        let after = active.get(index + 1..).unwrap_or_default();

        Iterator::chain(after.iter(), before)
    }

    /// Waits until the job of `stage`, which was cancelled, does not run. This sleeps.
    fn wait_for_end(&self, stage: &Stage) {
        let mut end = self.end.lock();

        while stage.is_running() {
            self.ended.wait(&mut end);
        }
    }

    /// Tells who waits for it that the run of a job that was cancelled has ended.
    fn announce_end(&self) {
        // Who has seen the job run is waiting when the lock is free.
        drop(self.end.lock());
        self.ended.notify_all();
    }
}

impl Deref for Owner {
    type Target = Arc<Pool>;

    fn deref(&self) -> &Self::Target {
        &self.pool
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.settle(&mut self.threads.lock(), 0);
    }
}
