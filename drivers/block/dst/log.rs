// SPDX-License-Identifier: GPL-2.0

//! A clock, and what keeps the other side from filling the log.

use kernel::{
    new_mutex,
    prelude::*,
    sync::Mutex,
    time::{
        Instant,
        Monotonic, //
    }, //
};

/// Lines that may be written at once.
const BURST: u64 = 10;

/// Milliseconds after which there may be another one.
const INTERVAL: u64 = 500;

/// Milliseconds since whatever has it began to exist.
pub(crate) struct Clock(Instant<Monotonic>);

impl Clock {
    /// Starts a clock.
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }

    /// Returns the time.
    pub(crate) fn now(&self) -> u64 {
        self.0.elapsed().as_millis().unsigned_abs()
    }

    /// Returns the time in nanoseconds.
    pub(crate) fn nanoseconds(&self) -> u64 {
        self.0.elapsed().as_nanos().unsigned_abs()
    }
}

/// Decides which lines are written to the log.
#[pin_data]
pub(crate) struct Limiter {
    #[pin]
    bucket: Mutex<Bucket>,
}

/// A stock of lines that may be written, filled up as time goes by.
struct Bucket {
    /// Lines that may be written now.
    left: u64,
    /// Until when the stock was filled up.
    filled: u64,
}

impl Limiter {
    /// Returns one that lets the first lines pass.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            bucket <- new_mutex!(
                Bucket {
                    left: BURST,
                    filled: 0,
                },
                "Limiter::bucket"
            ),
        })
    }

    /// Returns whether a line may be written at the time `now`. Process context.
    pub(crate) fn allows(&self, now: u64) -> bool {
        let mut bucket = self.bucket.lock();
        let lines = now.saturating_sub(bucket.filled) / INTERVAL;

        if lines > 0 {
            bucket.left = bucket.left.saturating_add(lines).min(BURST);
            bucket.filled = now;
        }
        match bucket.left.checked_sub(1) {
            Some(left) => {
                bucket.left = left;
                true
            }
            None => false,
        }
    }
}
