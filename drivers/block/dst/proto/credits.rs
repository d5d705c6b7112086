// SPDX-License-Identifier: GPL-2.0

//! Credits: how much a client may have under way, and how a server bounds what it can be made to
//! hold.
//!
//! One credit is one page of the server's memory. The server grants a window when it welcomes a
//! connection; each request takes its cost from it, each reply gives some back. Both sides count,
//! and neither believes the other: a request beyond the window, or a reply that gives back more
//! than was taken, is a violation that costs the connection.

/// The window of connection `number` of a session that has said it would have `connections`, if the
/// export has `total` pages for a session, and the costliest request takes `largest`.
///
/// All have the same share, of one such request at least. More connections than were said get no
/// more than that.
pub fn share(total: u32, connections: u16, number: u16, largest: u32) -> u32 {
    match total.checked_div(connections.into()) {
        Some(share) if number < connections => share.max(largest),
        Some(_) | None => largest,
    }
}

/// The client's side of one connection.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Window {
    /// What was granted altogether.
    size: u32,
    /// What is left, never more than `size`.
    left: u32,
}

/// The peer gave back more credits than were taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Overflow;

impl Window {
    /// A window of which nothing is taken.
    #[inline]
    pub const fn new(size: u32) -> Self {
        Self { size, left: size }
    }

    /// What was granted altogether.
    #[inline]
    pub fn size(&self) -> u32 {
        self.size
    }

    /// What is left.
    #[inline]
    pub fn left(&self) -> u32 {
        self.left
    }

    /// Takes `cost`, or nothing if it is not there.
    #[inline]
    #[must_use]
    pub fn take(&mut self, cost: u32) -> bool {
        match self.left.checked_sub(cost) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }

    /// Takes back what a reply gives.
    ///
    /// # Errors
    ///
    /// [`Overflow`] if that is more than was taken; nothing was changed then.
    #[inline]
    pub fn give(&mut self, credits: u32) -> Result<(), Overflow> {
        match self.left.checked_add(credits) {
            Some(left) if left <= self.size => {
                self.left = left;
                Ok(())
            }
            Some(_) | None => Err(Overflow),
        }
    }
}

/// The server's side of one connection.
///
/// What was granted is either the client's to use, or held by requests that were accepted and not
/// given back yet. The sum never changes, so neither can ever exceed the grant.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Grant {
    /// What was granted altogether.
    size: u32,
    /// What accepted requests hold, never more than `size`.
    held: u32,
}

/// A request costs more than the client has left.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Exceeded;

impl Grant {
    /// A grant of which nothing is held.
    #[inline]
    pub const fn new(size: u32) -> Self {
        Self { size, held: 0 }
    }

    /// What was granted altogether.
    #[inline]
    pub fn size(&self) -> u32 {
        self.size
    }

    /// What accepted requests hold.
    #[inline]
    pub fn held(&self) -> u32 {
        self.held
    }

    /// What the client may still use.
    #[inline]
    pub fn left(&self) -> u32 {
        self.size.saturating_sub(self.held)
    }

    /// Accepts a request of this `cost`.
    ///
    /// # Errors
    ///
    /// [`Exceeded`] if the client has not that much left; nothing was changed then.
    #[inline]
    pub fn accept(&mut self, cost: u32) -> Result<(), Exceeded> {
        if cost > self.left() {
            return Err(Exceeded);
        }
        self.held = self.held.saturating_add(cost);
        Ok(())
    }

    /// Gives `credits` back; returns what the reply has to say, which is never more than is held.
    #[inline]
    #[must_use]
    pub fn release(&mut self, credits: u32) -> u32 {
        let given = credits.min(self.held);

        self.held = self.held.saturating_sub(given);
        given
    }
}
