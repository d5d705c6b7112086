// SPDX-License-Identifier: GPL-2.0

//! Where a job stands, in one atomic word.

use crate::proto::job::{
    JobState,
    Transition, //
};
use kernel::sync::atomic::{
    Atomic,
    Full,
    Relaxed, //
};

/// The bit that says that the job was cancelled.
const CANCELLED: u32 = 1 << 31;

/// The state of a job and whether it was cancelled.
///
/// All transitions are full memory barriers, also those that change nothing: what was written
/// before [`Stage::schedule`] is seen by the run that it asks for or relies on.
pub(super) struct Stage(Atomic<u32>);

/// What comes after the end of a run.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Next {
    /// Nothing.
    Rest,
    /// The job was scheduled meanwhile and has to be queued again.
    Again,
    /// The job was cancelled meanwhile, and somebody may wait for the end of the run.
    Cancelled,
}

impl Stage {
    /// A job that has nothing to do.
    pub(super) fn new() -> Self {
        Self(Atomic::new(encode(JobState::Idle)))
    }

    /// Somebody schedules the job. Returns whether it has to be queued.
    pub(super) fn schedule(&self) -> bool {
        self.change(|state, cancelled| {
            if cancelled {
                (encode(state), false)
            } else {
                let Transition { state, queue } = state.schedule();

                (encode(state), queue)
            }
        })
    }

    /// A thread took the job from its queue. Returns whether it has to be run.
    ///
    /// If not, [`Stage::finish`] must not be called.
    pub(super) fn start(&self) -> bool {
        self.change(|state, cancelled| match state.start() {
            Ok(running) if !cancelled => (encode(running), true),
            Ok(_) | Err(_) => (encode(JobState::Idle), false),
        })
    }

    /// The thread is done with the job.
    pub(super) fn finish(&self) -> Next {
        self.change(|state, cancelled| match state.finish() {
            Ok(Transition { state, queue: true }) if !cancelled => (encode(state), Next::Again),
            Ok(_) | Err(_) if cancelled => (encode(JobState::Idle), Next::Cancelled),
            Ok(_) | Err(_) => (encode(JobState::Idle), Next::Rest),
        })
    }

    /// From now on the job is not run any more, apart from a run that has begun.
    pub(super) fn cancel(&self) {
        self.change(|state, _| (encode(state) | CANCELLED, ()));
    }

    /// Returns whether the job runs.
    pub(super) fn is_running(&self) -> bool {
        match decode(self.0.load(Relaxed)) {
            JobState::Running | JobState::RunningAgain => true,
            JobState::Idle | JobState::Queued => false,
        }
    }

    /// Replaces the state by what `transition` makes of it and keeps the job cancelled if it is.
    fn change<R>(&self, mut transition: impl FnMut(JobState, bool) -> (u32, R)) -> R {
        let mut old = self.0.load(Relaxed);

        loop {
            let cancelled = old & CANCELLED;
            let (new, result) = transition(decode(old), cancelled != 0);

            match self.0.cmpxchg(old, new | cancelled, Full) {
                Ok(_) => return result,
                Err(current) => old = current,
            }
        }
    }
}

/// Returns the number of `state`.
fn encode(state: JobState) -> u32 {
    match state {
        JobState::Idle => 0,
        JobState::Queued => 1,
        JobState::Running => 2,
        JobState::RunningAgain => 3,
    }
}

/// Returns the state of a word.
fn decode(word: u32) -> JobState {
    match word & !CANCELLED {
        0 => JobState::Idle,
        1 => JobState::Queued,
        2 => JobState::Running,
        _ => JobState::RunningAgain,
    }
}
