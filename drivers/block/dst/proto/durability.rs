// SPDX-License-Identifier: GPL-2.0

//! What a client knows about writes that were acknowledged but may still be in a volatile cache.
//!
//! A server that restarted may have lost them, and nobody can write them again: the client does not
//! have the data any more. It must not be silent about that, so the next flush fails, once.

/// Which writes are durable for all the client knows.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Durability {
    /// Writes that were acknowledged.
    acked: u64,
    /// Of these, in their order, the ones that a flush has made durable.
    flushed: u64,
    /// The next flush has to fail.
    lost: bool,
}

/// The writes that a flush covers: those that were acknowledged before it was sent.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Mark(u64);

impl Durability {
    /// A write that need not be durable was acknowledged.
    #[inline]
    pub fn acknowledged(&mut self) {
        self.acked = self.acked.wrapping_add(1);
    }

    /// A flush is sent, now.
    #[inline]
    pub fn flush_sent(&self) -> Mark {
        Mark(self.acked)
    }

    /// The flush that was sent at `mark` succeeded on the server; returns whether it did for the
    /// client, too.
    pub fn flush_done(&mut self, mark: Mark) -> bool {
        self.flushed = self.flushed.max(mark.0);
        !core::mem::take(&mut self.lost)
    }

    /// A flush that nobody but this side asked for, sent at `mark`, succeeded on the server. An
    /// error that is due stays due.
    #[inline]
    pub fn settled(&mut self, mark: Mark) {
        self.flushed = self.flushed.max(mark.0);
    }

    /// A flush that nobody but this side asked for failed. Who relies on what was acknowledged has
    /// not been told, so the next flush fails, too: a disk may say only once that it has lost
    /// something.
    #[inline]
    pub fn unsettled(&mut self) {
        self.lost = true;
    }

    /// The server was restarted, and had a volatile cache; returns whether writes may be lost.
    pub fn restarted(&mut self) -> bool {
        let lost = self.acked != self.flushed;

        self.lost |= lost;
        self.flushed = self.acked;
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_after_unflushed_writes_fails_the_next_flush_once() {
        let mut state = Durability::default();

        state.acknowledged();
        assert!(state.restarted());
        assert!(!state.flush_done(state.flush_sent()));
        assert!(state.flush_done(state.flush_sent()));
    }

    #[test]
    fn a_restart_after_a_flush_is_harmless() {
        let mut state = Durability::default();

        state.acknowledged();
        assert!(state.flush_done(state.flush_sent()));
        assert!(!state.restarted());
        assert!(state.flush_done(state.flush_sent()));
    }

    #[test]
    fn a_flush_does_not_cover_writes_acknowledged_after_it_was_sent() {
        let mut state = Durability::default();

        state.acknowledged();
        let mark = state.flush_sent();
        state.acknowledged();
        assert!(state.flush_done(mark));
        assert!(state.restarted());
    }

    #[test]
    fn a_flush_that_was_under_way_during_the_restart_fails() {
        let mut state = Durability::default();

        state.acknowledged();
        let _before = state.flush_sent();
        assert!(state.restarted());
        // It is sent again in the new epoch.
        let again = state.flush_sent();
        assert!(!state.flush_done(again));
    }

    #[test]
    fn a_flush_of_its_own_makes_durable_and_hides_nothing() {
        let mut state = Durability::default();

        state.acknowledged();
        state.settled(state.flush_sent());
        assert!(!state.restarted());

        state.acknowledged();
        assert!(state.restarted());
        state.settled(state.flush_sent());
        assert!(!state.flush_done(state.flush_sent()));
    }

    #[test]
    fn a_flush_of_its_own_that_fails_fails_the_next_one_once() {
        let mut state = Durability::default();

        state.acknowledged();
        state.unsettled();
        assert!(!state.flush_done(state.flush_sent()));
        assert!(state.flush_done(state.flush_sent()));
    }

    #[test]
    fn two_restarts_before_a_flush_are_one_error() {
        let mut state = Durability::default();

        state.acknowledged();
        assert!(state.restarted());
        assert!(!state.restarted());
        assert!(!state.flush_done(state.flush_sent()));
        assert!(state.flush_done(state.flush_sent()));
    }
}
