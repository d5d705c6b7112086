// SPDX-License-Identifier: GPL-2.0

//! Connections that are closed on this side, and not yet on the other.
//!
//! What a client was told last, and that it was the last, is sent again by the network until the
//! client has acknowledged it, but only as long as the socket is there. So it is kept for a moment.

use kernel::{
    new_mutex,
    prelude::*,
    sync::Mutex, //
};

use crate::abstractions::{
    namespace::Namespace,
    socket::Socket, //
};

/// Milliseconds that a client gets to acknowledge what it was told.
const PARTING_MS: u64 = 2_000;

/// Sockets that are kept at the same time.
const MAX_PARTING: usize = 256;

/// A socket that was shut down.
struct Parted {
    socket: Socket,
    /// When it is dropped at the latest.
    until: u64,
}

/// What is under the lock of [`Parting`].
struct Inner {
    /// The oldest first.
    sockets: KVec<Parted>,
    /// No more are taken.
    closed: bool,
}

/// The sockets of connections that are closed on this side.
#[pin_data]
pub(super) struct Parting {
    #[pin]
    inner: Mutex<Inner>,
}

impl Parting {
    /// No sockets.
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            inner <- new_mutex!(
                Inner {
                    sockets: KVec::new(),
                    closed: false,
                },
                "Parting::inner"
            ),
        })
    }

    /// Shuts `socket` down, and drops it when the client has acknowledged that, or after a while.
    /// If there are too many of them, the oldest goes. Process context.
    pub(super) fn add(&self, mut socket: Socket, now: u64) {
        socket.clear_events();
        socket.shutdown();
        if socket.is_settled() {
            return;
        }

        let parted = Parted {
            socket,
            until: now.saturating_add(PARTING_MS),
        };
        let mut inner = self.inner.lock();
        let oldest = match inner.sockets.len() >= MAX_PARTING {
            true => inner.sockets.remove(0).ok(),
            false => None,
        };

        // What there is no memory for is dropped at once.
        if !inner.closed && inner.sockets.reserve(1, GFP_NOWAIT).is_ok() {
            let _ = inner.sockets.push_within_capacity(parted);
        }
        drop(inner);
        drop(oldest);
    }

    /// Drops the sockets that need not be kept any more at the time `now`. Process context.
    pub(super) fn tick(&self, now: u64) {
        self.retain(|parted| parted.until > now && !parted.socket.is_settled());
    }

    /// Drops the sockets in `net`. Process context.
    pub(super) fn clear(&self, net: &Namespace) {
        self.retain(|parted| parted.socket.namespace() != net);
    }

    /// Drops all sockets, now and from now on. Process context.
    pub(super) fn close(&self) {
        self.inner.lock().closed = true;
        self.retain(|_| false);
    }

    /// Drops the sockets that are not `wanted`.
    fn retain(&self, wanted: impl Fn(&Parted) -> bool) {
        self.inner.lock().sockets.retain(|parted| wanted(parted));
    }
}
