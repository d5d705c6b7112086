// SPDX-License-Identifier: GPL-2.0

//! Tests of the pool with real threads. They run when the module is loaded into a kernel with
//! KUnit.

use super::*;
use crate::{
    abstractions::kthread::Thread,
    proto::job::Pace, //
};
use kernel::{
    sync::{
        atomic::Full,
        SetOnce, //
    },
    time::{
        delay::fsleep,
        Delta,
        Instant,
        Monotonic, //
    }, //
};

/// How long something may take that is certain to happen.
const DEADLINE_MS: i64 = 10_000;

/// For how long the pool is under load in tests that need that.
const LOAD_MS: i64 = 150;

/// Work that notes what becomes of it.
struct Probe {
    /// What it has been asked for so far, and what it had been when it last ran.
    asked: Atomic<u64>,
    seen: Atomic<u64>,
    runs: Atomic<u64>,
    /// Whether it runs, and whether it was seen to run twice at once.
    running: Atomic<bool>,
    overlapped: Atomic<bool>,
    /// Whether a run waits until this is cleared.
    blocked: Atomic<bool>,
    /// Whether a run, before it waits, asks its companion for one, and whether it then shares.
    calls: Atomic<bool>,
    shares: Atomic<bool>,
    /// How much each run finds to do.
    finds: Atomic<u32>,
    companion: SetOnce<Arc<Probe>>,
    /// What to do to the job at the end of a run.
    again: Atomic<u32>,
    cancel: Atomic<bool>,
    job: Arc<Job>,
}

impl Probe {
    /// Makes a job of `pool` that has such work.
    fn new(pool: &Arc<Pool>) -> Result<Arc<Self>> {
        let probe = Arc::new(
            Self {
                asked: Atomic::new(0),
                seen: Atomic::new(0),
                runs: Atomic::new(0),
                running: Atomic::new(false),
                overlapped: Atomic::new(false),
                blocked: Atomic::new(false),
                calls: Atomic::new(false),
                shares: Atomic::new(false),
                finds: Atomic::new(1),
                companion: SetOnce::new(),
                again: Atomic::new(0),
                cancel: Atomic::new(false),
                job: Job::new(pool.clone())?,
            },
            GFP_KERNEL,
        )?;

        probe.job.attach(probe.clone());
        Ok(probe)
    }

    /// Asks for a run.
    fn ask(&self) {
        self.asked.fetch_add(1, Full);
        self.job.schedule();
    }

    /// Returns whether a run has seen all that was asked for.
    fn is_served(&self) -> bool {
        self.seen.load(Acquire) == self.asked.load(Acquire)
    }
}

impl Work for Probe {
    fn work(&self) {
        if self.running.xchg(true, Full) {
            self.overlapped.store(true, Relaxed);
        }
        self.runs.fetch_add(1, Full);
        self.seen.store(self.asked.load(Acquire), Release);
        if self.calls.load(Relaxed) {
            if let Some(companion) = self.companion.as_ref() {
                companion.ask();
            }
        }
        self.job.found(self.finds.load(Relaxed));
        if self.shares.load(Relaxed) {
            self.job.share();
        }
        while self.blocked.load(Acquire) {
            fsleep(Delta::from_micros(200));
        }
        if self.again.load(Relaxed) > 0 {
            self.again.fetch_sub(1, Relaxed);
            self.job.schedule();
        }
        if self.cancel.load(Relaxed) {
            self.job.cancel();
        }
        self.running.store(false, Release);
    }
}

/// Waits until `condition` is true, and returns whether it is.
fn eventually(condition: impl Fn() -> bool) -> bool {
    let start = Instant::<Monotonic>::now();

    while !condition() {
        if start.elapsed().as_millis() > DEADLINE_MS {
            return false;
        }
        fsleep(Delta::from_micros(100));
    }
    true
}

