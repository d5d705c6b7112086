// SPDX-License-Identifier: GPL-2.0

//! The states of a job of the thread pool, and how busy it is.
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

/// How busy a job is: whether it finds few things to do when it runs, or several.
///
/// Who asked for one thing most likely waits for it, which leaves a processor with nothing to do:
/// the one that the job was scheduled on. Several things are a sign that somebody goes on asking
/// there. Then another processor had better do them, and finds even more at a time.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Pace(
    /// Runs that may find few things until the job is not busy any more.
    pub u32,
);

impl Pace {
    /// Things to do at a time that make a job busy.
    pub const SEVERAL: u32 = 4;

    /// Runs that a busy job is given to show that it still is.
    pub const PATIENCE: u32 = 16;

    /// Notes that a run has found so many `things` to do; none are no sign of anything.
    #[inline]
    pub fn after(self, things: u32) -> Self {
        match things {
            0 => self,
            1..Self::SEVERAL => Self(self.0.saturating_sub(1)),
            Self::SEVERAL.. => Self(Self::PATIENCE),
        }
    }

    /// Returns whether the job is busy.
    #[inline]
    pub fn is_busy(self) -> bool {
        self.0 > 0
    }
}
