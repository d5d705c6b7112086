// SPDX-License-Identifier: GPL-2.0

//! What the server in a network namespace seals connections with.

use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    }, //
};

use crate::{
    crypto::keys::KeyPair,
    proto::suite::Suite,
    wire::cipher::Ciphers, //
};

/// What a server needs to seal connections.
pub(super) struct Identity {
    /// What shows who it is.
    pub(super) keys: Arc<KeyPair>,
    /// The ciphers that it can use.
    pub(super) ciphers: Ciphers,
}

/// What is set.
#[derive(Default)]
struct Inner {
    identity: Option<Arc<Identity>>,
    suite: Option<Suite>,
}

/// See the module's documentation. All functions are for process context.
#[pin_data]
pub(super) struct Settings {
    #[pin]
    inner: Mutex<Inner>,
}

impl Settings {
    /// Returns those of a server that has no keys, and would seal with anything.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is not enough memory.
    pub(super) fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                inner <- new_mutex!(Inner::default(), "Settings::inner"),
            }),
            GFP_KERNEL,
        )
    }

    /// Returns what connections are sealed with, if there is something.
    pub(super) fn identity(&self) -> Option<Arc<Identity>> {
        self.inner.lock().identity.clone()
    }

    /// Returns the only suite that connections are sealed with, if not any will do.
    pub(super) fn suite(&self) -> Option<Suite> {
        self.inner.lock().suite
    }

    /// Sets both at once for the handshakes from now on; [`None`] stays as it is.
    pub(super) fn set(&self, identity: Option<Arc<Identity>>, suite: Option<Option<Suite>>) {
        let mut inner = self.inner.lock();
        let old = match identity {
            Some(identity) => inner.identity.replace(identity),
            None => None,
        };

        inner.suite = suite.unwrap_or(inner.suite);
        drop(inner);
        drop(old);
    }
}
