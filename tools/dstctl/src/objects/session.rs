// SPDX-License-Identifier: GPL-2.0

//! A session as the kernel tells it.

use super::{
    Access,
    Counters,
    Event,
    SessionState, //
};
use crate::address::Address;
use crate::netlink::{
    Malformed,
    Reader, //
};
use crate::uapi::session as attr;
use dst_proto::secret::PublicKey;
use serde::Serialize;
use uuid::Uuid;

/// A client that is attached to an export. What the kernel did not tell is [`None`].
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Session {
    /// Name of the export.
    pub export: String,
    /// What happened to it, in notifications.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<Event>,
    /// Its identity.
    pub id: Option<Uuid>,
    /// Host name that the client gave.
    pub client: Option<String>,
    /// Where its newest connection comes from.
    pub peer: Option<Address>,
    /// Public key of the client, in base64, if the export has keys.
    pub key: Option<String>,
    /// What it is doing.
    pub state: Option<SessionState>,
    /// What it may do.
    pub access: Option<Access>,
    /// Its epoch.
    pub epoch: Option<u32>,
    /// Its connections.
    pub connections: Option<u32>,
    /// Pages that it may have in flight.
    pub window: Option<u32>,
    /// Milliseconds since it began.
    pub age_ms: Option<u64>,
    /// What was done for it.
    pub counters: Option<Counters>,
}

impl Session {
    /// Reads a session from its attributes.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if one of them is not what it should be.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut session = Self::default();

        for attribute in Reader::new(bytes) {
            let a = attribute?;

            match a.kind {
                attr::EXPORT => session.export = a.string(),
                attr::ID => session.id = Some(Uuid::from_bytes(a.array()?)),
                attr::EVENT => session.event = Some(a.u32()?.into()),
                attr::KEY => session.key = Some(PublicKey(a.array()?).to_string()),
                attr::STATE => session.state = Some(a.u32()?.into()),
                attr::PEER => session.peer = Some(Address::from_bytes(a.value)?),
                attr::CLIENT => session.client = Some(a.string()),
                attr::ACCESS => session.access = Some(a.u32()?.into()),
                attr::EPOCH => session.epoch = Some(a.u32()?),
                attr::CONNECTIONS => session.connections = Some(a.u32()?),
                attr::WINDOW => session.window = Some(a.u32()?),
                attr::AGE_MS => session.age_ms = Some(a.number()?),
                attr::COUNTERS => session.counters = Some(Counters::parse(a.nested())?),
                _ => {}
            }
        }
        Ok(session)
    }
}
