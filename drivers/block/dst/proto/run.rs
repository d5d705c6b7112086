// SPDX-License-Identifier: GPL-2.0

//! Extents of a disk and runs of pages.
//!
//! A *run* is what one READ or WRITE frame covers: an extent that touches at most
//! [`MAX_RUN_PAGES`] pages, so that one bit a page says what was acknowledged and what is missing.
//! The first and the last page of a run may be partial. A bit then stands for that part of the page
//! that belongs to the run.

use super::units::{
    PageMask,
    Sector,
    Sectors,
    MAX_FRAME_SECTORS,
    MAX_RUN_PAGES,
    SECTORS_IN_PAGE, //
};

/// A piece of a disk: not empty, and its end is an address.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Extent {
    /// First sector.
    start: Sector,
    /// Number of sectors, never zero.
    len: Sectors,
}

impl Extent {
    /// The extent of `len` sectors from `start`.
    ///
    /// Returns [`None`] if `len` is zero or the end does not fit into 64 bits.
    #[inline]
    pub fn new(start: Sector, len: Sectors) -> Option<Self> {
        start.checked_add(len)?;
        (!len.is_zero()).then_some(Self { start, len })
    }

    /// The extent from `start` up to, but not including, `end`.
    #[inline]
    fn between(start: Sector, end: Sector) -> Option<Self> {
        Self::new(start, end.since(start)?)
    }

    /// The first sector.
    #[inline]
    pub fn start(&self) -> Sector {
        self.start
    }

    /// The number of sectors, never zero.
    #[inline]
    pub fn len(&self) -> Sectors {
        self.len
    }

    /// Always false: an extent holds at least one sector.
    #[inline]
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The first sector behind the extent.
    #[inline]
    pub fn end(&self) -> Sector {
        // By construction this does not saturate.
        Sector(self.start.0.saturating_add(u64::from(self.len.0)))
    }

    /// Whether all of `other` lies within.
    #[inline]
    pub fn contains(&self, other: &Self) -> bool {
        self.start <= other.start && other.end() <= self.end()
    }

    /// Whether the two share a sector.
    #[inline]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.start < other.end() && other.start < self.end()
    }

    /// Where `part` starts within the extent, unless it is not part of it.
    #[inline]
    pub fn offset_of(&self, part: &Self) -> Option<Sectors> {
        if !self.contains(part) {
            return None;
        }
        part.start.since(self.start)
    }

    /// The number of pages that the extent touches.
    #[inline]
    pub fn pages(&self) -> u32 {
        let last = self.end().0.saturating_sub(1);
        let pages = Sector(last)
            .page()
            .saturating_sub(self.start.page())
            .saturating_add(1);

        // 2^32 sectors touch fewer than 2^32 pages.
        u32::try_from(pages).unwrap_or(u32::MAX)
    }

    /// Whether start and length are multiples of `unit` sectors.
    #[inline]
    pub fn is_aligned(&self, unit: u32) -> bool {
        self.start.is_multiple_of(unit) && Sector(u64::from(self.len.0)).is_multiple_of(unit)
    }

    /// Cuts the extent into runs of at most `max` sectors, see [`Runs`].
    #[inline]
    pub fn runs(&self, max: Sectors) -> Runs {
        Runs {
            rest: Some(*self),
            max: max.0.clamp(1, MAX_FRAME_SECTORS),
        }
    }
}

/// An extent that touches at most [`MAX_RUN_PAGES`] pages.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Run {
    /// What the run covers.
    extent: Extent,
}

impl Run {
    /// The run that covers `extent`, unless that touches too many pages.
    #[inline]
    pub fn new(extent: Extent) -> Option<Self> {
        (extent.pages() <= MAX_RUN_PAGES).then_some(Self { extent })
    }

    /// What the run covers.
    #[inline]
    pub fn extent(&self) -> Extent {
        self.extent
    }

    /// The number of pages that the run touches, which is its cost in credits.
    #[inline]
    pub fn pages(&self) -> u32 {
        self.extent.pages()
    }

