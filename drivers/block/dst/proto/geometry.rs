// SPDX-License-Identifier: GPL-2.0

//! What a client has to know about the disk behind an export.

use zerocopy::little_endian::{
    U32,
    U64, //
};
use zerocopy::{
    transmute,
    FromBytes as _, //
};
use zerocopy_derive::{
    FromBytes,
    Immutable,
    IntoBytes,
    KnownLayout,
    Unaligned, //
};

use super::units::{
    Sectors,
    MAX_FRAME_SECTORS,
    MAX_RUN_PAGES,
    PAGE_SECTORS,
    PAGE_SIZE,
    SECTOR_SIZE, //
};

/// Bytes that a geometry takes.
pub const GEOMETRY_SIZE: usize = 48;

/// Size of the largest disk: its end in bytes fits into 63 bits.
const MAX_SECTORS: u64 = (1 << 63) / SECTOR_SIZE as u64 - 1;

/// A geometry as on the wire.
#[derive(FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct RawGeometry {
    sectors: U64,
    logical_block: U32,
    physical_block: U32,
    io_min: U32,
    io_opt: U32,
    max_frame_sectors: U32,
    max_discard_sectors: U32,
    discard_granularity: U32,
    max_write_zeroes_sectors: U32,
    flags: U32,
    reserved: U32,
}

/// Properties of a disk.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct DiskFlags(u32);

impl DiskFlags {
    /// None of them.
    pub const NONE: Self = Self(0);

    /// Nothing can be written.
    pub const READ_ONLY: Self = Self(1);

    /// Acknowledged writes may be lost until the next FLUSH.
    pub const VOLATILE_CACHE: Self = Self(2);

    /// The FUA flag is accepted.
    pub const FUA: Self = Self(4);

    /// Seeking takes time.
    pub const ROTATIONAL: Self = Self(8);

    /// Every flag that this version knows.
    const KNOWN: Self = Self(15);

    /// The flags with these numbers, known or not.
    #[inline]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The numbers on the wire.
    #[inline]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// These flags, and `other` if `wanted`.
    #[inline]
    #[must_use]
    pub const fn with_if(self, other: Self, wanted: bool) -> Self {
        match wanted {
            true => Self(self.0 | other.0),
            false => self,
        }
    }

    /// These flags, but none of `other`.
    #[inline]
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether every flag of `other` is among them.
    #[inline]
    pub const fn contains(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }
}

/// Size, blocks and limits of an export.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Geometry {
    /// Size of the disk in sectors.
    pub sectors: u64,
    /// Unit of addressing in bytes: a power of two from 512 to 4096.
    pub logical_block: u32,
    /// Unit that the disk writes without reading first, in bytes.
    pub physical_block: u32,
    /// Smallest request that does well, in bytes.
    pub io_min: u32,
    /// Request that does best, in bytes; 0 is unknown.
    pub io_opt: u32,
    /// Longest READ and WRITE: from one page to [`MAX_FRAME_SECTORS`].
    pub max_frame_sectors: Sectors,
    /// Longest DISCARD; 0 is not supported.
    pub max_discard_sectors: Sectors,
    /// Unit that a discard frees, in bytes.
    pub discard_granularity: u32,
    /// Longest WRITE_ZEROES; 0 is not supported.
    pub max_write_zeroes_sectors: Sectors,
    /// Properties.
    pub flags: DiskFlags,
}

/// Why a geometry was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum GeometryError {
    /// It is not [`GEOMETRY_SIZE`] bytes long.
    Length,
    /// The logical block is no power of two from 512 to 4096 bytes.
    LogicalBlock,
    /// The physical block is no power of two, or smaller than the logical block.
    PhysicalBlock,
    /// The size is no multiple of the logical block, or its end in bytes does not fit into 63 bits.
    Size,
    /// The longest frame is shorter than a page, longer than allowed, or no multiple of a page.
    MaxFrame,
    /// A flag is unknown.
    Flags,
    /// A reserved field is not zero.
    Reserved,
}

impl GeometryError {
    /// What to tell people, as part of a sentence.
    pub fn text(self) -> &'static str {
        match self {
            Self::Length => "geometry has the wrong length",
            Self::LogicalBlock => "impossible logical block size",
            Self::PhysicalBlock => "impossible physical block size",
            Self::Size => "impossible disk size",
            Self::MaxFrame => "impossible frame limit",
            Self::Flags => "unknown disk flags",
            Self::Reserved => "reserved field in use",
        }
    }
}

