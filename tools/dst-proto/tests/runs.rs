// SPDX-License-Identifier: GPL-2.0

//! Runs, masks and acknowledgements against models that count sector by sector.

mod common;

use std::collections::BTreeSet;

use common::extent;
use dst_proto::pages::{
    AckError,
    Pages,
    Progress, //
};
use dst_proto::run::{
    Extent,
    Run, //
};
use dst_proto::units::{
    PageMask,
    Sector,
    Sectors, //
};
use proptest::prelude::*;

/// The sectors of an extent.
fn sectors(extent: &Extent) -> BTreeSet<u64> {
    (extent.start().0..extent.end().0).collect()
}

/// The sectors of a run that lie in its page `bit`.
fn sectors_of_page(run: &Run, bit: u32) -> BTreeSet<u64> {
    let page = run.extent().start().0 / 8 + u64::from(bit);

    sectors(&run.extent())
        .into_iter()
        .filter(|sector| sector / 8 == page)
        .collect()
}

/// The pages of a run that `done` covers, one by one.
fn model_mask(run: &Run, done: &BTreeSet<u64>) -> PageMask {
    (0..run.pages())
        .filter(|bit| sectors_of_page(run, *bit).is_subset(done))
        .fold(PageMask::EMPTY, |mask, bit| {
            mask.union(PageMask::range(bit, 1))
        })
}

/// A run somewhere, with a part of it.
fn run_and_part() -> impl Strategy<Value = (Run, Extent)> {
    (
        prop_oneof![0..64_u64, u64::MAX - 600..u64::MAX - 520],
        1_u32..=505,
    )
        .prop_flat_map(|(start, len)| (Just(start), Just(len), 0..len))
        .prop_flat_map(|(start, len, from)| (Just(start), Just(len), Just(from), 1..=len - from))
        .prop_map(|(start, len, from, count)| {
            (
                Run::new(extent(start, len)).expect("505 sectors fit"),
                extent(start + u64::from(from), count),
            )
        })
}

#[test]
fn extents_are_possible_ones() {
    let new = |start, len| Extent::new(Sector(start), Sectors(len));

    assert_eq!(new(0, 0), None);
    assert_eq!(new(u64::MAX, 1), None);
    assert_eq!(new(u64::MAX - 7, 8), None);
    assert_eq!(
        new(u64::MAX - 8, 8).map(|e| e.end()),
        Some(Sector(u64::MAX))
    );
    assert_eq!(new(0, u32::MAX).map(|e| e.pages()), Some(1 << 29));
    assert_eq!(new(7, u32::MAX).map(|e| e.pages()), Some((1 << 29) + 1));
}

#[test]
fn a_run_touches_64_pages() {
    let pages = |start, len| Run::new(extent(start, len)).map(|run| run.pages());

    assert_eq!(pages(0, 512), Some(64));
    assert_eq!(pages(7, 505), Some(64));
    assert_eq!(pages(7, 506), None);
    assert_eq!(pages(1, 512), None);
    assert_eq!(pages(7, 2), Some(2));
}

#[test]
fn masks_at_their_ends() {
    assert_eq!(PageMask::range(0, 0), PageMask(0));
    assert_eq!(PageMask::range(0, 64), PageMask(u64::MAX));
    assert_eq!(PageMask::range(0, 65), PageMask(u64::MAX));
    assert_eq!(PageMask::range(63, 1), PageMask(1 << 63));
    assert_eq!(PageMask::range(63, 2), PageMask(1 << 63));
    assert_eq!(PageMask::range(64, 1), PageMask(0));
    assert_eq!(PageMask::range(u32::MAX, u32::MAX), PageMask(0));
    assert_eq!(PageMask(u64::MAX).lowest_range(), Some((0, 64)));
    assert_eq!(PageMask(1 << 63).lowest_range(), Some((63, 1)));
    assert_eq!(PageMask(0b0110_1100).lowest_range(), Some((2, 2)));
    assert_eq!(PageMask::EMPTY.lowest_range(), None);
}

