// SPDX-License-Identifier: GPL-2.0

//! How a request ended. The numbers are part of the protocol.

use core::fmt;

/// Result of a request or of a hello.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[repr(u8)]
pub enum Status {
    /// Done.
    #[default]
    Ok = 0,
    /// The device failed without saying why.
    Io = 1,
    /// The medium of the device failed at this place.
    Medium = 2,
    /// The device has no space left.
    NoSpace = 3,
    /// The export is read-only.
    ReadOnly = 4,
    /// The client lacks the right.
    Denied = 5,
    /// Behind the end of the disk.
    Range = 6,
    /// Misaligned, too long or malformed.
    Invalid = 7,
    /// The export does not offer this operation.
    Unsupported = 8,
    /// The device did not answer in time.
    Timeout = 9,
    /// The device is gone.
    Target = 10,
    /// A checksum of the data was wrong.
    Protection = 11,
    /// The server lacks memory or another resource at the moment.
    Resource = 12,
    /// No common version of the protocol.
    Version = 32,
    /// A feature that one side insists on is missing.
    Feature = 33,
    /// There is no export of that name.
    NoExport = 34,
    /// Another session has the export for writing.
    InUse = 35,
    /// The epoch or the generation is older than one already seen.
    Stale = 36,
    /// The export is not the one that the client expects.
    Identity = 37,
    /// The export or the server is going away.
    Gone = 38,
}

/// The number is not that of a [`Status`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UnknownStatus(pub u8);

impl Status {
    /// Every status, in ascending order of its number.
    pub const ALL: [Self; 20] = [
        Self::Ok,
        Self::Io,
        Self::Medium,
        Self::NoSpace,
        Self::ReadOnly,
        Self::Denied,
        Self::Range,
        Self::Invalid,
        Self::Unsupported,
        Self::Timeout,
        Self::Target,
        Self::Protection,
        Self::Resource,
        Self::Version,
        Self::Feature,
        Self::NoExport,
        Self::InUse,
        Self::Stale,
        Self::Identity,
        Self::Gone,
    ];

    /// The number on the wire.
    #[inline]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// Whether the request was done.
    #[inline]
    pub fn is_ok(self) -> bool {
        self == Self::Ok
    }

    /// Whether a refused hello is worth another try by itself, later or in a higher epoch.
    ///
    /// The others need somebody to change something first.
    pub fn is_transient(self) -> bool {
        match self {
            Self::Resource | Self::InUse | Self::Stale | Self::Gone | Self::Timeout => true,
            Self::Ok
            | Self::Io
            | Self::Medium
            | Self::NoSpace
            | Self::ReadOnly
            | Self::Denied
            | Self::Range
            | Self::Invalid
            | Self::Unsupported
            | Self::Target
            | Self::Protection
            | Self::Version
            | Self::Feature
            | Self::NoExport
            | Self::Identity => false,
        }
    }

    /// What to tell people, as part of a sentence.
    pub fn text(self) -> &'static str {
        match self {
            Self::Ok => "success",
            Self::Io => "I/O error on the device",
            Self::Medium => "medium error on the device",
            Self::NoSpace => "no space left on the device",
            Self::ReadOnly => "the export is read-only",
            Self::Denied => "not permitted",
            Self::Range => "beyond the end of the device",
            Self::Invalid => "malformed or misaligned request",
            Self::Unsupported => "not supported by the export",
            Self::Timeout => "the device timed out",
            Self::Target => "the device is gone",
            Self::Protection => "data checksum mismatch",
            Self::Resource => "the server is out of resources",
            Self::Version => "no common protocol version",
            Self::Feature => "a required feature is missing",
            Self::NoExport => "no such export",
            Self::InUse => "the export is in use by another writer",
            Self::Stale => "superseded by a newer connection",
            Self::Identity => "the export is a different disk",
            Self::Gone => "the export is going away",
        }
    }
}

impl TryFrom<u8> for Status {
    type Error = UnknownStatus;

    fn try_from(number: u8) -> Result<Self, UnknownStatus> {
        Self::ALL
            .into_iter()
            .find(|status| status.number() == number)
            .ok_or(UnknownStatus(number))
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
