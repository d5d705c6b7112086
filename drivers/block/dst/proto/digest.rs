// SPDX-License-Identifier: GPL-2.0

//! Digests of payloads: which there are, and how a set of them is written.
//!
//! A digest finds what the network changed and its own checksums did not notice. It keeps nobody
//! out: also a keyed one has a key that everybody can read.

use core::fmt;

/// Bytes that the name of a digest may have.
pub const MAX_NAME: usize = 32;

/// Bytes in the longest digest.
pub const MAX_SIZE: usize = 64;

/// A digest. Its name is the one that Linux gives to the algorithm.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u8)]
pub enum Digest {
    /// CRC-32C, as in the headers.
    Crc32c = 0,
    /// XXH64 with seed 0.
    Xxhash64 = 1,
    /// SHA-256.
    Sha256 = 2,
    /// SHA-512.
    Sha512 = 3,
    /// HMAC with SHA-256. The key is the identity of the session.
    HmacSha256 = 4,
    /// BLAKE2b of 256 bits.
    Blake2b256 = 5,
}

impl Digest {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Crc32c,
        Self::Xxhash64,
        Self::Sha256,
        Self::Sha512,
        Self::HmacSha256,
        Self::Blake2b256,
    ];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crc32c => "crc32c",
            Self::Xxhash64 => "xxhash64",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
            Self::HmacSha256 => "hmac(sha256)",
            Self::Blake2b256 => "blake2b-256",
        }
    }

    /// The digest of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|digest| digest.name() == name)
    }

    /// Bytes that a digest has.
    pub fn size(self) -> usize {
        match self {
            Self::Crc32c => 4,
            Self::Xxhash64 => 8,
            Self::Sha256 | Self::HmacSha256 | Self::Blake2b256 => 32,
            Self::Sha512 => MAX_SIZE,
        }
    }

    /// Whether computing it takes little longer than copying the data would.
    pub fn is_quick(self) -> bool {
        matches!(self, Self::Crc32c | Self::Xxhash64)
    }

    /// Whether it needs a key, which is the identity of the session.
    pub fn is_keyed(self) -> bool {
        matches!(self, Self::HmacSha256)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of digests. It prints as their names with commas between them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Digests(u8);

impl Digests {
    /// None.
    pub const NONE: Self = Self(0);

    /// All that there are.
    pub fn all() -> Self {
        Digest::ALL.into_iter().fold(Self::NONE, Self::with)
    }

    /// The set and `digest`.
    #[must_use]
    pub fn with(self, digest: Digest) -> Self {
        Self(self.0 | bit(digest))
    }

    /// Whether `digest` is in the set.
    pub fn contains(self, digest: Digest) -> bool {
        self.0 & bit(digest) != 0
    }

    /// Whether there is nothing in the set.
    pub fn is_empty(self) -> bool {
        self == Self::NONE
    }
}

impl fmt::Display for Digests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";

        for digest in Digest::ALL {
            if self.contains(digest) {
                write!(f, "{separator}{digest}")?;
                separator = ", ";
            }
        }
        Ok(())
    }
}

/// The bit of `digest` in a set.
fn bit(digest: Digest) -> u8 {
    1_u8.wrapping_shl(u32::from(digest as u8))
}

/// Whether `name` can be the name of a digest, known or not.
pub fn is_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len())
        && name.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"()_-".contains(&byte)
        })
}
