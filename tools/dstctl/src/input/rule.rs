// SPDX-License-Identifier: GPL-2.0

//! Access rules: `PREFIX:ro` or `PREFIX:rw`.

use crate::netlink::Attributes;
use crate::uapi;
use dst_proto::access::{
    Prefix,
    PrefixError,
    Rights,
    Rule, //
};
use std::net::IpAddr;

/// Reads a rule.
///
/// # Errors
///
/// A text for people.
pub fn parse(text: &str) -> Result<Rule, String> {
    let (prefix, rights) = match text.rsplit_once(':') {
        Some((prefix, "ro")) => (prefix, Rights::ReadOnly),
        Some((prefix, "rw")) => (prefix, Rights::ReadWrite),
        _ => {
            return Err(format!(
                "what these clients may do is missing: write {text}:ro or {text}:rw"
            ))
        }
    };

    if prefix == "unix" || prefix.starts_with("unix:") {
        return Err(
            "clients of a UNIX-domain socket need no rule: the permissions of the socket decide"
                .into(),
        );
    }
    Ok(Rule {
        prefix: self::prefix(prefix)?,
        rights,
    })
}

/// Reads the prefix of a rule.
///
/// # Errors
///
/// A text for people.
pub fn prefix(text: &str) -> Result<Prefix, String> {
    text.parse().map_err(|error| explain(text, error))
}

/// Says what is wrong with a prefix, and what was probably meant.
fn explain(prefix: &str, error: PrefixError) -> String {
    let meant = || {
        let (address, len) = prefix.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let len: u8 = len.parse().ok()?;
        let masked = match address {
            IpAddr::V4(ip) => {
                let mask = u32::MAX.checked_shl(32_u32.checked_sub(len.into())?);
                IpAddr::from((ip.to_bits() & mask.unwrap_or(0)).to_be_bytes())
            }
            IpAddr::V6(ip) => {
                let mask = u128::MAX.checked_shl(128_u32.checked_sub(len.into())?);
                IpAddr::from((ip.to_bits() & mask.unwrap_or(0)).to_be_bytes())
            }
        };
        Some(format!("{masked}/{len}"))
    };

    match (error, meant()) {
        (PrefixError::HostBits, Some(meant)) => {
            let address = prefix.split('/').next().unwrap_or(prefix);

            format!("{error}: write {meant} for the network, or {address} for one address")
        }
        _ => error.to_string(),
    }
}

/// Puts a rule into attributes.
pub fn attributes(rule: &Rule) -> Attributes {
    let mut attributes = prefix_attributes(&rule.prefix);

    attributes.u32(
        uapi::rule::ACCESS,
        match rule.rights {
            Rights::ReadWrite => uapi::access::READ_WRITE,
            Rights::ReadOnly | Rights::None => uapi::access::READ_ONLY,
        },
    );
    attributes
}

/// Puts what tells a rule from others into attributes.
pub fn prefix_attributes(prefix: &Prefix) -> Attributes {
    let mut attributes = Attributes::new();
    let (family, address) = match prefix.address() {
        IpAddr::V4(ip) => (libc::AF_INET, ip.octets().to_vec()),
        IpAddr::V6(ip) => (libc::AF_INET6, ip.octets().to_vec()),
    };

    attributes
        .u32(uapi::rule::FAMILY, family.unsigned_abs())
        .bytes(uapi::rule::ADDRESS, &address)
        .u8(uapi::rule::PREFIX_LEN, prefix.len());
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read() {
        for (text, prefix, rights) in [
            ("10.0.0.0/24:rw", "10.0.0.0/24", Rights::ReadWrite),
            ("fd00::/8:ro", "fd00::/8", Rights::ReadOnly),
            ("::1:rw", "::1/128", Rights::ReadWrite),
            ("10.0.0.7:ro", "10.0.0.7/32", Rights::ReadOnly),
            ("0.0.0.0/0:ro", "0.0.0.0/0", Rights::ReadOnly),
        ] {
            let rule = parse(text).unwrap();

            assert_eq!(rule.prefix.to_string(), prefix);
            assert_eq!(rule.rights, rights);
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, error) in [
            (
                "10.0.0.0/24",
                "what these clients may do is missing: write 10.0.0.0/24:ro or 10.0.0.0/24:rw",
            ),
            (
                "10.0.0.7/24:rw",
                "address has bits set beyond the prefix length: write 10.0.0.0/24 for the \
                 network, or 10.0.0.7 for one address",
            ),
            (
                "10.0.0.7/0:rw",
                "address has bits set beyond the prefix length: write 0.0.0.0/0 for the \
                 network, or 10.0.0.7 for one address",
            ),
            ("server:rw", "not an IPv4 or IPv6 address"),
            (
                "10.0.0.0/33:rw",
                "prefix length is not a number from 0 to 32 (IPv4) or 128 (IPv6)",
            ),
            (
                "unix:rw",
                "clients of a UNIX-domain socket need no rule: the permissions of the socket \
                 decide",
            ),
        ] {
            assert_eq!(parse(text), Err(error.into()), "{text}");
        }
    }

    #[test]
    fn a_rule_has_its_bytes() {
        let mut expected = vec![];

        expected.extend([8_u16.to_ne_bytes(), 1_u16.to_ne_bytes()].concat());
        expected.extend(2_u32.to_ne_bytes());
        expected.extend([8_u16.to_ne_bytes(), 2_u16.to_ne_bytes()].concat());
        expected.extend([10, 1, 0, 0]);
        expected.extend([5_u16.to_ne_bytes(), 3_u16.to_ne_bytes()].concat());
        expected.extend([16, 0, 0, 0]);
        expected.extend([8_u16.to_ne_bytes(), 4_u16.to_ne_bytes()].concat());
        expected.extend(2_u32.to_ne_bytes());
        assert_eq!(
            attributes(&parse("10.1.0.0/16:rw").unwrap()).as_bytes(),
            expected
        );

        let v6 = attributes(&parse("fd00::/8:ro").unwrap());
        assert_eq!(v6.as_bytes().len(), 8 + 20 + 8 + 8);
        assert_eq!(v6.as_bytes()[4..8], 10_u32.to_ne_bytes());
    }
}
