// SPDX-License-Identifier: GPL-2.0

//! Addresses of stream sockets.
//!
//! C headers: [`include/uapi/linux/in.h`](srctree/include/uapi/linux/in.h),
//! [`include/uapi/linux/in6.h`](srctree/include/uapi/linux/in6.h),
//! [`include/uapi/linux/un.h`](srctree/include/uapi/linux/un.h)

use super::{
    bindings,
    errno, //
};
use kernel::{
    fmt,
    prelude::*,
    str::BStr, //
};

/// Size of the largest `struct sockaddr_*` that is used here, in bytes.
pub(crate) const MAX_LEN: usize = size_of::<bindings::__kernel_sockaddr_storage>();

/// Size of `sun_path`, in bytes.
const UNIX_PATH_MAX: usize = 108;

/// Offset of the path in `struct sockaddr_un`, in bytes.
const UNIX_PATH_OFFSET: usize = 2;

/// The family of an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
    /// A UNIX-domain socket.
    Unix,
}

impl Family {
    /// Returns the `AF_*` number.
    pub(crate) fn number(self) -> u16 {
        match self {
            Self::V4 => bindings::AF_INET as u16,
            Self::V6 => bindings::AF_INET6 as u16,
            Self::Unix => bindings::AF_UNIX as u16,
        }
    }
}

/// The address of one end of a stream socket.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address {
    family: Family,
    /// The `struct sockaddr_*`, zero padded.
    raw: [u8; MAX_LEN],
    /// How many bytes of it count.
    len: usize,
}

impl Address {
    /// Takes the address from the bytes of a `struct sockaddr_*` in the host's layout.
    ///
    /// # Errors
    ///
    /// `EAFNOSUPPORT` if it is of no family that is supported, `EINVAL` if it is too short or too
    /// long for its family.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let number = u16::from_ne_bytes(field(bytes, 0)?);
        let (family, min, max) = match u32::from(number) {
            bindings::AF_INET => {
                let len = size_of::<bindings::sockaddr_in>();
                (Family::V4, len, len)
            }
            bindings::AF_INET6 => {
                let len = size_of::<bindings::sockaddr_in6>();
                (Family::V6, len, len)
            }
            bindings::AF_UNIX => (
                Family::Unix,
                UNIX_PATH_OFFSET,
                UNIX_PATH_OFFSET + UNIX_PATH_MAX,
            ),
            _ => return Err(errno::EAFNOSUPPORT.into()),
        };
        if bytes.len() < min {
            return Err(EINVAL);
        }
        let len = if family == Family::Unix {
            unix_len(bytes)?.min(max)
        } else {
            max
        };
        let mut raw = [0; MAX_LEN];
        raw.get_mut(..len)
            .ok_or(EINVAL)?
            .copy_from_slice(bytes.get(..len).ok_or(EINVAL)?);
        Ok(Self { family, raw, len })
    }

    /// Returns the `struct sockaddr_*` in the host's layout.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.raw.get(..self.len).unwrap_or(&self.raw)
    }

    /// Returns the family.
    pub(crate) fn family(&self) -> Family {
        self.family
    }

    /// Returns whether it is that of a UNIX-domain socket.
    pub(crate) fn is_local(&self) -> bool {
        self.family == Family::Unix
    }

    /// Returns whether it is that of a UNIX-domain socket without a path, and so without permissions.
    pub(crate) fn is_abstract(&self) -> bool {
        self.is_local() && self.path().first().is_none_or(|&first| first == 0)
    }

    /// Returns the IP address as IPv6, an IPv4 address mapped into it (`::ffff:a.b.c.d`), or
    /// [`None`] for a UNIX-domain socket.
    pub(crate) fn ip(&self) -> Option<[u8; 16]> {
        match self.family {
            Family::V4 => {
                let v4: [u8; 4] = field(&self.raw, 4).ok()?;
                let mut ip = [0; 16];
                ip[10] = 0xff;
                ip[11] = 0xff;
                ip[12..].copy_from_slice(&v4);
                Some(ip)
            }
            Family::V6 => field(&self.raw, 8).ok(),
            Family::Unix => None,
        }
    }

    /// Returns the port, 0 for a UNIX-domain socket.
    pub(crate) fn port(&self) -> u16 {
        match self.family {
            Family::V4 | Family::V6 => field(&self.raw, 2).map_or(0, u16::from_be_bytes),
            Family::Unix => 0,
        }
    }

    /// Returns the path of a UNIX-domain socket without its terminating zero; for an abstract one
    /// the name begins with a zero byte. Empty for other families.
    pub(crate) fn path(&self) -> &[u8] {
        match self.family {
            Family::Unix => {
                let path = self.raw.get(UNIX_PATH_OFFSET..self.len).unwrap_or(&[]);
                match path {
                    [0, ..] => path,
                    [name @ .., 0] => name,
                    name => name,
                }
            }
            Family::V4 | Family::V6 => &[],
        }
    }
}

/// Copies the field of `N` bytes at `offset`.
fn field<const N: usize>(bytes: &[u8], offset: usize) -> Result<[u8; N]> {
    bytes
        .get(offset..offset.checked_add(N).ok_or(EINVAL)?)
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(EINVAL)
}

/// Returns how many bytes of a `struct sockaddr_un` count: a path ends after its first zero, an
/// abstract name has none.
fn unix_len(bytes: &[u8]) -> Result<usize> {
    let path = bytes.get(UNIX_PATH_OFFSET..).ok_or(EINVAL)?;
    if path.len() > UNIX_PATH_MAX {
        return Err(EINVAL);
    }
    let used = match path {
        [] => 0,
        [0, name @ ..] => {
            1 + name
                .iter()
                .rposition(|&b| b != 0)
                .map_or(0, |last| last + 1)
        }
        path => match path.iter().position(|&b| b == 0) {
            Some(end) => end + 1,
            None => path.len(),
        },
    };
    Ok(UNIX_PATH_OFFSET + used)
}

/// Writes an IPv6 address with its longest run of zero groups left out.
fn fmt_v6(ip: &[u8; 16], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut groups = [0u16; 8];
    for (group, bytes) in groups.iter_mut().zip(ip.chunks_exact(2)) {
        if let [high, low] = bytes {
            *group = u16::from_be_bytes([*high, *low]);
        }
    }
    let (mut start, mut len) = (0, 0);
    let mut run = 0;
    for (i, &group) in groups.iter().enumerate() {
        run = if group == 0 { run + 1 } else { 0 };
        if run > len && run > 1 {
            (start, len) = (i + 1 - run, run);
        }
    }
    for (i, group) in groups.iter().enumerate() {
        let skipped = len > 0 && (start..start + len).contains(&i);
        if skipped {
            if i == start {
                f.write_str("::")?;
            }
            continue;
        }
        if i > 0 && !(len > 0 && i == start + len) {
            f.write_str(":")?;
        }
        f.write_fmt(fmt!("{group:x}"))?;
    }
    Ok(())
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.port();
        match (self.family, self.ip()) {
            (Family::Unix, _) | (_, None) => match self.path() {
                [] => f.write_str("unix:"),
                [0, name @ ..] => f.write_fmt(fmt!("unix:@{}", BStr::from_bytes(name))),
                path => f.write_fmt(fmt!("unix:{}", BStr::from_bytes(path))),
            },
            (_, Some([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d])) => {
                f.write_fmt(fmt!("{a}.{b}.{c}.{d}:{port}"))
            }
            (_, Some(ip)) => {
                f.write_str("[")?;
                fmt_v6(&ip, f)?;
                f.write_fmt(fmt!("]:{port}"))
            }
        }
    }
}