    /// The mask of all pages of the run.
    #[inline]
    pub fn all(&self) -> PageMask {
        PageMask::range(0, self.pages())
    }

    /// The bit of the page that holds `sector`, which must lie in the run.
    #[inline]
    fn bit_of(&self, sector: Sector) -> u32 {
        let bit = sector.page().saturating_sub(self.extent.start.page());

        u32::try_from(bit).unwrap_or(MAX_RUN_PAGES)
    }

    /// The pages that `part` covers, as far as they belong to the run.
    ///
    /// A page that `part` covers only in part, though more of it belongs to the run, is not in the
    /// mask. Returns [`None`] if `part` is not within the run.
    pub fn covered(&self, part: &Extent) -> Option<PageMask> {
        if !self.extent.contains(part) {
            return None;
        }

        let mut first = self.bit_of(part.start);
        let mut end = self.bit_of(part.end());

        if part.start != self.extent.start && part.start.0 % SECTORS_IN_PAGE != 0 {
            first = first.saturating_add(1);
        }
        // `end` is the page behind the last one only if the last one was covered up to its end.
        if part.end() == self.extent.end() {
            end = self.pages();
        }
        Some(PageMask::range(first, end.saturating_sub(first)))
    }

    /// The part of the run that lies in the `count` pages from bit `first` on.
    ///
    /// Returns [`None`] if some of them are not pages of the run, or `count` is zero.
    pub fn part(&self, first: u32, count: u32) -> Option<Extent> {
        let end = first.checked_add(count)?;

        if count == 0 || end > self.pages() {
            return None;
        }

        let boundary = |bit: u32| {
            let page = self.extent.start.page().checked_add(u64::from(bit))?;

            page.checked_mul(SECTORS_IN_PAGE).map(Sector)
        };
        let start = boundary(first)?.max(self.extent.start);
        let end = match end == self.pages() {
            true => self.extent.end(),
            false => boundary(end)?,
        };

        Extent::between(start, end)
    }

    /// The parts of the run that `mask` names, each as long as possible, in ascending order.
    #[inline]
    pub fn parts(&self, mask: PageMask) -> Parts {
        Parts { run: *self, mask }
    }
}

/// Iterator over the runs of an extent, in ascending order.
///
/// Every run ends at the end of a page, except the last one, and except where fewer than
/// eight sectors are allowed in a frame. Thus neighbours never share a page.
#[derive(Clone, Debug)]
pub struct Runs {
    /// What is still to be cut.
    rest: Option<Extent>,
    /// Sectors that a run may have.
    max: u32,
}

impl Runs {
    /// Whether there are no more.
    #[inline]
    pub fn is_done(&self) -> bool {
        self.rest.is_none()
    }
}

impl Iterator for Runs {
    type Item = Run;

    fn next(&mut self) -> Option<Run> {
        let rest = self.rest.take()?;
        let pages_end = rest
            .start
            .page()
            .saturating_add(u64::from(MAX_RUN_PAGES))
            .saturating_mul(SECTORS_IN_PAGE);
        let limit = rest
            .start
            .0
            .saturating_add(u64::from(self.max))
            .min(pages_end);

        if rest.end().0 <= limit {
            return Run::new(rest);
        }

        let into_page = limit % SECTORS_IN_PAGE;
        let boundary = limit.saturating_sub(into_page);
        let cut = Sector(match boundary > rest.start.0 {
            true => boundary,
            false => limit,
        });

        self.rest = Extent::between(cut, rest.end());
        Run::new(Extent::between(rest.start, cut)?)
    }
}

/// Iterator over the parts of a run that a mask names, see [`Run::parts`].
#[derive(Clone, Debug)]
pub struct Parts {
    /// The run.
    run: Run,
    /// Pages that are still to be named.
    mask: PageMask,
}

impl Iterator for Parts {
    type Item = Extent;

    fn next(&mut self) -> Option<Extent> {
        let (first, count) = self.mask.lowest_range()?;

        self.mask = self.mask.without(PageMask::range(first, count));
        self.run.part(first, count)
    }
}
