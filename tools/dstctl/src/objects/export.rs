// SPDX-License-Identifier: GPL-2.0

//! An export as the kernel tells it.

use super::{
    Access,
    Counters,
    Event,
    ExportState,
    Writers, //
};
use crate::address::Address;
use crate::netlink::{
    Attribute,
    Malformed,
    Reader, //
};
use crate::uapi::{
    export as attr,
    key as key_attr,
    rule as rule_attr, //
};
use dst_proto::secret::PublicKey;
use serde::Serialize;
use std::fmt;
use std::net::IpAddr;
use uuid::Uuid;

/// An access rule.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct ShownRule {
    /// The addresses it is for, as `ADDRESS/LENGTH`.
    pub prefix: String,
    /// What they may do.
    pub access: Access,
}

impl fmt::Display for ShownRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.prefix, self.access.short())
    }
}

/// A key that is let in.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct ShownKey {
    /// The public key, in base64.
    pub key: String,
    /// What its owner may do.
    pub access: Access,
    /// Whether its owner has to know a preshared key.
    pub psk: bool,
}

impl fmt::Display for ShownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.key, self.access.short())?;
        match self.psk {
            true => f.write_str(" and a preshared key"),
            false => Ok(()),
        }
    }
}

/// An export. What the kernel did not tell is [`None`].
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Export {
    /// Its name.
    pub name: String,
    /// What happened to it, in notifications.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<Event>,
    /// Path of the block device.
    pub device: Option<String>,
    /// What it is doing.
    pub state: Option<ExportState>,
    /// Size in bytes.
    pub size: Option<u64>,
    /// What clients may do at most.
    pub access: Option<Access>,
    /// How many sessions may write.
    pub writers: Option<Writers>,
    /// Whether others may have the device open.
    pub share_device: bool,
    /// Whether writes are durable when they are acknowledged.
    pub write_through: bool,
    /// Where it listens.
    pub listen: Vec<Address>,
    /// Who is let in by address.
    pub allow: Vec<ShownRule>,
    /// Whether nobody is let in without a key.
    pub keyed: bool,
    /// Who is let in by key.
    pub keys: Vec<ShownKey>,
    /// Identity of the data.
    pub uuid: Option<Uuid>,
    /// Pages that each session may have in flight.
    pub window: Option<u32>,
    /// Milliseconds after which a silent client is dropped.
    pub keepalive_ms: Option<u32>,
    /// Sessions it has.
    pub sessions: Option<u32>,
    /// Connections of all its sessions.
    pub connections: Option<u32>,
    /// Size of a logical block in bytes.
    pub logical_block: Option<u32>,
    /// Size of a physical block in bytes.
    pub physical_block: Option<u32>,
    /// Major number of the block device.
    pub major: Option<u32>,
    /// Minor number of the block device.
    pub minor: Option<u32>,
    /// What went wrong last.
    pub error: Option<String>,
    /// What it has done.
    pub counters: Option<Counters>,
}

impl Export {
    /// Reads an export from its attributes.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if one of them is not what it should be.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut export = Self::default();

        for attribute in Reader::new(bytes) {
            let a = attribute?;

            match a.kind {
                attr::NAME => export.name = a.string(),
                attr::DEVICE => export.device = Some(a.string()),
                attr::LISTEN => export.listen.push(Address::from_bytes(a.value)?),
                attr::ALLOW => export.allow.push(rule(a)?),
                attr::KEYED => export.keyed = true,
                attr::ALLOW_KEY => export.keys.push(key(a)?),
                attr::UUID => export.uuid = Some(Uuid::from_bytes(a.array()?)),
                attr::ACCESS => export.access = Some(a.u32()?.into()),
                attr::WRITERS => export.writers = Some(a.u32()?.into()),
                attr::SHARE_DEVICE => export.share_device = true,
                attr::WRITE_THROUGH => export.write_through = true,
                attr::WINDOW => export.window = Some(a.u32()?),
                attr::KEEPALIVE => export.keepalive_ms = Some(a.u32()?),
                attr::EVENT => export.event = Some(a.u32()?.into()),
                attr::STATE => export.state = Some(a.u32()?.into()),
                attr::MAJOR => export.major = Some(a.u32()?),
                attr::MINOR => export.minor = Some(a.u32()?),
                attr::SIZE => export.size = Some(a.number()?),
                attr::LOGICAL_BLOCK => export.logical_block = Some(a.u32()?),
                attr::PHYSICAL_BLOCK => export.physical_block = Some(a.u32()?),
                attr::SESSIONS => export.sessions = Some(a.u32()?),
                attr::CONNECTIONS => export.connections = Some(a.u32()?),
                attr::ERROR => export.error = Some(a.string()),
                attr::COUNTERS => export.counters = Some(Counters::parse(a.nested())?),
                _ => {}
            }
        }
        Ok(export)
    }
}