#[test]
fn partial_first_and_last_pages_count() {
    // Sectors 6..19: two of page 0, all of page 1, three of page 2.
    let run = Run::new(extent(6, 13)).expect("a small run");

    assert_eq!(run.pages(), 3);
    assert_eq!(run.covered(&extent(6, 2)), Some(PageMask(0b001)));
    assert_eq!(run.covered(&extent(6, 13)), Some(PageMask(0b111)));
    assert_eq!(run.covered(&extent(16, 3)), Some(PageMask(0b100)));
    assert_eq!(run.covered(&extent(7, 1)), Some(PageMask(0b000)));
    assert_eq!(run.covered(&extent(7, 9)), Some(PageMask(0b010)));
    assert_eq!(run.covered(&extent(16, 2)), Some(PageMask(0b000)));
    assert_eq!(run.covered(&extent(5, 3)), None);
    assert_eq!(run.covered(&extent(16, 4)), None);
    assert_eq!(run.part(0, 1), Some(extent(6, 2)));
    assert_eq!(run.part(1, 2), Some(extent(8, 11)));
    assert_eq!(run.part(1, 3), None);
    assert_eq!(run.part(0, 0), None);
    assert_eq!(run.part(u32::MAX, 2), None);
}

#[test]
fn acknowledgements_are_whole_pages_once() {
    let mut pages = Pages::new(Run::new(extent(6, 13)).expect("a small run"));

    assert_eq!(pages.acknowledge(&extent(8, 8)), Ok(Progress::Partial));
    assert_eq!(pages.acknowledge(&extent(8, 8)), Err(AckError::Duplicate));
    assert_eq!(pages.acknowledge(&extent(6, 13)), Err(AckError::Duplicate));
    assert_eq!(pages.acknowledge(&extent(6, 1)), Err(AckError::Ragged));
    assert_eq!(pages.acknowledge(&extent(16, 4)), Err(AckError::OutOfRange));
    assert_eq!(pages.acknowledge(&extent(0, 1)), Err(AckError::OutOfRange));
    assert_eq!(
        pages.missing().collect::<Vec<_>>(),
        [extent(6, 2), extent(16, 3)]
    );
    assert_eq!(pages.acknowledge(&extent(16, 3)), Ok(Progress::Partial));
    assert!(!pages.is_done());
    assert_eq!(pages.acknowledge(&extent(6, 2)), Ok(Progress::Done));
    assert!(pages.is_done());
    assert_eq!(pages.missing().next(), None);
}

#[test]
fn runs_end_where_pages_end() {
    let cut = |start, len, max| {
        extent(start, len)
            .runs(Sectors(max))
            .map(|run| (run.extent().start().0, run.extent().len().0))
            .collect::<Vec<_>>()
    };

    assert_eq!(cut(3, 20, 512), [(3, 20)]);
    // As many sectors as a frame may have, but one page too many.
    assert_eq!(cut(3, 512, 512), [(3, 509), (512, 3)]);
    assert_eq!(cut(3, 20, 8), [(3, 5), (8, 8), (16, 7)]);
    assert_eq!(cut(3, 20, 12), [(3, 5), (8, 8), (16, 7)]);
    assert_eq!(cut(3, 1024, 512), [(3, 509), (512, 512), (1024, 3)]);
    // Fewer sectors than a page has: no other way.
    assert_eq!(cut(6, 5, 3), [(6, 2), (8, 3)]);
    assert_eq!(cut(0, 2, 0), [(0, 1), (1, 1)]);
}

