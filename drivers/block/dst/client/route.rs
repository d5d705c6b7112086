// SPDX-License-Identifier: GPL-2.0

//! Where a storage finds its server, and by which keys the two know each other.

use super::config::{
    Keys,
    KeysChange, //
};
use crate::{
    abstractions::{
        address::Address,
        errno, //
    },
    control::{
        refusal,
        Refusal, //
    },
    crypto::keys::PskChange,
    proto::suite::Suites,
    wire::{
        cipher::Ciphers,
        digest::Method, //
    }, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// The way to the server. It does not change: whoever changes something puts another one in its
/// place, so that nobody connects to one server with the keys that are for another.
pub(crate) struct Route {
    /// Where the server listens, at least one address.
    pub(super) addresses: Arc<KVec<Address>>,
    /// [`None`] if connections are not sealed.
    pub(super) keys: Option<Arc<Keys>>,
}

impl Route {
    /// Returns whether the client is somebody else to the server on `other`.
    pub(super) fn is_of_another(&self, other: &Self) -> bool {
        let owner = |route: &Self| route.keys.as_ref().map(|keys| *keys.own.public());

        owner(self) != owner(other)
    }
}

impl KeysChange {
    /// Returns whether nothing is to be changed.
    pub(crate) fn is_empty(&self) -> bool {
        self.own.is_none()
            && self.server.is_none()
            && self.suite.is_none()
            && matches!(self.psk, PskChange::Keep)
    }

    /// Returns what becomes of the keys `now` of a storage with this `digest`, if it has one. Process
    /// context; sleeps, and may load modules.
    ///
    /// # Errors
    ///
    /// `EINVAL` if that is not enough to seal connections, or there is a digest, `EOPNOTSUPP` if
    /// there is no cipher, `ENOMEM` if there is no memory.
    pub(crate) fn apply(
        self,
        now: Option<&Arc<Keys>>,
        digest: Option<&Method>,
    ) -> refusal::Result<Option<Arc<Keys>>> {
        if self.is_empty() {
            return Ok(now.cloned());
        }
        if digest.is_some() {
            return Err(Refusal::new(
                EINVAL,
                fmt!("Sealed connections find all damage: use keys or a digest, not both"),
            ));
        }

        let missing = |what| {
            Refusal::new(
                EINVAL,
                fmt!("{what} is missing: sealed connections need key-fd and server-key"),
            )
        };
        let own = self
            .own
            .or_else(|| now.map(|now| now.own.clone()))
            .ok_or_else(|| missing("key-fd"))?;
        let server = self
            .server
            .or_else(|| now.map(|now| now.server))
            .ok_or_else(|| missing("server-key"))?;
        let suite = match self.suite {
            None => now.and_then(|now| now.suite),
            Some(suite) => suite,
        };
        let ciphers = Ciphers::load(suite.map_or(Suites::ALL, Suites::only))?;

        if ciphers.suites().is_empty() {
            return Err(Refusal::new(
                errno::EOPNOTSUPP.into(),
                fmt!("This kernel was built without the cipher"),
            ));
        }

        let keys = Keys {
            own,
            server,
            psk: self.psk.apply(now.and_then(|now| now.psk.clone())),
            suite,
            ciphers,
        };

        Ok(Some(Arc::new(keys, GFP_KERNEL)?))
    }
}
