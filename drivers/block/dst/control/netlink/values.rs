// SPDX-License-Identifier: GPL-2.0

//! Values that several kinds of objects have: how messages say them.

use super::super::{
    refusal::{
        Refusal,
        Result as Verdict, //
    },
    uapi, //
};
use crate::{
    abstractions::{
        address::{
            Address,
            Family, //
        },
        genetlink::{
            Power,
            Request, //
        },
        netlink::{
            Attribute,
            Message, //
        }, //
    },
    proto::{
        access::{
            self,
            Prefix,
            Rights,
            Rule, //
        },
        units::Uuid, //
    }, //
};
use core::net::IpAddr;
use kernel::{
    prelude::*,
    str::CString, //
};

/// What an object has done, in the form in which messages say it.
#[derive(Default)]
pub(super) struct Counters {
    pub(super) reads: u64,
    pub(super) writes: u64,
    pub(super) flushes: u64,
    pub(super) discards: u64,
    pub(super) write_zeroes: u64,
    pub(super) bytes_read: u64,
    pub(super) bytes_written: u64,
    pub(super) errors: u64,
    pub(super) protocol_errors: u64,
    pub(super) digest_errors: u64,
    pub(super) seal_errors: u64,
    pub(super) in_flight: u64,
    /// Pages sent again and connections made again, which only storages have.
    pub(super) again: Option<(u64, u64)>,
    /// Connections cut because their clients lost rights, which only exports have.
    pub(super) revoked: Option<u64>,
}

impl Counters {
    /// Adds the counters as a nest.
    pub(super) fn put(&self, message: &mut Message<'_>, kind: u32) -> Result {
        message.nest(kind, |nest| {
            nest.put_uint(uapi::DST_A_COUNTERS_READS, self.reads)?;
            nest.put_uint(uapi::DST_A_COUNTERS_WRITES, self.writes)?;
            nest.put_uint(uapi::DST_A_COUNTERS_FLUSHES, self.flushes)?;
            nest.put_uint(uapi::DST_A_COUNTERS_DISCARDS, self.discards)?;
            nest.put_uint(uapi::DST_A_COUNTERS_WRITE_ZEROES, self.write_zeroes)?;
            nest.put_uint(uapi::DST_A_COUNTERS_BYTES_READ, self.bytes_read)?;
            nest.put_uint(uapi::DST_A_COUNTERS_BYTES_WRITTEN, self.bytes_written)?;
            nest.put_uint(uapi::DST_A_COUNTERS_ERRORS, self.errors)?;
            if let Some((resent, reconnects)) = self.again {
                nest.put_uint(uapi::DST_A_COUNTERS_RESENT, resent)?;
                nest.put_uint(uapi::DST_A_COUNTERS_RECONNECTS, reconnects)?;
            }
            nest.put_uint(uapi::DST_A_COUNTERS_PROTOCOL_ERRORS, self.protocol_errors)?;
            nest.put_uint(uapi::DST_A_COUNTERS_IN_FLIGHT, self.in_flight)?;
            nest.put_uint(uapi::DST_A_COUNTERS_DIGEST_ERRORS, self.digest_errors)?;
            nest.put_uint(uapi::DST_A_COUNTERS_SEAL_ERRORS, self.seal_errors)?;
            if let Some(revoked) = self.revoked {
                nest.put_uint(uapi::DST_A_COUNTERS_REVOKED, revoked)?;
            }
            Ok(())
        })
    }
}

/// Returns attribute `kind`, or refuses the request because there is no `what` in it.
pub(super) fn require<'a>(request: &'a Request, kind: u32, what: &str) -> Verdict<Attribute<'a>> {
    request
        .require(kind)
        .map_err(|error| Refusal::new(error, fmt!("{} is missing", what)))
}

/// Refuses the request unless the caller has power over the machine, which it takes for `what`.
pub(super) fn require_power(request: &Request, what: &str) -> Verdict {
    match request.has(Power::SystemAdministration) {
        true => Ok(()),
        false => Err(Refusal::new(
            EPERM,
            fmt!("{what} takes CAP_SYS_ADMIN of the machine"),
        )),
    }
}

/// Returns a name or a path.
pub(super) fn text<'a>(attribute: &Attribute<'a>) -> Verdict<&'a str> {
    attribute
        .str()
        .map_err(|error| Refusal::new(error, fmt!("A name or a path is not text")))
}

/// Returns a name or a path that can be kept.
pub(super) fn string(attribute: &Attribute<'_>) -> Verdict<CString> {
    Ok(CString::try_from_fmt(fmt!("{}", text(attribute)?))?)
}

/// Returns an identity.
pub(super) fn uuid(attribute: &Attribute<'_>) -> Verdict<Uuid> {
    let uuid = Uuid(attribute.array()?);

    if uuid.is_any() {
        return Err(Refusal::new(EINVAL, fmt!("An identity is not all zeroes")));
    }
    Ok(uuid)
}

/// Returns what may be done.
pub(super) fn rights(attribute: &Attribute<'_>) -> Verdict<Rights> {
    match attribute.u32()? {
        uapi::DST_ACCESS_READ_ONLY => Ok(Rights::ReadOnly),
        uapi::DST_ACCESS_READ_WRITE => Ok(Rights::ReadWrite),
        other => Err(Refusal::new(EINVAL, fmt!("There is no access {}", other))),
    }
}

