// SPDX-License-Identifier: GPL-2.0

//! A storage as the kernel tells it.

use super::{
    Access,
    Counters,
    Event,
    StorageState,
    Suite, //
};
use crate::address::Address;
use crate::netlink::{
    Malformed,
    Reader, //
};
use crate::uapi::storage as attr;
use dst_proto::secret::PublicKey;
use serde::Serialize;
use uuid::Uuid;

/// A storage. What the kernel did not tell is [`None`].
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Storage {
    /// Its name.
    pub name: String,
    /// What happened to it, in notifications.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<Event>,
    /// Path of its block device.
    pub device: Option<String>,
    /// What it is doing.
    pub state: Option<StorageState>,
    /// Milliseconds since it does so.
    pub state_ms: Option<u64>,
    /// Size in bytes.
    pub size: Option<u64>,
    /// What it asks the server for.
    pub access: Option<Access>,
    /// What the server lets it do.
    pub granted: Option<Access>,
    /// Addresses of the server.
    pub addresses: Vec<Address>,
    /// Address of the server that was tried last.
    pub peer: Option<Address>,
    /// Name of the export.
    pub export: Option<String>,
    /// Identity of the export.
    pub uuid: Option<Uuid>,
    /// Connections wanted.
    pub connections: Option<u32>,
    /// Connections that carry requests.
    pub connected: Option<u32>,
    /// Requests that the server has to complete before others are sent again, 0 if there are none.
    pub draining: Option<u32>,
    /// Milliseconds without a connection after which I/O fails, 0 if it never does.
    pub fail_after_ms: Option<u32>,
    /// Milliseconds that a request may take, 0 if it may take as long as it likes.
    pub io_timeout_ms: Option<u32>,
    /// Digest that data has on its way.
    pub digest: Option<String>,
    /// Its public key, in base64, if its connections are sealed.
    pub public_key: Option<String>,
    /// Public key of the server, in base64.
    pub server_key: Option<String>,
    /// Whether there is a preshared key.
    pub psk: bool,
    /// What the last connection was sealed with, or connections are to be sealed with.
    pub suite: Option<Suite>,
    /// Identity of the session.
    pub session: Option<Uuid>,
    /// Epoch of the session.
    pub epoch: Option<u32>,
    /// Generation of the connection that was tried last.
    pub generation: Option<u32>,
    /// Version of the wire protocol.
    pub protocol: Option<u32>,
    /// Pages of 4 KiB that may be in flight.
    pub window: Option<u32>,
    /// Milliseconds of silence after which a connection is given up.
    pub keepalive_ms: Option<u32>,
    /// Size of a logical block in bytes.
    pub logical_block: Option<u32>,
    /// Size of a physical block in bytes.
    pub physical_block: Option<u32>,
    /// Major number of the block device.
    pub major: Option<u32>,
    /// Minor number of the block device.
    pub minor: Option<u32>,
    /// How often the block device is open.
    pub openers: Option<u32>,
    /// What went wrong last.
    pub error: Option<String>,
    /// What it has done.
    pub counters: Option<Counters>,
}

impl Storage {
    /// Reads a storage from its attributes.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if one of them is not what it should be.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut storage = Self::default();

