// SPDX-License-Identifier: GPL-2.0

//! What two sides agree on, and what a client accepts from a server.

use core::fmt;

use super::digest::{
    Digest,
    Digests, //
};
use super::geometry::{
    DiskFlags,
    Geometry, //
};
use super::hello::{
    Hello,
    Welcome, //
};
use super::status::Status;
use super::units::{
    BootId,
    Uuid, //
};

/// The version of the protocol that this code speaks.
pub const VERSION: u16 = 1;

/// Connections that a session may have at most, whatever a server allows.
pub const MAX_CONNECTIONS: u16 = 32;

/// Milliseconds of silence that a server may ask to accept as death.
pub const KEEPALIVE_MS: core::ops::RangeInclusive<u32> = 300..=600_000;

/// A range of versions, ends included.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Versions {
    /// Oldest.
    pub min: u16,
    /// Newest.
    pub max: u16,
}

impl Versions {
    /// What this code speaks.
    pub const OURS: Self = Self {
        min: VERSION,
        max: VERSION,
    };

    /// The newest version that is in both ranges.
    pub fn common(self, other: Self) -> Option<u16> {
        let newest = self.max.min(other.max);

        (newest >= self.min && newest >= other.min).then_some(newest)
    }

    /// Whether the version is in the range.
    #[inline]
    pub fn contains(self, version: u16) -> bool {
        (self.min..=self.max).contains(&version)
    }
}

/// A set of features: additions to the protocol that both sides have to want.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Features(u64);

impl Features {
    /// None.
    pub const NONE: Self = Self(0);

    /// Payloads are followed by a digest.
    pub const DIGEST: Self = Self(1);

    /// All frames of the connection are sealed.
    pub const SEALED: Self = Self(2);

    /// The features with these numbers, known or not.
    #[inline]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The numbers on the wire.
    #[inline]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The features of both sets.
    #[inline]
    pub const fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The features of either set.
    #[inline]
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether every feature of `other` is in the set.
    #[inline]
    pub const fn contains(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }
}

/// What a server demands of a hello, apart from rights and fencing.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Versions that it speaks.
    pub versions: Versions,
    /// Features that it is willing to use, but [`Features::DIGEST`], which follows from
    /// [`Self::digests`].
    pub features: Features,
    /// Features that it insists on.
    pub required: Features,
    /// Identity of the export.
    pub uuid: Uuid,
    /// Whether the export is read-only.
    pub read_only: bool,
    /// Connections that a session may have.
    pub max_connections: u16,
    /// Digests that it can compute.
    pub digests: Digests,
}

/// What a server and a client have agreed on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Agreement {
    /// The version.
    pub version: u16,
    /// The features.
    pub features: Features,
    /// What follows each payload, if anything: then the features have [`Features::DIGEST`].
    pub digest: Option<Digest>,
}

/// Why a server does not take a client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HelloFault {
    /// No common version.
    Version,
    /// The client does not offer a feature that the server insists on.
    Feature,
    /// The client expects another disk.
    Identity,
    /// The client wants to write to a read-only export.
    ReadOnly,
    /// The connection's number is not below the number of connections.
    Connection,
    /// The connection's number is beyond what the server allows.
    Connections,
    /// The epoch or the generation is zero.
    Stamp,
    /// The client wants a digest that the server does not have.
    Digest,
    /// The client names a digest, but does not offer the feature.
    DigestFeature,
}

impl HelloFault {
    /// The status of the refusal.
    pub fn status(self) -> Status {
        match self {
            Self::Version => Status::Version,
            Self::Feature | Self::Digest => Status::Feature,
            Self::Identity => Status::Identity,
            Self::ReadOnly => Status::ReadOnly,
            Self::Connection | Self::Stamp | Self::DigestFeature => Status::Invalid,
            Self::Connections => Status::Resource,
        }
    }

    /// What to tell people, as part of a sentence.
    pub fn text(self) -> &'static str {
        match self {
            Self::Version => Status::Version.text(),
            Self::Feature => Status::Feature.text(),
            Self::Identity => Status::Identity.text(),
            Self::ReadOnly => Status::ReadOnly.text(),
            Self::Connection => "impossible connection number",
            Self::Connections => "too many connections",
            Self::Stamp => "epoch or generation is zero",
            Self::Digest => "the server does not have this digest",
            Self::DigestFeature => "a digest is named, but not offered",
        }
    }
}

