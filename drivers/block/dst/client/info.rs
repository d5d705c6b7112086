// SPDX-License-Identifier: GPL-2.0

//! What a storage tells about itself.

use super::{
    config::{
        KeysInfo,
        StorageInfo, //
    },
    storage::Storage,
    waits::Waits, //
};
use crate::{
    abstractions::memory::NoIoScope,
    histogram::Timings, //
};
use kernel::{
    prelude::*,
    str::CString, //
};

impl Storage {
    /// Returns what there is to know about it now. Process context.
    pub(crate) fn info(&self) -> Result<StorageInfo> {
        // Memory must not be waited for with locks that a keeper needs to get some written back.
        let _noio = NoIoScope::new();
        let (device, openers) = match &*self.disk.lock() {
            Some(disk) => (Some(disk.device_number()), disk.openers()),
            None => (None, 0),
        };
        let route = self.route();
        let in_flight = self.queue.lock().in_flight();
        let status = self.status.lock();
        let error = match &status.error {
            Some(error) => Some(CString::try_from(&**error)?),
            None => None,
        };

        Ok(StorageInfo {
            state: status.state(),
            state_ms: u64::try_from(status.since.elapsed().as_millis()).unwrap_or(0),
            device,
            openers,
            geometry: status.geometry,
            uuid: status.uuid,
            connections: self.connections(),
            live: self.live(),
            draining: status.drains.left(),
            policy: self.policy(),
            peer: status.peer.clone(),
            session: status.session,
            stamp: status.stamp,
            protocol: status.protocol,
            window: status.window,
            keepalive: status.keepalive,
            error,
            keys: route.keys.as_ref().map(|keys| KeysInfo {
                public: *keys.own.public(),
                server: keys.server,
                has_psk: keys.psk.is_some(),
                suite: status.suite.or(keys.suite),
            }),
            totals: self.counters.totals(),
            in_flight,
        })
    }

    /// Returns how long operations have taken, from when they came until they ended.
    pub(crate) fn timings(&self) -> &Timings {
        &self.counters.timings
    }

    /// Returns how connections have waited for the server to have room, until now.
    pub(crate) fn waits(&self) -> Waits {
        self.queue.lock().waits()
    }

    /// Returns how long ago it was added, in nanoseconds.
    pub(crate) fn age_ns(&self) -> u64 {
        self.clock.nanoseconds()
    }
}
