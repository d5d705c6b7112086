// SPDX-License-Identifier: GPL-2.0

//! Who may use an export, by address.
//!
//! The rules of an export are prefixes with rights; the most specific one that holds the client's
//! address counts, whatever the order of the rules. An address that no rule holds has no rights.
//! Without any rule the export is for the machine itself: loopback addresses may read and write,
//! others nothing. Whoever comes through a UNIX-domain socket with a path has passed the permissions
//! of that file and may read and write always; one in the abstract namespace has none, is open to
//! everybody on the machine, and gives no rights.

use core::fmt;
use core::net::IpAddr;

/// What a client may do.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Rights {
    /// Nothing.
    #[default]
    None,
    /// Read.
    ReadOnly,
    /// Read and write.
    ReadWrite,
}

/// Where a client comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Peer {
    /// A UNIX-domain socket with a path.
    Local,
    /// A UNIX-domain socket in the abstract namespace.
    Abstract,
    /// An address. IPv4 addresses in IPv6 clothes are the same as without.
    Ip(IpAddr),
}

/// A set of addresses that begin alike.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Prefix {
    /// The bits that they share, then zeroes.
    address: IpAddr,
    /// How many bits they share.
    len: u8,
}

/// Why a prefix was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PrefixError {
    /// The part before the slash is no IPv4 or IPv6 address.
    Address,
    /// The part behind the slash is no number, or longer than the address.
    Length,
    /// Bits behind the prefix are set.
    HostBits,
}

impl PrefixError {
    /// What to tell people, as part of a sentence.
    pub fn text(self) -> &'static str {
        match self {
            Self::Address => "not an IPv4 or IPv6 address",
            Self::Length => "prefix length is not a number from 0 to 32 (IPv4) or 128 (IPv6)",
            Self::HostBits => "address has bits set beyond the prefix length",
        }
    }
}

impl fmt::Display for PrefixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl Prefix {
    /// The prefix of `len` bits of `address`.
    ///
    /// # Errors
    ///
    /// See [`PrefixError`].
    pub fn new(address: IpAddr, len: u8) -> Result<Self, PrefixError> {
        // IPv4 in IPv6 clothes: those bits are the first 96.
        let (address, len) = match (address.to_canonical(), len.checked_sub(96)) {
            (plain, Some(len)) if plain.is_ipv4() != address.is_ipv4() => (plain, len),
            (_, _) => (address, len),
        };

        if len > width(address) {
            return Err(PrefixError::Length);
        }
        match bits(address) & !mask(address, len) {
            0 => Ok(Self { address, len }),
            _ => Err(PrefixError::HostBits),
        }
    }

    /// The address, whose bits behind the prefix are zero.
    #[inline]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The length in bits.
    #[allow(clippy::len_without_is_empty, reason = "not a container")]
    #[inline]
    pub fn len(&self) -> u8 {
        self.len
    }

    /// Whether `address` begins like that. An IPv4 address begins like no IPv6 prefix.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();

        address.is_ipv4() == self.address.is_ipv4()
            && bits(address) & mask(address, self.len) == bits(self.address)
    }
}

impl core::str::FromStr for Prefix {
    type Err = PrefixError;

    /// Reads `10.0.0.0/24`, `fd00::/8`, or an address alone, which stands for itself.
    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let (address, len) = match text.split_once('/') {
            Some((address, len)) => (address, Some(len)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| PrefixError::Address)?;
        let len = match len {
            // `parse` would take a sign.
            Some(len) if len.bytes().all(|byte| byte.is_ascii_digit()) => {
                len.parse().map_err(|_| PrefixError::Length)?
            }
            Some(_) => return Err(PrefixError::Length),
            None => width(address),
        };

        Self::new(address, len)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.len)
    }
}

/// A prefix and what its addresses may do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rule {
    /// The addresses.
    pub prefix: Prefix,
    /// What they may do.
    pub rights: Rights,
}

/// What `peer` may do under `rules`, see the [module's description](self).
///
/// If the same prefix is there twice, the lesser rights count.
pub fn rights(peer: Peer, rules: &[Rule]) -> Rights {
    let address = match peer {
        Peer::Local => return Rights::ReadWrite,
        Peer::Abstract => return Rights::None,
        Peer::Ip(address) => address.to_canonical(),
    };

    if rules.is_empty() {
        return match address.is_loopback() {
            true => Rights::ReadWrite,
            false => Rights::None,
        };
    }
    rules
        .iter()
        .filter(|rule| rule.prefix.contains(address))
        .max_by_key(|rule| (rule.prefix.len, core::cmp::Reverse(rule.rights)))
        .map_or(Rights::None, |rule| rule.rights)
}

/// Whether clients may do more without `rule`, because one of those that are `left` is for all that
/// it is for and gives more.
pub fn is_barrier(rule: &Rule, left: &[Rule]) -> bool {
    left.iter()
        .filter(|other| {
            other.prefix.len <= rule.prefix.len && other.prefix.contains(rule.prefix.address)
        })
        .max_by_key(|other| (other.prefix.len, core::cmp::Reverse(other.rights)))
        .is_some_and(|other| other.rights > rule.rights)
}

/// The address that these bytes stand for, in network order; an IPv4 address has four, an IPv6
/// address 16 of them.
pub fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::from(bytes));
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

/// Bits in an address of this family.
#[inline]
fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The address as a number.
#[inline]
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The first `len` bits of an address of this family.
#[inline]
fn mask(address: IpAddr, len: u8) -> u128 {
    let width = width(address);
    let all = u128::MAX
        .checked_shr(u32::from(128_u8.saturating_sub(width)))
        .unwrap_or(0);
    let rest = u32::from(width.saturating_sub(len));

    all & u128::MAX.checked_shl(rest).unwrap_or(0)
}