/// Adds what may be done; nothing if that is nothing.
pub(super) fn put_rights(message: &mut Message<'_>, kind: u32, rights: Rights) -> Result {
    match rights {
        Rights::None => Ok(()),
        Rights::ReadOnly => message.put_u32(kind, uapi::DST_ACCESS_READ_ONLY),
        Rights::ReadWrite => message.put_u32(kind, uapi::DST_ACCESS_READ_WRITE),
    }
}

/// Returns all addresses of a request that are called `kind`.
pub(super) fn addresses(request: &Request, kind: u32) -> Verdict<KVec<Address>> {
    let mut addresses = KVec::new();

    for (index, attribute) in request.attributes().all(kind).enumerate() {
        if index >= uapi::DST_ADDRESSES_MAX as usize {
            request.blame(&attribute);
            return Err(Refusal::new(
                E2BIG,
                fmt!("More than {} addresses", uapi::DST_ADDRESSES_MAX),
            ));
        }

        let address = Address::from_bytes(attribute.bytes()).map_err(|error| {
            request.blame(&attribute);
            Refusal::new(
                error,
                fmt!(
                    "Address {} is no IPv4, IPv6 or UNIX socket address",
                    index + 1
                ),
            )
        })?;

        addresses.push(address, GFP_KERNEL)?;
    }
    Ok(addresses)
}

/// Adds addresses.
pub(super) fn put_addresses(message: &mut Message<'_>, kind: u32, addresses: &[Address]) -> Result {
    addresses
        .iter()
        .try_for_each(|address| message.put_bytes(kind, address.as_bytes()))
}

/// Returns all rules of a request that are called `kind`.
pub(super) fn rules(request: &Request, kind: u32) -> Verdict<KVec<Rule>> {
    each_rule(request, kind, |attribute| {
        Ok(Rule {
            prefix: prefix(attribute)?,
            rights: attribute
                .nest()
                .get(uapi::DST_A_RULE_ACCESS)
                .and_then(|attribute| rights(&attribute).ok())
                .ok_or("it says neither read-only nor read-write")?,
        })
    })
}

/// Returns the prefixes of all rules of a request that are called `kind`.
pub(super) fn prefixes(request: &Request, kind: u32) -> Verdict<KVec<Prefix>> {
    each_rule(request, kind, prefix)
}

/// Returns what `read` makes of each rule of a request that is called `kind`, or refuses the request
/// because of what it says is wrong.
fn each_rule<T>(
    request: &Request,
    kind: u32,
    read: impl Fn(&Attribute<'_>) -> core::result::Result<T, &'static str>,
) -> Verdict<KVec<T>> {
    let mut rules = KVec::new();

    for (index, attribute) in request.attributes().all(kind).enumerate() {
        if index >= uapi::DST_RULES_MAX as usize {
            request.blame(&attribute);
            return Err(Refusal::new(
                E2BIG,
                fmt!("More than {} rules", uapi::DST_RULES_MAX),
            ));
        }

        let rule = read(&attribute).map_err(|what| {
            request.blame(&attribute);
            Refusal::new(EINVAL, fmt!("Rule {}: {}", index + 1, what))
        })?;

        rules.push(rule, GFP_KERNEL)?;
    }
    Ok(rules)
}

/// Returns the prefix of a rule, or what is wrong with it.
fn prefix(attribute: &Attribute<'_>) -> core::result::Result<Prefix, &'static str> {
    let nest = attribute.nest();
    let bytes = nest
        .get(uapi::DST_A_RULE_ADDRESS)
        .ok_or("there is no address")?
        .bytes();
    let address = access::address(bytes).ok_or("the address is not of 4 or 16 bytes")?;
    let len = nest
        .get(uapi::DST_A_RULE_PREFIX_LEN)
        .and_then(|attribute| attribute.u8().ok())
        .ok_or("there is no prefix length")?;

    if let Some(stated) = nest.get(uapi::DST_A_RULE_FAMILY) {
        if stated.u32() != Ok(family(address)) {
            return Err("the address is not of its family");
        }
    }

    Prefix::new(address, len).map_err(|error| error.text())
}

/// Adds rules.
pub(super) fn put_rules(message: &mut Message<'_>, kind: u32, rules: &[Rule]) -> Result {
    rules.iter().try_for_each(|rule| {
        message.nest(kind, |nest| {
            let address = rule.prefix.address();

            nest.put_u32(uapi::DST_A_RULE_FAMILY, family(address))?;
            match address {
                IpAddr::V4(address) => {
                    nest.put_bytes(uapi::DST_A_RULE_ADDRESS, &address.octets())?;
                }
                IpAddr::V6(address) => {
                    nest.put_bytes(uapi::DST_A_RULE_ADDRESS, &address.octets())?;
                }
            }
            nest.put_u8(uapi::DST_A_RULE_PREFIX_LEN, rule.prefix.len())?;
            put_rights(nest, uapi::DST_A_RULE_ACCESS, rule.rights)
        })
    })
}

/// Returns the number of the family of `address`.
fn family(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(_) => Family::V4.number().into(),
        IpAddr::V6(_) => Family::V6.number().into(),
    }
}

/// Adds a text that C keeps, without what is not UTF-8.
pub(super) fn put_text(message: &mut Message<'_>, kind: u32, text: &CStr) -> Result {
    match text.to_str() {
        Ok(text) => message.put_str(kind, text),
        Err(_) => Ok(()),
    }
}