impl fmt::Display for HelloFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl Terms {
    /// Checks a hello against the terms.
    ///
    /// # Errors
    ///
    /// See [`HelloFault`].
    pub fn check(&self, hello: &Hello<'_>) -> Result<Agreement, HelloFault> {
        let version = self
            .versions
            .common(hello.versions)
            .ok_or(HelloFault::Version)?;

        if !hello.features.contains(self.required) {
            return Err(HelloFault::Feature);
        }
        if !hello.uuid.is_any() && hello.uuid != self.uuid {
            return Err(HelloFault::Identity);
        }
        if hello.write && self.read_only {
            return Err(HelloFault::ReadOnly);
        }
        if hello.connection >= hello.connections {
            return Err(HelloFault::Connection);
        }
        if hello.connection >= self.max_connections.min(MAX_CONNECTIONS) {
            return Err(HelloFault::Connections);
        }
        if hello.stamp.epoch.0 == 0 || hello.stamp.generation.0 == 0 {
            return Err(HelloFault::Stamp);
        }

        let digest = self.digest(hello)?;
        let features = match digest {
            Some(_) => Features::DIGEST,
            None => Features::NONE,
        };

        Ok(Agreement {
            version,
            features: self.features.common(hello.features).with(features),
            digest,
        })
    }

    /// The digest that the client wants, if it wants one.
    fn digest(&self, hello: &Hello<'_>) -> Result<Option<Digest>, HelloFault> {
        let Some(name) = hello.digest else {
            return Ok(None);
        };

        if !hello.features.contains(Features::DIGEST) {
            return Err(HelloFault::DigestFeature);
        }
        Digest::from_name(name)
            .filter(|digest| self.digests.contains(*digest))
            .map(Some)
            .ok_or(HelloFault::Digest)
    }
}

/// What a client remembers of an export from an earlier welcome.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Known {
    /// Identity of the export.
    pub uuid: Uuid,
    /// Boot of the server's machine.
    pub boot_id: BootId,
    /// Incarnation of the export.
    pub incarnation: u64,
    /// The disk.
    pub geometry: Geometry,
}

impl From<&Welcome> for Known {
    fn from(welcome: &Welcome) -> Self {
        Self {
            uuid: welcome.uuid,
            boot_id: welcome.boot_id,
            incarnation: welcome.incarnation,
            geometry: welcome.geometry,
        }
    }
}

/// What a client accepts after a hello.
#[derive(Clone, Copy, Debug)]
pub struct Expectation<'a> {
    /// The hello.
    pub hello: Hello<'a>,
    /// Features without which the client does not go on.
    pub required: Features,
    /// What it knows from an earlier welcome, if there was one.
    pub known: Option<Known>,
}

/// What a welcome means for the client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Accepted {
    /// Whether the disk has grown since the last welcome.
    pub grown: bool,
    /// Whether the server, or its export, is not the one of the last welcome any more: nothing that
    /// was under way there goes on, and connections to it that still seem to live are dead.
    pub restarted: bool,
    /// Whether writes that were acknowledged since the last flush may be lost.
    pub lost_writes: bool,
}

/// Why a client does not accept a welcome.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WelcomeFault {
    /// Session, stamp or connection are not those of the hello.
    Echo,
    /// A version that was not offered.
    Version,
    /// A feature that was not offered, or a required one is missing.
    Feature,
    /// Another disk than the expected one.
    Identity,
    /// The disk is smaller than it was.
    Shrunk,
    /// The logical block is not what it was.
    Blocks,
    /// A limit or a property is worse than what the device was made with: requests may already be
    /// under way that rely on it.
    Limits,
    /// The client wants to write, the export is read-only.
    ReadOnly,
    /// The window cannot hold a single request of full size.
    Window,
    /// The keepalive interval is not in [`KEEPALIVE_MS`].
    Keepalive,
}

