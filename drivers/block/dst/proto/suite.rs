// SPDX-License-Identifier: GPL-2.0

//! What records are sealed with. The numbers are part of the protocol.

use core::fmt;

/// A way to seal records: a cipher and a code that authenticates, with keys of 32 bytes, nonces of
/// 12 and tags of 16.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Suite {
    /// ChaCha20-Poly1305 (RFC 8439).
    ChaCha20Poly1305,
    /// AES-256-GCM (NIST SP 800-38D).
    Aes256Gcm,
}

/// A set of suites. It prints as the names of those that are known, with commas between them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Suites(u32);

impl Suite {
    /// Every suite.
    pub const ALL: [Self; 2] = [Self::ChaCha20Poly1305, Self::Aes256Gcm];

    /// The number on the wire: one bit.
    #[inline]
    pub const fn bit(self) -> u32 {
        match self {
            Self::ChaCha20Poly1305 => 1 << 0,
            Self::Aes256Gcm => 1 << 1,
        }
    }

    /// The suite with this number.
    pub fn from_bit(bit: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.bit() == bit)
    }

    /// The name that people know it by.
    pub fn name(self) -> &'static str {
        match self {
            Self::ChaCha20Poly1305 => "chacha20-poly1305",
            Self::Aes256Gcm => "aes-256-gcm",
        }
    }

    /// The suite with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.name() == name)
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Suites {
    /// None.
    pub const NONE: Self = Self(0);

    /// Every suite.
    pub const ALL: Self = Self(Suite::ChaCha20Poly1305.bit() | Suite::Aes256Gcm.bit());

    /// The suites with these numbers, known or not.
    #[inline]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// Only this one.
    #[inline]
    pub const fn only(suite: Suite) -> Self {
        Self(suite.bit())
    }

    /// The numbers on the wire.
    #[inline]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether the suite is in the set.
    #[inline]
    pub const fn contains(self, suite: Suite) -> bool {
        self.0 & suite.bit() != 0
    }

    /// Whether there is nothing in the set.
    #[inline]
    pub fn is_empty(self) -> bool {
        self == Self::NONE
    }

    /// The suites of both sets.
    #[inline]
    #[must_use]
    pub const fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The suite for two sides that allow these and `other`: the preferred one if both do.
    pub fn choose(self, other: Self, preferred: Suite) -> Option<Suite> {
        [preferred]
            .into_iter()
            .chain(Suite::ALL)
            .find(|suite| self.contains(*suite) && other.contains(*suite))
    }
}

impl fmt::Display for Suites {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";

        for suite in Suite::ALL {
            if self.contains(suite) {
                write!(f, "{separator}{suite}")?;
                separator = ", ";
            }
        }
        Ok(())
    }
}
