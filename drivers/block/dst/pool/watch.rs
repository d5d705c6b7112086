// SPDX-License-Identifier: GPL-2.0

//! The thread that sees to it that nothing waits behind a thread that is stuck.

use super::Pool;
use crate::abstractions::kthread::{
    Current,
    Thread, //
};
use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Acquire,
            Atomic,
            Full,
            Relaxed, //
        },
        Arc,
        SetOnce, //
    },
    task::Task,
    time::msecs_to_jiffies, //
};

/// Milliseconds after which a job is taken away from a thread that should have come to it. It may
/// wait for up to twice as long, and a tick of the clock.
const PATIENCE: u32 = 4;

/// The thread sleeps until it is asked to look.
const RESTING: u32 = 0;

/// The thread will look, and then rest if nobody asks it again.
const WATCHING: u32 = 1;

/// The thread was asked to look.
const ASKED: u32 = 2;

/// Asks for looks, and takes care that they are few.
///
/// As long as it is asked, the thread looks once in a while, and nobody has to wake it.
pub(super) struct Watch {
    state: Atomic<u32>,
    thread: SetOnce<ARef<Task>>,
}

impl Watch {
    /// Returns one that nobody has asked for anything.
    pub(super) fn new() -> Self {
        Self {
            state: Atomic::new(RESTING),
            thread: SetOnce::new(),
        }
    }

    /// Has the thread look, in a while, at what was put into a queue before this and a full
    /// barrier. Any context.
    pub(super) fn ask(&self) {
        // The exchange before a look is a full barrier, too: either that look is still to come, or
        // it is asked for here.
        if self.state.load(Relaxed) == ASKED || self.state.xchg(ASKED, Full) != RESTING {
            return;
        }
        if let Some(thread) = self.thread.as_ref() {
            thread.wake_up();
        }
    }

    /// Looks whenever somebody has asked for it, until the thread has to stop.
    fn run(&self, pool: &Pool, current: &Current) {
        while !current.should_stop() {
            current.sleep_until(|| self.state.load(Acquire) == ASKED);
            while !current.should_stop() && self.state.xchg(WATCHING, Full) == ASKED {
                current.sleep_until_timeout(msecs_to_jiffies(PATIENCE), || false);
                pool.look();
            }
            // If this fails it was asked again.
            let _ = self.state.cmpxchg(WATCHING, RESTING, Full);
        }
    }
}

/// Starts the thread that watches over `pool`. Process context.
///
/// # Errors
///
/// Those of [`Thread::new`].
pub(super) fn start(pool: &Arc<Pool>) -> Result<Thread> {
    let watched = pool.clone();
    let thread = Thread::prepare(fmt!("dst/watch"), None, move |current| {
        watched.watch.run(&watched, current);
    })?;

    pool.watch.thread.populate(thread.task().clone());
    Ok(thread.start())
}
