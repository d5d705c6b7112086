// SPDX-License-Identifier: GPL-2.0

//! Buckets of times: how often something took about so long.
//!
//! The buckets are the same everywhere, so that counts of different places and times can be added
//! and subtracted. Each power of two is divided into [`PARTS`] buckets of the same width, so that a
//! bucket is never wider than an eighth of what it begins with. What takes less than a microsecond
//! is in the first bucket, what takes more than a minute in the last one.

/// Bits of a time, behind the highest one, that say in which part of a power of two it is.
const PART_BITS: u32 = 3;

/// Buckets for each power of two.
pub const PARTS: usize = 1 << PART_BITS;

/// Times below two to this power, in nanoseconds, are in the first bucket.
const LOWEST: u32 = 10;

/// Times of two to this power or more, in nanoseconds, are in the last bucket.
const HIGHEST: u32 = 36;

/// How many buckets there are.
pub const BUCKETS: usize = 2 + (HIGHEST - LOWEST) as usize * PARTS;

/// One of the buckets.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Bucket(u8);

impl Bucket {
    /// The bucket that `nanoseconds` are in.
    #[inline]
    pub const fn of(nanoseconds: u64) -> Self {
        if nanoseconds < 1 << LOWEST {
            return Self(0);
        }
        if nanoseconds >= 1 << HIGHEST {
            return Self((BUCKETS - 1) as u8);
        }

        // From `LOWEST` up to one less than `HIGHEST`, so nothing here overflows.
        let power = nanoseconds.ilog2();
        let powers = power.wrapping_sub(LOWEST) as usize;
        // With the highest bit, which makes `PARTS` and stands for the bucket in front.
        let part = nanoseconds.wrapping_shr(power.wrapping_sub(PART_BITS)) as usize;
        let index = powers.wrapping_mul(PARTS).wrapping_add(part);

        Self(index.wrapping_sub(PARTS - 1) as u8)
    }

    /// All of them, the shortest times first.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..BUCKETS).map(|index| Self(index as u8))
    }

    /// Its place among all of them, less than [`BUCKETS`].
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The shortest time that is in it, in nanoseconds.
    #[inline]
    pub const fn from(self) -> u64 {
        match self.index().checked_sub(1) {
            None => 0,
            Some(above) => {
                let powers = (above / PARTS) as u32;
                let part = PARTS.wrapping_add(above % PARTS) as u64;

                // Less than 2 to the power of `HIGHEST`, or that in the last one.
                part.wrapping_shl((LOWEST - PART_BITS).wrapping_add(powers))
            }
        }
    }

    /// The longest time that is in it, in nanoseconds.
    #[inline]
    pub const fn to(self) -> u64 {
        let next = Self(self.0.saturating_add(1));

        match next.index() < BUCKETS {
            true => next.from().saturating_sub(1),
            false => u64::MAX,
        }
    }
}