/// Reads an access rule.
fn rule(attribute: Attribute<'_>) -> Result<ShownRule, Malformed> {
    let mut address = None;
    let mut len = 0;
    let mut access = Access::Unknown(0);

    for attribute in attribute.nested() {
        let a = attribute?;

        match a.kind {
            rule_attr::ADDRESS if a.value.len() == 4 => {
                address = Some(IpAddr::from(a.array::<4>()?));
            }
            rule_attr::ADDRESS => address = Some(IpAddr::from(a.array::<16>()?)),
            rule_attr::PREFIX_LEN => len = a.u32()?,
            rule_attr::ACCESS => access = a.u32()?.into(),
            _ => {}
        }
    }
    Ok(ShownRule {
        prefix: match address {
            Some(address) => format!("{address}/{len}"),
            None => return Err(Malformed::new("access rule without an address")),
        },
        access,
    })
}

/// Reads a key that is let in.
fn key(attribute: Attribute<'_>) -> Result<ShownKey, Malformed> {
    let mut key = None;
    let mut access = Access::Unknown(0);
    let mut psk = false;

    for attribute in attribute.nested() {
        let a = attribute?;

        match a.kind {
            key_attr::PUBLIC => key = Some(PublicKey(a.array()?)),
            key_attr::ACCESS => access = a.u32()?.into(),
            key_attr::PSK => psk = true,
            _ => {}
        }
    }
    Ok(ShownKey {
        key: match key {
            Some(key) => key.to_string(),
            None => return Err(Malformed::new("key rule without a key")),
        },
        access,
        psk,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::Attributes;
    use crate::uapi;

    #[test]
    fn rules_and_flags_are_understood() {
        let mut v4 = Attributes::new();
        let mut v6 = Attributes::new();
        let mut all = Attributes::new();

        v4.u32(rule_attr::FAMILY, 2)
            .bytes(rule_attr::ADDRESS, &[10, 0, 0, 0])
            .u8(rule_attr::PREFIX_LEN, 8)
            .u32(rule_attr::ACCESS, uapi::access::READ_WRITE);
        v6.u32(rule_attr::FAMILY, 10)
            .bytes(rule_attr::ADDRESS, &[0; 16])
            .u8(rule_attr::PREFIX_LEN, 0)
            .u32(rule_attr::ACCESS, uapi::access::READ_ONLY);
        all.string(attr::NAME, "disk")
            .nest(attr::ALLOW, &v4)
            .nest(attr::ALLOW, &v6)
            .flag(attr::SHARE_DEVICE)
            .flag(attr::WRITE_THROUGH)
            .u32(attr::WRITERS, uapi::writers::SHARED);

        let export = Export::parse(all.as_bytes()).unwrap();
        let rules: Vec<_> = export.allow.iter().map(ToString::to_string).collect();

        assert_eq!(rules, ["10.0.0.0/8:rw", "::/0:ro"]);
        assert!(export.share_device);
        assert!(export.write_through);
        assert_eq!(export.writers, Some(Writers::Shared));
    }

    #[test]
    fn keys_are_understood() {
        let mut one = Attributes::new();
        let mut two = Attributes::new();
        let mut all = Attributes::new();
        let mut bad = Attributes::new();

        one.bytes(key_attr::PUBLIC, &[0xff; 32])
            .u32(key_attr::ACCESS, uapi::access::READ_WRITE)
            .flag(key_attr::PSK);
        two.bytes(key_attr::PUBLIC, &[0; 32])
            .u32(key_attr::ACCESS, uapi::access::READ_ONLY);
        all.flag(attr::KEYED)
            .nest(attr::ALLOW_KEY, &one)
            .nest(attr::ALLOW_KEY, &two);

        let export = Export::parse(all.as_bytes()).unwrap();
        let keys: Vec<_> = export.keys.iter().map(ToString::to_string).collect();

        assert!(export.keyed);
        assert_eq!(
            keys,
            [
                "//////////////////////////////////////////8=:rw and a preshared key",
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:ro",
            ]
        );
        bad.nest(attr::ALLOW_KEY, &Attributes::new());
        assert!(Export::parse(bad.as_bytes()).is_err());
    }

    #[test]
    fn a_rule_without_an_address_is_refused() {
        let mut rule = Attributes::new();
        let mut all = Attributes::new();

        rule.u8(rule_attr::PREFIX_LEN, 8);
        all.nest(attr::ALLOW, &rule);
        assert!(Export::parse(all.as_bytes()).is_err());
    }
}