/// Makes many jobs, and a thread that asks them for runs as long as it exists.
fn load(pool: &Arc<Pool>, jobs: usize) -> Result<(Arc<KVec<Arc<Probe>>>, Thread)> {
    let mut probes = KVec::new();

    for _ in 0..jobs {
        probes.push(Probe::new(pool)?, GFP_KERNEL)?;
    }

    let probes = Arc::new(probes, GFP_KERNEL)?;
    let asked = probes.clone();
    let thread = Thread::new(fmt!("dst-test"), None, move |current| {
        while !current.should_stop() {
            for (i, probe) in asked.iter().enumerate() {
                probe.again.store(u32::from(i % 3 == 0), Relaxed);
                probe.ask();
            }
            fsleep(Delta::from_micros(50));
        }
    })?;

    Ok((probes, thread))
}

/// Returns how many jobs each slot has run.
fn done(pool: &Pool) -> Result<KVec<u64>> {
    let mut jobs = KVec::with_capacity(pool.slots.len(), GFP_KERNEL)?;

    for slot in pool.slots.iter() {
        jobs.push(slot.done(), GFP_KERNEL)?;
    }
    Ok(jobs)
}

/// Ends all jobs, whose work refers to them.
fn cancel_all(probes: &[Arc<Probe>]) {
    for probe in probes {
        probe.job.cancel();
    }
}

#[kunit_tests(dst_pool)]
mod cases {
    use super::*;

    #[test]
    fn no_request_is_lost_when_threads_come_and_go() -> Result {
        let pool = Pool::start()?;
        let (probes, thread) = load(&pool, 32)?;
        let start = Instant::<Monotonic>::now();
        let mut threads = 1;

        while start.elapsed().as_millis() < LOAD_MS {
            threads = threads * 7 % pool.limit() + 1;
            pool.resize(threads)?;
            assert_eq!(pool.stats().threads, threads);
        }
        drop(thread);
        assert!(eventually(|| probes.iter().all(|probe| probe.is_served())));
        assert!(eventually(|| pool.stats().busy == 0));
        assert_eq!(pool.stats().queued, 0);
        assert!(!probes.iter().any(|probe| probe.overlapped.load(Relaxed)));
        cancel_all(&probes);
        Ok(())
    }

    #[test]
    fn nothing_runs_after_it_was_cancelled() -> Result {
        let pool = Pool::start()?;
        let (probes, thread) = load(&pool, 8)?;
        let start = Instant::<Monotonic>::now();

        while start.elapsed().as_millis() < LOAD_MS {
            let probe = Probe::new(&pool)?;

            probe.again.store(u32::MAX, Relaxed);
            probe.job.schedule();
            probe.job.schedule();
            probe.job.cancel();
            assert!(!probe.running.load(Acquire));

            let runs = probe.runs.load(Relaxed);

            probe.job.schedule();
            fsleep(Delta::from_micros(200));
            assert_eq!(probe.runs.load(Relaxed), runs);
        }
        drop(thread);
        cancel_all(&probes);
        Ok(())
    }

    #[test]
    fn cancelling_waits_for_the_run_that_has_begun() -> Result {
        let pool = Pool::start()?;
        let probe = Probe::new(&pool)?;
        let returned = Arc::new(Atomic::new(false), GFP_KERNEL)?;

        probe.blocked.store(true, Relaxed);
        probe.ask();
        assert!(eventually(|| probe.running.load(Acquire)));

        let canceller = {
            let probe = probe.clone();
            let returned = returned.clone();

            Thread::new(fmt!("dst-test"), None, move |_| {
                probe.job.cancel();
                returned.store(!probe.running.load(Acquire), Release);
            })?
        };

        // That it does not return can only be seen for some time.
        fsleep(Delta::from_millis(20));
        assert!(!returned.load(Acquire));
        assert!(probe.running.load(Acquire));
        probe.blocked.store(false, Release);
        assert!(eventually(|| returned.load(Acquire)));
        drop(canceller);
        Ok(())
    }

