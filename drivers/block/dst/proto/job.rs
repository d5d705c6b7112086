// SPDX-License-Identifier: GPL-2.0

//! The states of a job of the thread pool.
//!
//! A job that is scheduled while it runs has to run once more, on the same thread, so that it never
//! runs twice at the same time and no wake-up is lost.

/// Where a job stands.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum JobState {
    /// Nothing to do.
    #[default]
    Idle,
    /// It waits in a queue.
    Queued,
    /// A thread runs it.
    Running,
    /// A thread runs it, and it was scheduled meanwhile.
    RunningAgain,
}

/// The transition is not one that a correct pool makes; nothing was changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct WrongState(pub JobState);

/// The new state, and whether the job has to be put into a queue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Transition {
    /// The new state.
    pub state: JobState,
    /// Whether it has to be queued.
    pub queue: bool,
}

impl JobState {
    /// Somebody schedules the job.
    #[inline]
    pub fn schedule(self) -> Transition {
        let (state, queue) = match self {
            Self::Idle => (Self::Queued, true),
            Self::Queued => (Self::Queued, false),
            Self::Running | Self::RunningAgain => (Self::RunningAgain, false),
        };

        Transition { state, queue }
    }

    /// A thread took the job from its queue.
    ///
    /// # Errors
    ///
    /// [`WrongState`] if it was not in a queue.
    #[inline]
    pub fn start(self) -> Result<Self, WrongState> {
        match self {
            Self::Queued => Ok(Self::Running),
            Self::Idle | Self::Running | Self::RunningAgain => Err(WrongState(self)),
        }
    }

    /// The thread is done with the job.
    ///
    /// # Errors
    ///
    /// [`WrongState`] if no thread ran it.
    #[inline]
    pub fn finish(self) -> Result<Transition, WrongState> {
        let (state, queue) = match self {
            Self::Running => (Self::Idle, false),
            Self::RunningAgain => (Self::Queued, true),
            Self::Idle | Self::Queued => return Err(WrongState(self)),
        };

        Ok(Transition { state, queue })
    }
}
