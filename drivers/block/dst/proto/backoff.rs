// SPDX-License-Identifier: GPL-2.0

//! How long to wait before the next attempt to connect.
//!
//! The first attempt after a loss is made at once. Later ones wait longer and longer, with some
//! chance in it, so that many clients do not come back to a restarted server all at the same time.

/// Longest wait after the first failure, in milliseconds.
const FIRST_MS: u32 = 100;

/// Longest wait ever, in milliseconds.
const LAST_MS: u32 = 5_000;

/// The waits between attempts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Backoff {
    /// Longest wait before the next attempt; 0 if it is the first one.
    ceiling: u32,
}

impl Backoff {
    /// No attempt has failed yet.
    #[inline]
    pub const fn new() -> Self {
        Self { ceiling: 0 }
    }

    /// Milliseconds to wait before the next attempt, given a `random` number.
    ///
    /// Between half of the longest wait and all of it; the longest wait doubles each time.
    pub fn next_ms(&mut self, random: u32) -> u32 {
        let ceiling = self.ceiling;
        let half = ceiling / 2;
        let spread = ceiling.saturating_sub(half).saturating_add(1);

        self.ceiling = ceiling.saturating_mul(2).clamp(FIRST_MS, LAST_MS);
        half.saturating_add(random.checked_rem(spread).unwrap_or(0))
    }

    /// An attempt was successful.
    #[inline]
    pub fn reset(&mut self) {
        self.ceiling = 0;
    }
}
