// SPDX-License-Identifier: GPL-2.0

//! Arithmetic of extents, runs and pages, sector by sector.

use arbitrary::Arbitrary;
use dst_proto::run::{
    Extent,
    Run, //
};
use dst_proto::units::{
    PageMask,
    Sector,
    Sectors, //
};

/// An extent, and what is done with it.
#[derive(Arbitrary, Debug)]
pub struct Input {
    start: u64,
    /// Counts the start from the end of all numbers.
    top: bool,
    len: u16,
    max: u16,
    /// Part of each run that was acknowledged: offset and length in sectors.
    part: (u16, u16),
    mask: u64,
}

/// Cuts an extent into runs and acknowledges parts of them.
pub fn fuzz(input: &Input) {
    let start = match input.top {
        true => u64::MAX - (input.start & 0xffff),
        false => input.start,
    };
    let fits = start.checked_add(u64::from(input.len)).is_some();
    let extent = Extent::new(Sector(start), Sectors(u32::from(input.len)));

    assert_eq!(extent.is_some(), fits && input.len != 0);

    let Some(extent) = extent else {
        return;
    };
    let max = u64::from(input.max).clamp(1, 512);
    let mut next = start;

    for (number, run) in extent.runs(Sectors(u32::from(input.max))).enumerate() {
        let (from, to) = bounds(&run.extent());

        assert_eq!(from, next, "a gap, or twice");
        assert!(to - from <= max && run.pages() <= 64);
        assert_eq!(u64::from(run.pages()), (to - 1) / 8 - from / 8 + 1);
        next = to;
        // Most are alike.
        if number < 16 {
            acknowledge(&run, input);
        }
    }
    assert_eq!(next, extent.end().0);
}

/// First sector, and the one behind the last.
fn bounds(extent: &Extent) -> (u64, u64) {
    (extent.start().0, extent.end().0)
}

/// A part of the run is acknowledged: exactly the pages all of whose sectors of the run are in the
/// part are done.
fn acknowledge(run: &Run, input: &Input) {
    let (from, to) = bounds(&run.extent());
    let page = |bit: u64| {
        let begin = (from / 8 + bit) * 8;

        (begin.max(from), begin.saturating_add(8).min(to))
    };
    let start = from.saturating_add(u64::from(input.part.0) % 1024);
    let part = Extent::new(Sector(start), Sectors(u32::from(input.part.1) % 1024));

    if let Some(part) = part {
        let (first, end) = bounds(&part);
        let covered = run.covered(&part);

        assert_eq!(covered.is_some(), first >= from && end <= to);
        if let Some(covered) = covered {
            let expected = (0..u64::from(run.pages()))
                .filter(|bit| first <= page(*bit).0 && page(*bit).1 <= end)
                .fold(0, |mask, bit| mask | (1_u64 << bit));

            assert_eq!(covered, PageMask(expected));
            assert!(run.all().contains(covered));
        }
    }

    let mut named = 0;
    let mut last = None;
    let wanted = PageMask(input.mask & run.all().0);

    for part in run.parts(wanted) {
        let (first, end) = bounds(&part);

        assert!(
            last.is_none_or(|last| last < first),
            "not apart, or not in order"
        );
        last = Some(end);
        for bit in 0..u64::from(run.pages()) {
            let (begin, behind) = page(bit);

            if first <= begin && behind <= end {
                named |= 1_u64 << bit;
            } else {
                assert!(end <= begin || behind <= first, "half a page");
            }
        }
    }
    assert_eq!(PageMask(named), wanted);
}
