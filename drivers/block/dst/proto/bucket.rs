// SPDX-License-Identifier: GPL-2.0

//! Token buckets: so many at once, and so many per second in the long run.

/// Parts of a token that a bucket counts in: with one per millisecond, it gains as many as its rate
/// has tokens per second.
const PARTS: u64 = 1_000;

/// How fast a bucket fills, and how much it holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rate {
    /// Tokens that are added in a second.
    pub per_second: u32,
    /// The most that there can be.
    pub burst: u32,
}

/// A bucket of tokens. Times are in milliseconds of one clock.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Bucket {
    /// Parts of tokens that are missing in a full one. A new one is full, whatever its rate is.
    missing: u64,
    /// When that was so.
    at: u64,
}

impl Bucket {
    /// A full one.
    #[inline]
    pub const fn new() -> Self {
        Self { missing: 0, at: 0 }
    }

    /// Takes a token at the time `now` if there is one. A clock that goes backwards adds nothing.
    #[must_use]
    pub fn take(&mut self, rate: Rate, now: u64) -> bool {
        let missing = self.missing_at(rate, now);
        let after = missing.saturating_add(PARTS);

        if after > u64::from(rate.burst).saturating_mul(PARTS) {
            return false;
        }
        self.missing = after;
        self.at = self.at.max(now);
        true
    }

    /// Returns whether it is full at the time `now`, so that a new one would be the same.
    #[inline]
    pub fn is_full(&self, rate: Rate, now: u64) -> bool {
        self.missing_at(rate, now) == 0
    }

    /// What is missing at the time `now`.
    fn missing_at(&self, rate: Rate, now: u64) -> u64 {
        let gained = now
            .saturating_sub(self.at)
            .saturating_mul(rate.per_second.into());

        self.missing.saturating_sub(gained)
    }
}