        for attribute in Reader::new(bytes) {
            let a = attribute?;

            match a.kind {
                attr::NAME => storage.name = a.string(),
                attr::ADDRESS => storage.addresses.push(Address::from_bytes(a.value)?),
                attr::EXPORT => storage.export = Some(a.string()),
                attr::UUID => storage.uuid = Some(Uuid::from_bytes(a.array()?)),
                attr::ACCESS => storage.access = Some(a.u32()?.into()),
                attr::CONNECTIONS => storage.connections = Some(a.u32()?),
                attr::EVENT => storage.event = Some(a.u32()?.into()),
                attr::STATE => storage.state = Some(a.u32()?.into()),
                attr::STATE_MS => storage.state_ms = Some(a.number()?),
                attr::DEVICE => storage.device = Some(a.string()),
                attr::MAJOR => storage.major = Some(a.u32()?),
                attr::MINOR => storage.minor = Some(a.u32()?),
                attr::OPENERS => storage.openers = Some(a.u32()?),
                attr::SIZE => storage.size = Some(a.number()?),
                attr::LOGICAL_BLOCK => storage.logical_block = Some(a.u32()?),
                attr::PHYSICAL_BLOCK => storage.physical_block = Some(a.u32()?),
                attr::GRANTED => storage.granted = Some(a.u32()?.into()),
                attr::PEER => storage.peer = Some(Address::from_bytes(a.value)?),
                attr::CONNECTED => storage.connected = Some(a.u32()?),
                attr::DRAINING => storage.draining = Some(a.u32()?),
                attr::SESSION => storage.session = Some(Uuid::from_bytes(a.array()?)),
                attr::EPOCH => storage.epoch = Some(a.u32()?),
                attr::GENERATION => storage.generation = Some(a.u32()?),
                attr::PROTOCOL => storage.protocol = Some(a.u32()?),
                attr::WINDOW => storage.window = Some(a.u32()?),
                attr::KEEPALIVE => storage.keepalive_ms = Some(a.u32()?),
                attr::ERROR => storage.error = Some(a.string()),
                attr::FAIL_AFTER => storage.fail_after_ms = Some(a.u32()?),
                attr::IO_TIMEOUT => storage.io_timeout_ms = Some(a.u32()?),
                attr::DIGEST => storage.digest = Some(a.string()),
                attr::PUBLIC_KEY => {
                    storage.public_key = Some(PublicKey(a.array()?).to_string());
                }
                attr::SERVER_KEY => {
                    storage.server_key = Some(PublicKey(a.array()?).to_string());
                }
                attr::PSK => storage.psk = true,
                attr::SUITE => storage.suite = Some(a.u32()?.into()),
                attr::COUNTERS => storage.counters = Some(Counters::parse(a.nested())?),
                _ => {}
            }
        }
        Ok(storage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::Attributes;
    use crate::uapi;

    #[test]
    fn all_attributes_are_understood() {
        let address = Address::Ip("10.0.0.1:7770".parse().unwrap());
        let mut counters = Attributes::new();
        let mut all = Attributes::new();

        counters
            .u32(uapi::counters::READS, 3)
            .bytes(uapi::counters::BYTES_READ, &(1_u64 << 40).to_ne_bytes());
        all.string(attr::NAME, "disk")
            .bytes(attr::ADDRESS, &address.to_bytes())
            .bytes(attr::ADDRESS, &address.to_bytes())
            .bytes(attr::UUID, &[7; 16])
            .u32(attr::STATE, uapi::storage_state::DRAINING)
            .u32(attr::DRAINING, 3)
            .u32(attr::SIZE, 4096)
            .u32(attr::GRANTED, uapi::access::READ_ONLY)
            .u32(attr::FAIL_AFTER, 30_000)
            .u32(attr::IO_TIMEOUT, 0)
            .string(attr::DIGEST, "sha256")
            .nest(attr::COUNTERS, &counters)
            .u32(999, 1);

        let storage = Storage::parse(all.as_bytes()).unwrap();

        assert_eq!(storage.name, "disk");
        assert_eq!(storage.addresses, [address.clone(), address]);
        assert_eq!(storage.uuid, Some(Uuid::from_bytes([7; 16])));
        assert_eq!(storage.state, Some(StorageState::Draining));
        assert_eq!(storage.draining, Some(3));
        assert_eq!(storage.size, Some(4096));
        assert_eq!(storage.granted, Some(Access::ReadOnly));
        assert_eq!(storage.device, None);
        assert_eq!(storage.fail_after_ms, Some(30_000));
        assert_eq!(storage.io_timeout_ms, Some(0));
        assert_eq!(storage.digest.as_deref(), Some("sha256"));
        let counters = storage.counters.unwrap();
        assert_eq!((counters.reads, counters.bytes_read), (3, 1 << 40));
    }

    #[test]
    fn wrong_lengths_are_refused() {
        for (kind, value) in [
            (attr::UUID, &[1; 15][..]),
            (attr::STATE, &[1; 3]),
            (attr::PEER, &[1]),
            (attr::COUNTERS, &[1, 2, 3]),
        ] {
            let mut all = Attributes::new();

            all.bytes(kind, value);
            assert!(Storage::parse(all.as_bytes()).is_err(), "{kind}");
        }
    }
}
