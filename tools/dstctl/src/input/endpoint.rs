// SPDX-License-Identifier: GPL-2.0

//! Addresses as people write them: `HOST`, `HOST:PORT`, `[IPV6]:PORT`, `unix:/PATH`, `unix:@NAME`.

use crate::address::{
    Address,
    UNIX_PATH_MAX, //
};
use crate::failure::{
    Cause,
    Failure,
    Result, //
};
use std::ffi::OsStr;
use std::fmt;
use std::net::{
    Ipv4Addr,
    Ipv6Addr,
    ToSocketAddrs, //
};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The port that is meant when none is given.
pub const DEFAULT_PORT: u16 = 7770;

/// Bytes in the longest host name.
const HOST_MAX: usize = 253;

/// An address that was written correctly. A name may still have no address.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Endpoint {
    /// A machine and a port on it.
    Host {
        /// A name or an address without brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// A UNIX-domain socket: a path, or a zero byte and a name in the abstract namespace.
    Unix(Vec<u8>),
}

impl Endpoint {
    /// Reads an address.
    ///
    /// # Errors
    ///
    /// A text for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return unix(path);
        }
        if let Some(rest) = text.strip_prefix('[') {
            return bracketed(rest);
        }
        if text.matches(':').count() > 1 {
            return Err(unbracketed(text));
        }
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, parse_port(port)?),
            None => (text, DEFAULT_PORT),
        };

        check_host(host)?;
        Ok(Self::Host {
            host: host.to_owned(),
            port,
        })
    }

    /// Returns the path of a UNIX-domain socket that has one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Unix(path) if path.first() != Some(&0) => {
                Some(Path::new(OsStr::from_bytes(path)))
            }
            _ => None,
        }
    }

    /// Finds the addresses that are meant, in the order in which they should be tried.
    ///
    /// # Errors
    ///
    /// [`Cause::Unresolvable`] if there are none.
    pub fn resolve(&self) -> Result<Vec<Address>> {
        let (host, port) = match self {
            Self::Unix(path) => return Ok(vec![Address::Unix(path.clone())]),
            Self::Host { host, port } => (host.as_str(), *port),
        };
        let found = (host, port).to_socket_addrs().map_err(|error| {
            let error = error.to_string();
            // What the library puts in front says nothing that is not said here.
            let reason = error.rsplit(": ").next().unwrap_or(&error);

            Failure::new(
                Cause::Unresolvable,
                format!("cannot resolve host name '{host}': {reason}"),
            )
        })?;
        let mut addresses = vec![];

        for address in found.map(Address::Ip) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        if addresses.is_empty() {
            return Err(Failure::new(
                Cause::Unresolvable,
                format!("host name '{host}' has no address"),
            ));
        }
        Ok(addresses)
    }

    /// Finds the addresses of all `endpoints`, each once.
    ///
    /// # Errors
    ///
    /// [`Cause::Unresolvable`] if one of them has none, [`Cause::Usage`] if there are more than
    /// `max`.
    pub fn resolve_all(endpoints: &[Self], max: u32) -> Result<Vec<Address>> {
        let mut addresses = vec![];

        for endpoint in endpoints {
            for address in endpoint.resolve()? {
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
        }
        match usize::try_from(max) {
            Ok(max) if addresses.len() > max => Err(Failure::usage(format!(
                "{} addresses are too many, {max} are possible",
                addresses.len()
            ))),
            _ => Ok(addresses),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Host { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => Address::Unix(path.clone()).fmt(f),
        }
    }
}

/// Reads what follows `unix:`.
fn unix(path: &str) -> Result<Endpoint, String> {
    let bytes = match path.strip_prefix('@') {
        Some(name) => [b"\0", name.as_bytes()].concat(),
        None if path.starts_with('/') => path.as_bytes().to_vec(),
        None => return Err("the path of a UNIX-domain socket starts with '/'".into()),
    };

    match bytes.as_slice() {
        [0] | b"/" => Err("the UNIX-domain socket has no name".into()),
        [_, rest @ ..] if rest.contains(&0) => Err("the path has a zero byte".into()),
        // One byte is for the zero that ends a path.
        bytes if bytes.len() >= UNIX_PATH_MAX => Err(format!(
            "the path of a UNIX-domain socket has at most {} bytes",
            UNIX_PATH_MAX - 1
        )),
        _ => Ok(Endpoint::Unix(bytes)),
    }
}

/// Reads what follows `[`.
fn bracketed(rest: &str) -> Result<Endpoint, String> {
    let (host, behind) = rest
        .split_once(']')
        .ok_or("the bracket around the IPv6 address is not closed")?;
    let port = match behind.strip_prefix(':') {
        Some(port) => parse_port(port)?,
        None if behind.is_empty() => DEFAULT_PORT,
        None => return Err(format!("'{behind}' behind the bracket is not ':PORT'")),
    };
    let (ip, scope) = match host.split_once('%') {
        Some((ip, scope)) => (ip, Some(scope)),
        None => (host, None),
    };
    let ip: Ipv6Addr = ip
        .parse()
        .map_err(|_| format!("'{ip}' in brackets is not an IPv6 address"))?;

    match scope {
        Some("") => Err("the interface behind '%' is missing".into()),
        None if ip.is_unicast_link_local() => Err(format!(
            "a link-local address needs its interface: [{ip}%INTERFACE]:{port}"
        )),
        _ => Ok(Endpoint::Host {
            host: host.to_owned(),
            port,
        }),
    }
}

/// Says how to write an IPv6 address.
fn unbracketed(text: &str) -> String {
    let whole = text.parse::<Ipv6Addr>().is_ok();
    let split = text
        .rsplit_once(':')
        .filter(|(ip, port)| ip.parse::<Ipv6Addr>().is_ok() && parse_port(port).is_ok());

    match (whole, split) {
        (true, Some((ip, port))) => format!(
            "the port cannot be told from the IPv6 address: write [{ip}]:{port}, or [{text}] if \
             there is no port in it"
        ),
        (true, None) => format!("an IPv6 address needs brackets: write [{text}]:{DEFAULT_PORT}"),
        (false, Some((ip, port))) => {
            format!("an IPv6 address needs brackets: write [{ip}]:{port}")
        }
        (false, None) => "neither HOST:PORT nor [IPV6]:PORT".into(),
    }
}

/// Reads a port.
fn parse_port(text: &str) -> Result<u16, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());

    match text.parse() {
        Ok(port) if digits && port != 0 => Ok(port),
        _ if text.is_empty() => Err("the port behind ':' is missing".into()),
        _ => Err(format!("port '{text}' is not a number from 1 to 65535")),
    }
}