proptest! {
    #[test]
    fn runs_cover_exactly(
        start in prop_oneof![0_u64..2000, u64::MAX - 9000..u64::MAX - 4097],
        len in 1_u32..4096,
        max in 0_u32..600,
    ) {
        let whole = extent(start, len);
        let mut next = whole.start();

        for run in whole.runs(Sectors(max)) {
            let extent = run.extent();

            prop_assert_eq!(extent.start(), next);
            prop_assert!(extent.len().0 <= max.clamp(1, 512));
            prop_assert!(run.pages() <= 64);
            prop_assert!(extent.end() == whole.end() || max < 8 || extent.end().0 % 8 == 0);
            next = extent.end();
        }
        prop_assert_eq!(next, whole.end());
    }

    #[test]
    fn huge_extents_end(start: u64, len in 1_u32.., max in 500_u32..) {
        if let Some(whole) = Extent::new(Sector(start), Sectors(len)) {
            let first = whole.runs(Sectors(max)).next().expect("not empty");

            prop_assert_eq!(first.extent().start(), whole.start());
            prop_assert!(first.pages() <= 64);
        }
    }

    #[test]
    fn masks_agree_with_counting((run, part) in run_and_part()) {
        let mask = run.covered(&part).expect("a part");

        prop_assert_eq!(mask, model_mask(&run, &sectors(&part)));
        prop_assert!(run.all().contains(mask));
        prop_assert_eq!(run.all().count(), run.pages());
        prop_assert_eq!(
            run.pages() as usize,
            sectors(&run.extent()).iter().map(|s| s / 8).collect::<BTreeSet<_>>().len()
        );
    }

    #[test]
    fn parts_are_the_pages_of_the_mask((run, _) in run_and_part(), bits: u64) {
        let mask = PageMask(bits & run.all().0);
        let parts: Vec<_> = run.parts(mask).collect();
        let expected: BTreeSet<_> = (0..run.pages())
            .filter(|bit| mask.intersects(PageMask::range(*bit, 1)))
            .flat_map(|bit| sectors_of_page(&run, bit))
            .collect();

        prop_assert_eq!(parts.iter().flat_map(sectors).collect::<BTreeSet<_>>(), expected);
        // As long as possible: no two of them touch.
        prop_assert!(parts.windows(2).all(|pair| pair[0].end() < pair[1].start()));
        prop_assert!(parts.iter().all(|part| run.covered(part).is_some_and(|m| mask.contains(m))));
    }

    #[test]
    fn acknowledgements_agree_with_counting(
        (run, _) in run_and_part(),
        acks in prop::collection::vec((any::<bool>(), 0_u32..64, 1_u32..9), 1..40),
    ) {
        let mut pages = Pages::new(run);
        let mut done = BTreeSet::new();
        let all: Vec<_> = (0..run.pages()).map(|bit| sectors_of_page(&run, bit)).collect();

        for (whole_pages, first, count) in acks {
            let part = match whole_pages {
                true => run.part(first % run.pages(), count),
                false => Extent::new(
                    Sector(run.extent().start().0 + u64::from(first)),
                    Sectors(count),
                ),
            };
            let Some(part) = part else {
                continue;
            };
            let covered = sectors(&part);
            let inside = covered.is_subset(&sectors(&run.extent()));
            // Whole pages: it covers all or nothing of each.
            let whole = all.iter().all(|page| {
                page.is_subset(&covered) || page.is_disjoint(&covered)
            });
            let expected = match (inside, whole, done.is_disjoint(&covered)) {
                (false, _, _) => Err(AckError::OutOfRange),
                (true, false, _) => Err(AckError::Ragged),
                (true, true, false) => Err(AckError::Duplicate),
                (true, true, true) => {
                    done.extend(covered);
                    Ok(match done == sectors(&run.extent()) {
                        true => Progress::Done,
                        false => Progress::Partial,
                    })
                }
            };

            prop_assert_eq!(pages.acknowledge(&part), expected);
        }

        prop_assert_eq!(pages.acked(), model_mask(&run, &done));

        let missing: BTreeSet<_> = pages.missing().flat_map(|part| sectors(&part)).collect();

        prop_assert!(missing.is_disjoint(&done));
        prop_assert_eq!(missing.len() + done.len(), sectors(&run.extent()).len());
    }
}
