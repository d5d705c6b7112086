// SPDX-License-Identifier: GPL-2.0

//! The units that everything else counts in.
//!
//! Disk addresses and lengths are sectors of 512 bytes, whatever the logical block of the disk. A
//! *page* is 4096 bytes of disk address space: page `n` holds the sectors `8n..8n + 8`. It is a
//! constant of the protocol and says nothing about the page size of either machine.
//!
//! No arithmetic here can overflow silently: whatever may not fit returns [`Option`].

/// Bytes in a sector.
pub const SECTOR_SIZE: u32 = 512;

/// Bytes in a page of the protocol.
pub const PAGE_SIZE: u32 = 4096;

/// Sectors in a page of the protocol.
pub const PAGE_SECTORS: u32 = PAGE_SIZE / SECTOR_SIZE;

/// [`SECTOR_SIZE`], for addresses.
const SECTOR_BYTES: u64 = SECTOR_SIZE as u64;

/// [`PAGE_SECTORS`], for addresses.
pub(super) const SECTORS_IN_PAGE: u64 = PAGE_SECTORS as u64;

/// Pages that one run may touch, so that the state of all its pages is one [`PageMask`].
pub const MAX_RUN_PAGES: u32 = u64::BITS;

/// Sectors that one frame may carry, whatever the peers agree on.
pub const MAX_FRAME_SECTORS: u32 = MAX_RUN_PAGES * PAGE_SECTORS;

/// A disk address in sectors.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Sector(pub u64);

impl Sector {
    /// The address `len` sectors further on, unless it does not fit.
    #[inline]
    pub fn checked_add(self, len: Sectors) -> Option<Self> {
        self.0.checked_add(u64::from(len.0)).map(Self)
    }

    /// How many sectors `self` lies behind `earlier`, unless it lies before it or too far away.
    #[inline]
    pub fn since(self, earlier: Self) -> Option<Sectors> {
        let distance = self.0.checked_sub(earlier.0)?;

        u32::try_from(distance).ok().map(Sectors)
    }

    /// The number of the page that holds this sector.
    #[inline]
    pub fn page(self) -> u64 {
        self.0 / SECTORS_IN_PAGE
    }

    /// Whether the address is a multiple of `unit` sectors; nothing is a multiple of zero.
    #[inline]
    pub fn is_multiple_of(self, unit: u32) -> bool {
        self.0.checked_rem(u64::from(unit)) == Some(0)
    }
}

/// A length in sectors.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Sectors(pub u32);

impl Sectors {
    /// The length of `bytes` bytes, unless it is no whole number of sectors or does not fit.
    #[inline]
    pub fn from_bytes(bytes: u64) -> Option<Self> {
        if bytes % SECTOR_BYTES != 0 {
            return None;
        }
        u32::try_from(bytes / SECTOR_BYTES).ok().map(Self)
    }

    /// The length in bytes, which always fits.
    #[inline]
    pub fn bytes(self) -> u64 {
        u64::from(self.0).saturating_mul(SECTOR_BYTES)
    }

    /// Whether there is nothing.
    #[inline]
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }
}

/// One bit for each page of a run: bit 0 is the first page that the run touches.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct PageMask(pub u64);

impl PageMask {
    /// No page.
    pub const EMPTY: Self = Self(0);

    /// The pages `first..first + count`, as far as there are bits for them.
    #[inline]
    pub fn range(first: u32, count: u32) -> Self {
        let low = match u64::BITS.checked_sub(count) {
            Some(u64::BITS) => 0,
            Some(unused) => u64::MAX.wrapping_shr(unused),
            None => u64::MAX,
        };

        Self(low.checked_shl(first).unwrap_or(0))
    }

    /// Whether no page is in the mask.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many pages are in the mask.
    #[inline]
    pub fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether every page of `other` is in the mask.
    #[inline]
    pub fn contains(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// Whether some page of `other` is in the mask.
    #[inline]
    pub fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The pages of either mask.
    #[inline]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The pages of this mask that `other` lacks.
    #[inline]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The lowest uninterrupted sequence of pages in the mask, as (first, count).
    #[inline]
    pub fn lowest_range(self) -> Option<(u32, u32)> {
        if self.is_empty() {
            return None;
        }

        let first = self.0.trailing_zeros();
        let count = self.0.wrapping_shr(first).trailing_ones();

        Some((first, count))
    }
}

/// Which establishment of a session something belongs to; 0 is none yet.
///
/// The client raises it whenever it starts over with no connection left, see
/// [`super::session::Session`].
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Epoch(pub u32);

impl Epoch {
    /// Whether it is the one that a session begins with.
    #[inline]
    pub fn is_first(self) -> bool {
        self.0 <= 1
    }

    /// The following epoch; after the last one a session needs a new identity.
    #[inline]
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

/// Which incarnation of one connection of a session something belongs to; 0 is none yet.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Generation(pub u32);

impl Generation {
    /// The following generation; after the last one a session needs a new epoch.
    #[inline]
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

/// The epoch and the generation that every frame of a connection carries.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Stamp {
    /// Epoch of the session.
    pub epoch: Epoch,
    /// Generation of the connection within the epoch.
    pub generation: Generation,
}

/// Names a request until its reply has come: a slot of the sender's table and that slot's
/// generation, so that a late, repeated or invented reply finds nothing.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Handle(pub u64);

impl Handle {
    /// The handle of frames that belong to no request. No table ever gives it away.
    pub const NONE: Self = Self(0);

    /// The handle of `slot` in its `generation`.
    #[inline]
    pub fn new(generation: u32, slot: u32) -> Self {
        Self((u64::from(generation) << 32) | u64::from(slot))
    }

    /// The generation of the slot.
    #[inline]
    pub fn generation(self) -> u32 {
        // The upper half of 64 bits, which fits.
        (self.0 >> 32) as u32
    }

    /// The number of the slot.
    #[inline]
    pub fn slot(self) -> u32 {
        // The lower half, on purpose.
        self.0 as u32
    }
}

/// Identity of an export: the same for as long as it is the same data.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// Stands for "any export of that name" in a hello.
    pub const ANY: Self = Self([0; 16]);

    /// Whether this is [`Self::ANY`].
    #[inline]
    pub fn is_any(&self) -> bool {
        *self == Self::ANY
    }
}

/// Identity of a session, chosen at random by the client.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct SessionId(pub [u8; 16]);

/// Identity of one boot of the server's machine.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct BootId(pub [u8; 16]);
