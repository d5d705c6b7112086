// SPDX-License-Identifier: GPL-2.0

//! What a thread of the pool does.

use super::{
    job::Job,
    slot::Slot,
    Pool, //
};
use crate::abstractions::{
    barrier::smp_mb,
    kthread::Current,
    memory::NoIoScope, //
};
use kernel::{
    list::ListArc,
    sync::atomic::Relaxed, //
};

/// Once in so many turns a thread looks for jobs of the others before its own.
///
/// This is what keeps a job from waiting for ever in the queue of a thread that is stuck when all
/// other threads have enough to do.
const TURNS: u32 = 32;

/// Runs jobs as the thread of slot `index` of `pool` until it has to stop.
pub(super) fn run(pool: &Pool, index: usize, current: &Current) {
    let _no_io = NoIoScope::new();
    let Some(slot) = pool.slots.get(index) else {
        return;
    };
    let mut turn = 0;

    while !current.should_stop() {
        turn = (turn + 1) % TURNS;
        match next(pool, index, slot, turn == 0) {
            Some(job) => {
                slot.count();
                Job::run(job, index);
                current.give_way();
            }
            None => sleep(pool, slot, current),
        }
    }
}

/// Returns a job to run.
fn next(pool: &Pool, index: usize, slot: &Slot, others_first: bool) -> Option<ListArc<Job>> {
    let steal = || pool.others(index).find_map(Slot::pop);

    if others_first {
        steal().or_else(|| slot.pop())
    } else {
        slot.pop().or_else(steal)
    }
}

/// Sleeps until there is something to do.
fn sleep(pool: &Pool, slot: &Slot, current: &Current) {
    pool.idle.fetch_add(1, Relaxed);
    slot.set_idle(true);

    // Pairs with the barrier of who has queued a job: either that one sees that this thread is
    // idle, or the job is seen here.
    smp_mb();
    if slot.is_empty() && pool.active().iter().all(Slot::is_empty) {
        current.sleep_until(|| !slot.is_idle());
    }
    if slot.is_idle() {
        slot.set_idle(false);
    }
    pool.idle.fetch_sub(1, Relaxed);
}
