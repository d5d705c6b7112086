// SPDX-License-Identifier: GPL-2.0

//! What tells who lists objects in several steps that there are others meanwhile.

use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    }, //
};

/// How many objects have come and gone in a network namespace.
///
/// Whoever changes a list notes it before others can take its lock. Whoever looks at the list asks for
/// the number before. So it is another one at the latest when one looks for the last time, if the list
/// has not always been the same.
pub(crate) struct Changes(Atomic<u32>);

impl Changes {
    /// None so far.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is not enough memory.
    pub(crate) fn new() -> Result<Arc<Self>> {
        Ok(Arc::new(Self(Atomic::new(0)), GFP_KERNEL)?)
    }

    /// Notes that an object comes or goes. The list that it is in has to be locked. Any context.
    pub(crate) fn note(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// Returns how many there were.
    pub(super) fn number(&self) -> u32 {
        self.0.load(Relaxed)
    }
}