impl WelcomeFault {
    /// The status that describes it best.
    pub fn status(self) -> Status {
        match self {
            Self::Version => Status::Version,
            Self::Feature => Status::Feature,
            Self::Identity | Self::Shrunk | Self::Blocks | Self::Limits => Status::Identity,
            Self::ReadOnly => Status::ReadOnly,
            Self::Echo | Self::Window | Self::Keepalive => Status::Invalid,
        }
    }

    /// What to tell people, as part of a sentence.
    pub fn text(self) -> &'static str {
        match self {
            Self::Echo => "the server answered another greeting",
            Self::Version => "the server chose a version that was not offered",
            Self::Feature => "the server does not agree on the features",
            Self::Identity => "the export is a different disk",
            Self::Shrunk => "the export is smaller than it was",
            Self::Blocks => "the export has other block sizes than before",
            Self::Limits => "the export supports less than before",
            Self::ReadOnly => "the export is read-only",
            Self::Window => "the server grants too few credits",
            Self::Keepalive => "the server asks for an impossible keepalive interval",
        }
    }
}

impl fmt::Display for WelcomeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl Expectation<'_> {
    /// Checks a welcome against what was asked and what was known.
    ///
    /// # Errors
    ///
    /// See [`WelcomeFault`].
    pub fn check(&self, welcome: &Welcome) -> Result<Accepted, WelcomeFault> {
        let hello = &self.hello;

        if welcome.session != hello.session
            || welcome.stamp != hello.stamp
            || welcome.connection != hello.connection
        {
            return Err(WelcomeFault::Echo);
        }
        if !hello.versions.contains(welcome.version) {
            return Err(WelcomeFault::Version);
        }
        if !hello.features.contains(welcome.features) || !welcome.features.contains(self.required) {
            return Err(WelcomeFault::Feature);
        }
        if welcome.uuid.is_any() || (!hello.uuid.is_any() && hello.uuid != welcome.uuid) {
            return Err(WelcomeFault::Identity);
        }
        if hello.write && welcome.geometry.is_read_only() {
            return Err(WelcomeFault::ReadOnly);
        }
        if welcome.window < welcome.geometry.max_cost() {
            return Err(WelcomeFault::Window);
        }
        if !KEEPALIVE_MS.contains(&welcome.keepalive_ms) {
            return Err(WelcomeFault::Keepalive);
        }
        match &self.known {
            Some(known) => known.compare(welcome),
            None => Ok(Accepted {
                grown: false,
                restarted: false,
                lost_writes: false,
            }),
        }
    }
}

impl Known {
    /// Compares a new welcome with what is known.
    fn compare(&self, welcome: &Welcome) -> Result<Accepted, WelcomeFault> {
        if welcome.uuid != self.uuid {
            return Err(WelcomeFault::Identity);
        }

        let grown = self.check_change(&welcome.geometry)?;
        let restarted = welcome.boot_id != self.boot_id || welcome.incarnation != self.incarnation;

        Ok(Accepted {
            grown,
            restarted,
            lost_writes: restarted && self.geometry.has_volatile_cache(),
        })
    }

    /// Checks a new geometry, from a welcome or an EVENT, against the known one; returns whether
    /// the disk has grown.
    ///
    /// # Errors
    ///
    /// [`WelcomeFault::Shrunk`], [`WelcomeFault::Blocks`] or [`WelcomeFault::Limits`].
    pub fn check_change(&self, new: &Geometry) -> Result<bool, WelcomeFault> {
        let old = &self.geometry;

        if new.sectors < old.sectors {
            return Err(WelcomeFault::Shrunk);
        }
        if new.logical_block != old.logical_block {
            return Err(WelcomeFault::Blocks);
        }
        if new.max_frame_sectors < old.max_frame_sectors
            || new.max_discard_sectors < old.max_discard_sectors
            || new.max_write_zeroes_sectors < old.max_write_zeroes_sectors
            || (new.has_volatile_cache() && !old.has_volatile_cache())
            || (old.flags.contains(DiskFlags::FUA) && !new.flags.contains(DiskFlags::FUA))
        {
            return Err(WelcomeFault::Limits);
        }
        Ok(new.sectors > old.sectors)
    }
}
