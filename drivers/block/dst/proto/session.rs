// SPDX-License-Identifier: GPL-2.0

//! The client's side of a session: which stamp a connection gets, and what may be sent again.
//!
//! While some connection is live, a broken one comes back in the same epoch with a higher
//! generation, and its welcome says that the requests of that connection are fenced. When none is
//! left, the first to come back raises the epoch, and its welcome says that all requests of the
//! session are fenced; the others wait for it.

use super::units::{
    Epoch,
    Generation,
    SessionId,
    Stamp, //
};

/// Where a session stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Phase {
    /// No connection is live or about to be.
    Down,
    /// One connection carries the hello of a new epoch; the others have to wait.
    Establishing,
    /// So many connections are live, at least one.
    Up {
        /// How many.
        live: u16,
    },
    /// The storage goes away; nothing begins any more.
    Closed,
}

/// What a connection that wants to begin has to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Start {
    /// Send a hello with this stamp.
    Hello(Stamp),
    /// Wait until the connection that raised the epoch is welcomed or has failed.
    Wait,
    /// Give up: the session is closed.
    Closed,
    /// Epochs or generations are used up: the session needs a new identity.
    Exhausted,
}

/// What the server has confirmed to be fenced, and what therefore may be sent again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Resend {
    /// Everything of the session that is not done.
    Session,
    /// What was sent over the earlier generations of this connection.
    Connection,
}

/// What happened belongs to an attempt that is over; nothing was changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Outdated;

/// A session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Session {
    /// Identity.
    id: SessionId,
    /// Epoch of the last hello.
    epoch: Epoch,
    /// Where it stands.
    phase: Phase,
}

impl Session {
    /// A session that was never established. `id` has to be random.
    #[inline]
    pub fn new(id: SessionId) -> Self {
        Self {
            id,
            epoch: Epoch::default(),
            phase: Phase::Down,
        }
    }

    /// The identity.
    #[inline]
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Gives the session another identity, `id`, which has to be random: to the server it is another
    /// session then. Returns whether that was possible; it is as long as no connection is live or
    /// about to be. Epochs go on as before, so that nothing of the old session fits.
    pub fn rename(&mut self, id: SessionId) -> bool {
        let is_down = self.phase == Phase::Down;

        if is_down {
            self.id = id;
        }
        is_down
    }

    /// The epoch of the last hello; 0 if there was none.
    #[inline]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Where it stands.
    #[inline]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether some connection is live.
    #[inline]
    pub fn is_up(&self) -> bool {
        matches!(self.phase, Phase::Up { .. })
    }

    /// A connection wants to begin; `last` is its last generation, 0 if it had none.
    ///
    /// The generation of a connection never falls, not even in a new epoch.
    pub fn start(&mut self, last: Generation) -> Start {
        let Some(generation) = last.next() else {
            return Start::Exhausted;
        };

        match self.phase {
            Phase::Closed => return Start::Closed,
            Phase::Establishing => return Start::Wait,
            Phase::Up { .. } => (),
            Phase::Down => {
                let Some(epoch) = self.epoch.next() else {
                    return Start::Exhausted;
                };

                self.epoch = epoch;
                self.phase = Phase::Establishing;
            }
        }
        Start::Hello(Stamp {
            epoch: self.epoch,
            generation,
        })
    }

    /// The hello with this stamp was welcomed. Returns what may be sent again, which is the only
    /// permission to do so.
    ///
    /// # Errors
    ///
    /// [`Outdated`] if the session has moved on: the connection must be dropped.
    pub fn welcomed(&mut self, stamp: Stamp) -> Result<Resend, Outdated> {
        if stamp.epoch != self.epoch {
            return Err(Outdated);
        }
        match self.phase {
            Phase::Establishing => {
                self.phase = Phase::Up { live: 1 };
                Ok(Resend::Session)
            }
            Phase::Up { live } => {
                self.phase = Phase::Up {
                    live: live.saturating_add(1),
                };
                Ok(Resend::Connection)
            }
            Phase::Down | Phase::Closed => Err(Outdated),
        }
    }

    /// The hello with this stamp led to nothing.
    pub fn failed(&mut self, stamp: Stamp) {
        if stamp.epoch == self.epoch && self.phase == Phase::Establishing {
            self.phase = Phase::Down;
        }
    }

    /// A connection that was welcomed with this stamp is live no more.
    pub fn lost(&mut self, stamp: Stamp) {
        if stamp.epoch != self.epoch {
            return;
        }
        self.phase = match self.phase {
            Phase::Up { live } => match live.saturating_sub(1) {
                0 => Phase::Down,
                live => Phase::Up { live },
            },
            phase @ (Phase::Down | Phase::Establishing | Phase::Closed) => phase,
        };
    }

    /// The storage goes away.
    pub fn close(&mut self) {
        self.phase = Phase::Closed;
    }
}