    #[test]
    fn a_job_may_cancel_itself() -> Result {
        let pool = Pool::start()?;
        let probe = Probe::new(&pool)?;

        probe.again.store(1, Relaxed);
        probe.cancel.store(true, Relaxed);
        probe.ask();
        assert!(eventually(
            || probe.is_served() && !probe.running.load(Acquire)
        ));
        assert!(eventually(|| pool.stats().busy == 0));
        assert_eq!(probe.runs.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn nothing_waits_behind_a_thread_that_is_stuck() -> Result {
        let pool = Pool::start()?;

        pool.resize(2)?;

        let stuck = Probe::new(&pool)?;
        let probe = Probe::new(&pool)?;

        stuck.blocked.store(true, Relaxed);
        stuck.ask();
        assert!(eventually(|| stuck.running.load(Acquire)));
        for _ in 0..100 {
            probe.ask();
            assert!(eventually(|| probe.is_served()));
        }
        assert!(stuck.running.load(Acquire));
        stuck.blocked.store(false, Release);
        cancel_all(&[stuck, probe]);
        Ok(())
    }

    #[test]
    fn what_waits_behind_the_job_that_scheduled_it_is_taken_over() -> Result {
        let pool = Pool::start()?;

        pool.resize(2)?;
        // At first the job says itself that it goes on for a while, then the watch has to notice.
        for shares in [true, false] {
            let stuck = Probe::new(&pool)?;
            let probe = Probe::new(&pool)?;

            stuck.companion.populate(probe.clone());
            stuck.calls.store(true, Relaxed);
            stuck.shares.store(shares, Relaxed);
            stuck.blocked.store(true, Relaxed);
            for round in 1..20 {
                stuck.ask();
                assert!(eventually(|| probe.runs.load(Acquire) == round));
                assert!(stuck.running.load(Acquire));
                stuck.blocked.store(false, Release);
                assert!(eventually(|| !stuck.running.load(Acquire)));
                stuck.blocked.store(true, Release);
            }
            cancel_all(&[stuck, probe]);
        }
        Ok(())
    }

    #[test]
    fn what_waits_for_a_thread_that_leaves_is_passed_on() -> Result {
        let pool = Pool::start()?;

        pool.resize(2)?;

        let stuck = [Probe::new(&pool)?, Probe::new(&pool)?];
        let probes = [Probe::new(&pool)?, Probe::new(&pool)?];

        for stuck in &stuck {
            stuck.blocked.store(true, Relaxed);
            stuck.ask();
            assert!(eventually(|| stuck.running.load(Acquire)));
        }
        // One for each queue, if there are two processors.
        for (cpu, probe) in (0..).zip(&probes) {
            let asked = probe.clone();
            let thread = Thread::new(fmt!("dst-test"), Some(cpu), move |_| asked.ask())?;

            assert!(eventually(|| probe.asked.load(Acquire) == 1));
            drop(thread);
        }
        assert_eq!(pool.stats().queued, 2);
        for stuck in &stuck {
            stuck.blocked.store(false, Release);
        }
        pool.resize(1)?;
        assert!(eventually(|| probes.iter().all(|probe| probe.is_served())));
        cancel_all(&stuck);
        cancel_all(&probes);
        Ok(())
    }

    #[test]
    fn nothing_is_lost_with_a_thread_that_never_ran() -> Result {
        let pool = Pool::start()?;
        let probe = Probe::new(&pool)?;
        let all_served = Arc::new(Atomic::new(false), GFP_KERNEL)?;
        let thread = {
            let (pool, probe, all_served) = (pool.clone(), probe.clone(), all_served.clone());

            // It is on the processor of the second thread, which has to wait until this one does.
            Thread::new(fmt!("dst-test"), Some(1), move |_| {
                let start = Instant::<Monotonic>::now();

                while start.elapsed().as_millis() < LOAD_MS {
                    let resized = pool.resize(2);

                    probe.ask();
                    if resized.and(pool.resize(1)).is_err() || !eventually(|| probe.is_served()) {
                        return;
                    }
                }
                all_served.store(true, Release);
            })?
        };

        assert!(eventually(|| all_served.load(Acquire)));
        drop(thread);
        cancel_all(&[probe]);
        Ok(())
    }

    #[test]
    fn a_job_runs_where_it_was_scheduled_if_that_thread_is_free() -> Result {
        const ROUNDS: u64 = 100;

        let pool = Pool::start()?;
        let probe = Probe::new(&pool)?;
        let cpus = nr_cpu_ids();
        let (mut seen, mut asked) = (0_u64, 0);

        // With fewer threads than processors, one of them is at home on several.
        for threads in [cpus, cpus.div_ceil(2)] {
            let mut at_home = 0;

            pool.resize(threads)?;
            for round in 0..ROUNDS {
                assert!(eventually(|| pool.active().iter().all(Slot::is_idle)));

                let before: KVec<u64> = done(&pool)?;
                let asker = probe.clone();
                let thread = Thread::new(fmt!("dst-test"), Some(round as u32 % cpus), move |_| {
                    asker.ask();
                })?;

                asked += 1;
                assert!(eventually(
                    || probe.runs.load(Acquire) == asked && !probe.running.load(Acquire)
                ));
                drop(thread);

                let cpu = probe.job.cpu();
                let home = (cpu % threads) as usize;

                seen |= 1 << cpu;
                at_home += done(&pool)?[home] - before[home];
            }
            // One that is just about to sleep may find the job before the one that is woken for it.
            assert!(at_home >= ROUNDS * 3 / 4);
            assert!(at_home <= ROUNDS);
        }
        assert!(seen.count_ones() > 1 || cpus == 1);
        cancel_all(&[probe]);
        Ok(())
    }

    #[test]
    fn busy_jobs_roam() -> Result {
        let pool = Pool::start()?;
        let probe = Probe::new(&pool)?;
        let homes = pool.homes;
        let mut asked = 0;
        // Has the job run, found to do something each time, and returns how often it was away.
        let mut away = |finds, runs: u32| -> Result<u64> {
            let before: KVec<u64> = done(&pool)?;

            probe.finds.store(finds, Relaxed);
            for _ in 0..runs {
                assert!(eventually(|| pool.active().iter().all(Slot::is_idle)));
                probe.ask();
                asked += 1;
                assert!(eventually(
                    || probe.runs.load(Acquire) == asked && !probe.running.load(Acquire)
                ));
            }
            assert!(eventually(|| pool.active().iter().all(Slot::is_idle)));

            let after: KVec<u64> = done(&pool)?;
            let roaming = |all: &[u64]| all.iter().skip(homes as usize).sum::<u64>();

            Ok(roaming(&after) - roaming(&before))
        };

        pool.resize(homes * 2)?;
        // One that is just about to sleep may find the job before the one that is woken for it.
        assert!(away(1, 40)? < 10);
        // The first run has to find out.
        away(Pace::SEVERAL, 1)?;
        assert!(away(Pace::SEVERAL, 40)? > 30);
        away(1, Pace::PATIENCE)?;
        assert!(away(1, 40)? < 10);

        // Nobody roams.
        away(Pace::SEVERAL, 1)?;
        pool.resize(homes)?;
        assert_eq!(away(Pace::SEVERAL, 40)?, 0);
        cancel_all(&[probe]);
        Ok(())
    }

    #[test]
    fn impossible_numbers_of_threads_are_refused() -> Result {
        let pool = Pool::start()?;
        let before = pool.stats().threads;

        assert_eq!(pool.resize(0), Err(ERANGE));
        assert_eq!(pool.resize(pool.limit() + 1), Err(ERANGE));
        assert_eq!(pool.stats().threads, before);
        pool.resize(pool.limit())?;
        assert_eq!(pool.stats().threads, pool.limit());
        Ok(())
    }
}