impl core::fmt::Display for GeometryError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.text())
    }
}

impl Geometry {
    /// Credits that the costliest READ or WRITE takes.
    #[inline]
    pub fn max_cost(&self) -> u32 {
        // A run that starts within a page touches one more.
        let pages = (self.max_frame_sectors.0 / PAGE_SECTORS).saturating_add(1);

        pages.min(MAX_RUN_PAGES)
    }

    /// Sectors in a logical block.
    #[inline]
    pub fn block_sectors(&self) -> u32 {
        self.logical_block / SECTOR_SIZE
    }

    /// Whether nothing can be written.
    #[inline]
    pub fn is_read_only(&self) -> bool {
        self.flags.contains(DiskFlags::READ_ONLY)
    }

    /// Whether acknowledged writes may be lost until the next FLUSH.
    #[inline]
    pub fn has_volatile_cache(&self) -> bool {
        self.flags.contains(DiskFlags::VOLATILE_CACHE)
    }

    /// Checks what every geometry has to fulfil, whoever says it.
    ///
    /// # Errors
    ///
    /// See [`GeometryError`].
    pub fn validate(&self) -> Result<(), GeometryError> {
        let block = self.logical_block;

        if !block.is_power_of_two() || !(SECTOR_SIZE..=PAGE_SIZE).contains(&block) {
            return Err(GeometryError::LogicalBlock);
        }
        if !self.physical_block.is_power_of_two() || self.physical_block < block {
            return Err(GeometryError::PhysicalBlock);
        }
        if self.sectors.checked_rem(u64::from(self.block_sectors())) != Some(0)
            || self.sectors > MAX_SECTORS
        {
            return Err(GeometryError::Size);
        }
        if !(PAGE_SECTORS..=MAX_FRAME_SECTORS).contains(&self.max_frame_sectors.0)
            || self.max_frame_sectors.0 % PAGE_SECTORS != 0
        {
            return Err(GeometryError::MaxFrame);
        }
        match DiskFlags::KNOWN.contains(self.flags) {
            true => Ok(()),
            false => Err(GeometryError::Flags),
        }
    }

    /// The geometry as on the wire, for the payload of an EVENT.
    pub fn encode(&self) -> [u8; GEOMETRY_SIZE] {
        transmute!(RawGeometry::from(self))
    }

    /// Reads and checks the geometry at the beginning of the payload of an EVENT.
    ///
    /// Whatever follows are attributes, see [`super::attribute`].
    ///
    /// # Errors
    ///
    /// See [`GeometryError`].
    pub fn decode(bytes: &[u8]) -> Result<(Self, &[u8]), GeometryError> {
        let (raw, attributes) =
            RawGeometry::read_from_prefix(bytes).map_err(|_| GeometryError::Length)?;

        Ok((Self::try_from(&raw)?, attributes))
    }
}

impl From<&Geometry> for RawGeometry {
    fn from(geometry: &Geometry) -> Self {
        Self {
            sectors: geometry.sectors.into(),
            logical_block: geometry.logical_block.into(),
            physical_block: geometry.physical_block.into(),
            io_min: geometry.io_min.into(),
            io_opt: geometry.io_opt.into(),
            max_frame_sectors: geometry.max_frame_sectors.0.into(),
            max_discard_sectors: geometry.max_discard_sectors.0.into(),
            discard_granularity: geometry.discard_granularity.into(),
            max_write_zeroes_sectors: geometry.max_write_zeroes_sectors.0.into(),
            flags: geometry.flags.bits().into(),
            reserved: U32::ZERO,
        }
    }
}

impl TryFrom<&RawGeometry> for Geometry {
    type Error = GeometryError;

    fn try_from(raw: &RawGeometry) -> Result<Self, GeometryError> {
        let geometry = Self {
            sectors: raw.sectors.get(),
            logical_block: raw.logical_block.get(),
            physical_block: raw.physical_block.get(),
            io_min: raw.io_min.get(),
            io_opt: raw.io_opt.get(),
            max_frame_sectors: Sectors(raw.max_frame_sectors.get()),
            max_discard_sectors: Sectors(raw.max_discard_sectors.get()),
            discard_granularity: raw.discard_granularity.get(),
            max_write_zeroes_sectors: Sectors(raw.max_write_zeroes_sectors.get()),
            flags: DiskFlags::from_bits(raw.flags.get()),
        };

        if raw.reserved.get() != 0 {
            return Err(GeometryError::Reserved);
        }
        geometry.validate()?;
        Ok(geometry)
    }
}
