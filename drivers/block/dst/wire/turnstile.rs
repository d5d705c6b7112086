// SPDX-License-Identifier: GPL-2.0

//! One at a time, and nobody waits.

use crate::abstractions::barrier;
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Full,
            Relaxed, //
        },
        lock::{
            Backend,
            Lock, //
        }, //
    }, //
};

/// Rounds that one visitor goes for others before it leaves the rest to somebody else.
const MAX_ROUNDS: usize = 8;

/// Something that everybody may want to be done, but only one can do at a time.
///
/// Who comes while another one is inside leaves at once, and the one inside goes another round. In
/// which context it may be entered depends on the lock.
#[pin_data]
pub(crate) struct Turnstile<T, B: Backend> {
    wanted: Atomic<bool>,
    #[pin]
    inside: Lock<T, B>,
}

impl<T: Unpin, B: Backend> Turnstile<T, B> {
    /// Creates a turnstile around the lock of what is needed inside.
    pub(crate) fn new(inside: impl PinInit<Lock<T, B>>) -> impl PinInit<Self> {
        pin_init!(Self {
            wanted: Atomic::new(false),
            inside <- inside,
        })
    }

    /// Has `work` done at least once from now on, by this caller or by the one that is inside.
    ///
    /// Returns whether there is still something to be done by somebody: this caller has done its
    /// share.
    #[must_use]
    pub(crate) fn enter(&self, mut work: impl FnMut(&mut T)) -> bool {
        self.wanted.xchg(true, Full);

        for _ in 0..MAX_ROUNDS {
            let Some(mut inside) = self.inside.try_lock() else {
                // Whoever is inside looks at `wanted` after it has left.
                return false;
            };
            self.wanted.xchg(false, Full);
            work(&mut inside);
            drop(inside);

            // Either this sees that somebody wanted something meanwhile, or he sees that nobody is
            // inside any more.
            barrier::smp_mb();
            if !self.wanted.load(Relaxed) {
                return false;
            }
        }
        true
    }

    /// Does `work` with nobody else inside; waits until that is so. Process context.
    pub(crate) fn alone<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        work(&mut self.inside.lock())
    }
}
