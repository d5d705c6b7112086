// SPDX-License-Identifier: GPL-2.0

//! Tests of what a queue decides. They run when the module is loaded into a kernel with KUnit.

use super::{
    flight::{
        Ended,
        Over, //
    },
    queue::{
        Gate,
        Queue, //
    }, //
};
use crate::{
    abstractions::block_status::BlockStatus,
    proto::{
        session::Resend,
        units::{
            Epoch,
            Generation,
            Stamp, //
        }, //
    }, //
};
use kernel::prelude::*;

/// Credits of the connections here.
const WINDOW: u32 = 64;

/// Returns the stamp of the first connection of an epoch.
fn stamp(epoch: u32) -> Stamp {
    Stamp {
        epoch: Epoch(epoch),
        generation: Generation(epoch),
    }
}

#[kunit_tests(dst_queue)]
mod cases {
    use super::*;

    #[test]
    fn a_limit_that_is_reached_just_after_there_is_a_connection_changes_nothing() -> Result {
        let mut queue = Queue::new()?;

        queue.open(0, stamp(1), WINDOW, Resend::Session);
        assert!(!queue.fail(BlockStatus::Transport));
        assert!(queue.gate == Gate::Open);
        Ok(())
    }

    #[test]
    fn what_fails_without_a_connection_does_so_until_there_is_one() -> Result {
        let mut queue = Queue::new()?;

        queue.open(0, stamp(1), WINDOW, Resend::Session);
        queue.shut(0);
        assert!(!queue.fail(BlockStatus::Transport));
        queue.down();
        assert!(queue.fail(BlockStatus::Transport));
        assert!(queue.failing().is_some());
        assert!(!queue.fail(BlockStatus::Transport));
        queue.open(1, stamp(2), WINDOW, Resend::Session);
        assert!(queue.failing().is_none());
        Ok(())
    }

    #[test]
    fn nothing_fails_while_an_administrator_has_everything_wait() -> Result {
        let mut queue = Queue::new()?;

        assert!(queue.hold() == Some(true));
        assert!(!queue.fail(BlockStatus::Transport));
        assert!(queue.hold() == Some(false));
        assert!(queue.resume());
        assert!(queue.fail(BlockStatus::Transport));
        Ok(())
    }

    #[test]
    fn what_is_not_fenced_does_not_time_out_while_the_session_is_up() -> Result {
        let mut queue = Queue::new()?;
        let mut list = KVec::with_capacity(1, GFP_KERNEL)?;
        let mut ended = Ended::new(1)?;
        let mut stuck = false;

        queue.open(0, stamp(1), WINDOW, Resend::Session);
        queue.open(1, stamp(1), WINDOW, Resend::Connection);
        queue.settle();
        queue.take(1, stamp(1), 1, &mut list, &mut ended);
        assert!(queue.is_carrying(1));
        queue.shut(1);
        queue.let_go(1);
        assert!(queue.is_unfenced(1));

        // The last connection is about to be closed: until then, others can still come back beside
        // it, whose welcome fences nothing of this one.
        queue.shut(0);
        assert!(matches!(queue.pop_overdue(0, &mut stuck), Over::Nothing));
        assert!(stuck);

        queue.down();
        assert!(matches!(queue.pop_overdue(0, &mut stuck), Over::Work(_)));
        assert!(queue.in_flight() == 0);
        assert!(queue.is_indebted());
        queue.open(0, stamp(2), WINDOW, Resend::Session);
        assert!(!queue.is_indebted());
        Ok(())
    }

    #[test]
    fn nothing_ends_a_removal() -> Result {
        let mut queue = Queue::new()?;

        queue.kill(BlockStatus::Offline);
        queue.open(0, stamp(1), WINDOW, Resend::Session);
        assert!(queue.is_dead());
        assert!(queue.hold().is_none());
        assert!(!queue.resume());
        assert!(queue.is_dead());
        Ok(())
    }
}
