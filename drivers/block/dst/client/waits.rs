// SPDX-License-Identifier: GPL-2.0

//! How connections wait for credits.

use kernel::time::{
    Instant,
    Monotonic, //
};

/// How often, and for how long in all, connections had something to send for which the server had
/// no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Waits {
    /// How often one had to wait.
    pub(crate) times: u64,
    /// Nanoseconds in all, those of each connection added up.
    pub(crate) nanoseconds: u64,
}

impl Waits {
    /// Notes that a connection has to wait, which it may do already `since` some time.
    pub(super) fn begin(&mut self, since: &mut Option<Instant<Monotonic>>) {
        if since.is_none() {
            *since = Some(Instant::now());
            self.times += 1;
        }
    }

    /// Notes that a connection, which may have waited `since` some time, does not wait any more.
    pub(super) fn end(&mut self, since: &mut Option<Instant<Monotonic>>) {
        if let Some(begun) = since.take() {
            self.nanoseconds += begun.elapsed().as_nanos().unsigned_abs();
        }
    }
}