/// Checks a host name or an IPv4 address.
fn check_host(host: &str) -> Result<(), String> {
    if host.is_empty() {
        return Err("the host in front of ':' is missing; [::] and 0.0.0.0 are all".into());
    }
    if host.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!(
            "'{host}' is not a host name; for a port write HOST:{host}"
        ));
    }
    if host
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.')
    {
        return match host.parse::<Ipv4Addr>() {
            Ok(_) => Ok(()),
            Err(_) => Err(format!("'{host}' is not an IPv4 address")),
        };
    }
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };

    if host.len() > HOST_MAX || !host.trim_end_matches('.').split('.').all(label) {
        return Err(format!("'{host}' is not a host name"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(host: &str, port: u16) -> Endpoint {
        Endpoint::Host {
            host: host.into(),
            port,
        }
    }

    #[test]
    fn addresses_are_read_and_written() {
        for (text, endpoint, written) in [
            ("server", host("server", 7770), "server:7770"),
            ("server:99", host("server", 99), "server:99"),
            ("a.b-c.d.", host("a.b-c.d.", 7770), "a.b-c.d.:7770"),
            ("10.0.0.1:1", host("10.0.0.1", 1), "10.0.0.1:1"),
            ("[::1]", host("::1", 7770), "[::1]:7770"),
            ("[::]:65535", host("::", 65535), "[::]:65535"),
            ("[fe80::1%lo]:5", host("fe80::1%lo", 5), "[fe80::1%lo]:5"),
            (
                "unix:/run/a",
                Endpoint::Unix(b"/run/a".to_vec()),
                "unix:/run/a",
            ),
            ("unix:@a", Endpoint::Unix(b"\0a".to_vec()), "unix:@a"),
        ] {
            assert_eq!(Endpoint::parse(text), Ok(endpoint.clone()), "{text}");
            assert_eq!(endpoint.to_string(), written);
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let long = format!("unix:/{}", "a".repeat(107));

        for (text, error) in [
            (
                "",
                "the host in front of ':' is missing; [::] and 0.0.0.0 are all",
            ),
            (
                ":7770",
                "the host in front of ':' is missing; [::] and 0.0.0.0 are all",
            ),
            (
                "7770",
                "'7770' is not a host name; for a port write HOST:7770",
            ),
            ("server:", "the port behind ':' is missing"),
            ("server:0", "port '0' is not a number from 1 to 65535"),
            (
                "server:65536",
                "port '65536' is not a number from 1 to 65535",
            ),
            ("server:+80", "port '+80' is not a number from 1 to 65535"),
            ("server:http", "port 'http' is not a number from 1 to 65535"),
            ("10.0.0.256", "'10.0.0.256' is not an IPv4 address"),
            ("10.0.0:7770", "'10.0.0' is not an IPv4 address"),
            ("ser ver", "'ser ver' is not a host name"),
            ("-x", "'-x' is not a host name"),
            ("a..b", "'a..b' is not a host name"),
            (
                "::1:7770",
                "the port cannot be told from the IPv6 address: write [::1]:7770, or [::1:7770] \
                 if there is no port in it",
            ),
            (
                "fd00::ab",
                "an IPv6 address needs brackets: write [fd00::ab]:7770",
            ),
            (
                "1:2:3:4:5:6:7:8:7770",
                "an IPv6 address needs brackets: write [1:2:3:4:5:6:7:8]:7770",
            ),
            ("a:b:c", "neither HOST:PORT nor [IPV6]:PORT"),
            ("[::1", "the bracket around the IPv6 address is not closed"),
            ("[::1]7770", "'7770' behind the bracket is not ':PORT'"),
            (
                "[10.0.0.1]:1",
                "'10.0.0.1' in brackets is not an IPv6 address",
            ),
            (
                "[fe80::1]:7770",
                "a link-local address needs its interface: [fe80::1%INTERFACE]:7770",
            ),
            ("[fe80::1%]", "the interface behind '%' is missing"),
            (
                "unix:run/a",
                "the path of a UNIX-domain socket starts with '/'",
            ),
            ("unix:@", "the UNIX-domain socket has no name"),
            (
                &long,
                "the path of a UNIX-domain socket has at most 107 bytes",
            ),
        ] {
            assert_eq!(Endpoint::parse(text), Err(error.into()), "{text}");
        }
    }

    #[test]
    fn literals_need_no_resolver() {
        let endpoints = [
            host("10.0.0.1", 7),
            host("::1", 8),
            host("10.0.0.1", 7),
            Endpoint::Unix(b"/a".to_vec()),
        ];

        assert_eq!(
            Endpoint::resolve_all(&endpoints, 3).unwrap(),
            [
                Address::Ip("10.0.0.1:7".parse().unwrap()),
                Address::Ip("[::1]:8".parse().unwrap()),
                Address::Unix(b"/a".to_vec()),
            ]
        );
        assert_eq!(
            Endpoint::resolve_all(&endpoints, 2).unwrap_err().message,
            "3 addresses are too many, 2 are possible"
        );
    }

    #[test]
    fn names_without_an_address_are_unresolvable() {
        // The domain is reserved for names that do not exist.
        let failure = host("nowhere.invalid", 1).resolve().unwrap_err();

        assert_eq!(failure.cause, Cause::Unresolvable);
        assert!(failure.message.contains("'nowhere.invalid'"), "{failure}");
    }
}
