// SPDX-License-Identifier: GPL-2.0

//! When to ask for a sign of life, and when to give up.
//!
//! Every byte received is a sign of life, so that a slow peer is not taken for a dead one. Times
//! are milliseconds of a clock that does not jump.

use core::cell::Cell;

/// Milliseconds between two DRAINING frames at most.
pub const DRAINING_INTERVAL_MS: u32 = 1_000;

/// Milliseconds of silence during which a welcome is waited for.
pub const HELLO_TIMEOUT_MS: u32 = 10_000;

/// Which part of the interval may pass in silence before a PING.
const PING_DIVISOR: u32 = 3;

/// What is known about a connection's silence.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Silence {
    /// When something was received last.
    pub last_rx: u64,
    /// When something was sent last.
    pub last_tx: u64,
    /// Whether a PING is not answered yet.
    pub ping_pending: bool,
}

/// What to do now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// Nothing; ask again at this time.
    Wait(u64),
    /// Send a PING.
    Ping,
    /// Drop the connection: the peer is dead.
    Dead,
}

/// The rule for one connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Keepalive {
    /// Silence after which a peer is dead.
    interval_ms: u32,
    /// Whether this side asks. The other side only watches.
    asks: bool,
    /// When it last was time to ask. What was asked may not have been sent yet.
    asked: Cell<u64>,
}

impl Keepalive {
    /// The client's rule: ask and watch.
    #[inline]
    pub fn client(interval_ms: u32) -> Self {
        Self {
            interval_ms,
            asks: true,
            asked: Cell::new(0),
        }
    }

    /// The server's rule: watch.
    #[inline]
    pub fn server(interval_ms: u32) -> Self {
        Self {
            interval_ms,
            asks: false,
            asked: Cell::new(0),
        }
    }

    /// What to do at `now`.
    pub fn check(&self, now: u64, silence: Silence) -> Action {
        let dead_at = silence.last_rx.saturating_add(u64::from(self.interval_ms));

        if now >= dead_at {
            return Action::Dead;
        }
        if !self.asks {
            return Action::Wait(dead_at);
        }

        let since = match silence.ping_pending {
            // The answer may come behind data that takes long. The server, which is not waiting for
            // anything, must hear from the client meanwhile.
            true => silence.last_tx.max(self.asked.get()),
            // Silence in either direction: the server must hear from the client, too.
            false => silence.last_rx.min(silence.last_tx),
        };
        let quiet = u64::from(self.interval_ms / PING_DIVISOR);
        let ping_at = since.saturating_add(quiet);

        if now >= ping_at {
            self.asked.set(now);
            return Action::Ping;
        }
        Action::Wait(ping_at.min(dead_at))
    }
}
