// SPDX-License-Identifier: GPL-2.0

//! Jobs: where they are, and that no call for one is in vain.

use dst_proto::job::{
    JobState,
    Pace,
    Transition,
    WrongState, //
};
use proptest::prelude::*;

#[test]
fn jobs_run_once_at_a_time_and_again_if_asked() {
    use JobState::{Idle, Queued, Running, RunningAgain};

    let to = |state, queue| Transition { state, queue };

    assert_eq!(Idle.schedule(), to(Queued, true));
    assert_eq!(Queued.schedule(), to(Queued, false));
    assert_eq!(Running.schedule(), to(RunningAgain, false));
    assert_eq!(RunningAgain.schedule(), to(RunningAgain, false));
    assert_eq!(Queued.start(), Ok(Running));
    for state in [Idle, Running, RunningAgain] {
        assert_eq!(state.start(), Err(WrongState(state)));
    }
    assert_eq!(Running.finish(), Ok(to(Idle, false)));
    assert_eq!(RunningAgain.finish(), Ok(to(Queued, true)));
    for state in [Idle, Queued] {
        assert_eq!(state.finish(), Err(WrongState(state)));
    }
}

#[test]
fn jobs_are_busy_until_they_have_not_been_for_a_while() {
    let mut pace = Pace::default();

    assert!(!pace.is_busy());
    for things in [1, 0, Pace::SEVERAL - 1] {
        pace = pace.after(things);
        assert!(!pace.is_busy());
    }
    for many in [Pace::SEVERAL, Pace::SEVERAL + 1, u32::MAX] {
        pace = pace.after(many);
        for _ in 1..Pace::PATIENCE {
            pace = pace.after(1).after(0);
            assert!(pace.is_busy());
        }
        // Once more is enough to begin anew.
        assert!(pace.after(many).after(1).is_busy());
        pace = pace.after(1);
        assert!(!pace.is_busy());
    }
}

proptest! {
    #[test]
    fn no_wakeup_is_lost(steps in prop::collection::vec(0..3, 1..200)) {
        let mut job = JobState::default();
        let mut queued = 0;
        let mut running = 0;
        let mut wanted = false;

        for step in steps {
            match step {
                0 => {
                    let next = job.schedule();

                    job = next.state;
                    queued += i32::from(next.queue);
                    wanted = true;
                }
                1 if queued > 0 => {
                    queued -= 1;
                    running += 1;
                    job = job.start().expect("it was queued");
                    wanted = false;
                }
                2 if running > 0 => {
                    let next = job.finish().expect("it was running");

                    job = next.state;
                    running -= 1;
                    queued += i32::from(next.queue);
                }
                _ => (),
            }
            prop_assert!(running <= 1);
            prop_assert!(queued <= 1);
            prop_assert!(queued + running <= 1);
            // Whoever scheduled it can rely on a run that has not begun yet.
            prop_assert!(!wanted || queued == 1 || job == JobState::RunningAgain);
        }
    }
}
