// SPDX-License-Identifier: GPL-2.0

//! Socket addresses as the kernel wants them: the bytes of `struct sockaddr_in`, `sockaddr_in6` or
//! `sockaddr_un`.

use crate::netlink::Malformed;
use serde::{
    Serialize,
    Serializer, //
};
use std::fmt;
use std::net::{
    Ipv4Addr,
    Ipv6Addr,
    SocketAddr,
    SocketAddrV4,
    SocketAddrV6, //
};

/// Family numbers in the type that the structures have.
const AF_UNIX: u16 = libc::AF_UNIX as u16;
const AF_INET: u16 = libc::AF_INET as u16;
const AF_INET6: u16 = libc::AF_INET6 as u16;

/// Bytes in `struct sockaddr_in`, of which the last 8 are padding.
const SOCKADDR_IN: usize = 16;

/// Bytes of a path that `struct sockaddr_un` holds.
pub const UNIX_PATH_MAX: usize = 108;

/// An address that can be connected to or listened on.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Address {
    /// IPv4 or IPv6 with a port.
    Ip(SocketAddr),
    /// A UNIX-domain socket: a path, or a zero byte and a name in the abstract namespace.
    Unix(Vec<u8>),
}

impl Address {
    /// Returns the bytes of the structure.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![];

        match self {
            Self::Ip(SocketAddr::V4(address)) => {
                bytes.extend(AF_INET.to_ne_bytes());
                bytes.extend(address.port().to_be_bytes());
                bytes.extend(address.ip().octets());
                bytes.resize(SOCKADDR_IN, 0);
            }
            Self::Ip(SocketAddr::V6(address)) => {
                bytes.extend(AF_INET6.to_ne_bytes());
                bytes.extend(address.port().to_be_bytes());
                bytes.extend(address.flowinfo().to_be_bytes());
                bytes.extend(address.ip().octets());
                bytes.extend(address.scope_id().to_ne_bytes());
            }
            Self::Unix(path) => {
                bytes.extend(AF_UNIX.to_ne_bytes());
                bytes.extend(path);
                // The name of an abstract socket ends where the structure ends.
                if path.first() != Some(&0) {
                    bytes.push(0);
                }
            }
        }
        bytes
    }

    /// Takes an address from the bytes of the structure.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if the family is unknown or the structure too short.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let family = bytes.first_chunk().map(|raw| u16::from_ne_bytes(*raw));

        match (family, bytes) {
            (Some(AF_INET), [_, _, p, q, a, b, c, d, ..]) => {
                let ip = Ipv4Addr::new(*a, *b, *c, *d);
                let port = u16::from_be_bytes([*p, *q]);

                Ok(Self::Ip(SocketAddrV4::new(ip, port).into()))
            }
            (Some(AF_INET6), _) => Self::v6(bytes),
            (Some(AF_UNIX), [_, _, path @ ..]) => {
                let len = match path {
                    // An abstract name; zeroes behind it are padding.
                    [0, ..] => path
                        .iter()
                        .rposition(|&b| b != 0)
                        .map_or(1, |last| last + 1),
                    _ => path.iter().position(|&b| b == 0).unwrap_or(path.len()),
                };

                Ok(Self::Unix(path[..len].to_vec()))
            }
            _ => Err(Malformed::new(format!(
                "{} bytes are no socket address",
                bytes.len()
            ))),
        }
    }

    /// Takes an IPv6 address from the bytes of the structure.
    fn v6(bytes: &[u8]) -> Result<Self, Malformed> {
        let field = |range: std::ops::Range<usize>| {
            bytes
                .get(range)
                .ok_or_else(|| Malformed::new("IPv6 address is cut off"))
        };
        let mut octets = [0; 16];
        let mut port = [0; 2];
        let mut flow = [0; 4];
        let mut scope = [0; 4];

        port.copy_from_slice(field(2..4)?);
        flow.copy_from_slice(field(4..8)?);
        octets.copy_from_slice(field(8..24)?);
        scope.copy_from_slice(field(24..28)?);
        Ok(Self::Ip(
            SocketAddrV6::new(
                Ipv6Addr::from(octets),
                u16::from_be_bytes(port),
                u32::from_be_bytes(flow),
                u32::from_ne_bytes(scope),
            )
            .into(),
        ))
    }
}

impl fmt::Display for Address {
    /// Writes the address as it is written on the command line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix(path) => {
                let (mark, name) = match path.as_slice() {
                    [0, name @ ..] => ("@", name),
                    name => ("", name),
                };

                write!(f, "unix:{mark}{}", name.escape_ascii())
            }
        }
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_have_the_layout_of_the_kernel() {
        let v4 = Address::Ip("10.1.2.3:7770".parse().unwrap());
        let v6 = Address::Ip("[fd00::2%5]:258".parse().unwrap());
        let path = Address::Unix(b"/run/a".to_vec());
        let name = Address::Unix(b"\0ab".to_vec());

        let mut expected = AF_INET.to_ne_bytes().to_vec();
        expected.extend([0x1e, 0x5a, 10, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(v4.to_bytes(), expected);

        let mut expected = AF_INET6.to_ne_bytes().to_vec();
        expected.extend([1, 2, 0, 0, 0, 0, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        expected.extend([0, 0, 0, 2]);
        expected.extend(5_u32.to_ne_bytes());
        assert_eq!(v6.to_bytes(), expected);

        let mut expected = AF_UNIX.to_ne_bytes().to_vec();
        expected.extend(b"/run/a\0");
        assert_eq!(path.to_bytes(), expected);

        let mut expected = AF_UNIX.to_ne_bytes().to_vec();
        expected.extend(b"\0ab");
        assert_eq!(name.to_bytes(), expected);
    }

    #[test]
    fn addresses_survive_the_round_trip_and_read_well() {
        for (address, text) in [
            (Address::Ip("10.1.2.3:1".parse().unwrap()), "10.1.2.3:1"),
            (Address::Ip("[::1]:7770".parse().unwrap()), "[::1]:7770"),
            (
                Address::Ip("[fe80::1%3]:9".parse().unwrap()),
                "[fe80::1%3]:9",
            ),
            (Address::Unix(b"/run/a b".to_vec()), "unix:/run/a b"),
            (Address::Unix(b"\0abc".to_vec()), "unix:@abc"),
            (Address::Unix(b"/a\x1b[2J".to_vec()), "unix:/a\\x1b[2J"),
        ] {
            let mut bytes = address.to_bytes();

            assert_eq!(address.to_string(), text);
            assert_eq!(Address::from_bytes(&bytes), Ok(address.clone()));
            // The kernel may send the whole of `struct sockaddr_storage`.
            bytes.resize(128, 0);
            assert_eq!(Address::from_bytes(&bytes), Ok(address));
        }
    }

    #[test]
    fn other_structures_are_refused() {
        let mut short = AF_INET6.to_ne_bytes().to_vec();
        short.resize(20, 0);

        for bytes in [&[][..], &[1], &[99, 99, 0, 0], &short] {
            assert!(Address::from_bytes(bytes).is_err(), "{bytes:?}");
        }
    }
}
