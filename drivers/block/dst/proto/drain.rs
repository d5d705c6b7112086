// SPDX-License-Identifier: GPL-2.0

//! The client's view of what its hellos wait for.

use super::negotiate::MAX_CONNECTIONS;
use super::units::{
    Epoch,
    Stamp, //
};

/// Requests that one hello waits for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Wait {
    /// Epoch of the hello; 0 if none waits.
    epoch: Epoch,
    /// How many the server said are left.
    left: u32,
}

/// Requests that a server still has to complete before it welcomes connections, as it says in
/// DRAINING frames.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Drains {
    waits: [Wait; MAX_CONNECTIONS as usize],
}

impl Drains {
    /// The connection `connection` has begun with `stamp` and is told that `left` requests are
    /// left.
    pub fn told(&mut self, connection: u16, stamp: Stamp, left: u32) {
        if let Some(wait) = self.waits.get_mut(usize::from(connection)) {
            *wait = Wait {
                epoch: stamp.epoch,
                left,
            };
        }
    }

    /// The connection `connection` does not wait any more: it is welcomed, or over.
    pub fn over(&mut self, connection: u16) {
        if let Some(wait) = self.waits.get_mut(usize::from(connection)) {
            *wait = Wait::default();
        }
    }

    /// How many requests are left, of all connections.
    ///
    /// In one epoch, no request holds up two of them: either one connection waits for what is left
    /// of older epochs and all others wait for that connection, or each waits for what its own
    /// predecessors have left. What an older epoch has left is waited for by the connection that
    /// has raised it, so those that still wait in that one do not count: they are not welcomed any
    /// more.
    pub fn left(&self) -> u32 {
        let newest = self.waits.iter().map(|wait| wait.epoch).max();

        self.waits
            .iter()
            .filter(|wait| Some(wait.epoch) == newest)
            .fold(0, |sum, wait| sum.saturating_add(wait.left))
    }
}
