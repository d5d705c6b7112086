// SPDX-License-Identifier: GPL-2.0

//! Buckets of times: they cover all of them without gaps, and are as narrow as promised.

use dst_proto::latency::{
    Bucket,
    BUCKETS,
    PARTS, //
};
use proptest::prelude::*;

#[test]
fn the_buckets_follow_each_other_from_nothing_to_for_ever() {
    let all: Vec<_> = Bucket::all().collect();

    assert_eq!(all.len(), BUCKETS);
    assert_eq!(all[0].from(), 0);
    assert_eq!(all[BUCKETS - 1].to(), u64::MAX);
    for (index, bucket) in all.iter().enumerate() {
        assert_eq!(bucket.index(), index);
        assert!(bucket.from() <= bucket.to());
    }
    for pair in all.windows(2) {
        assert_eq!(pair[0].to() + 1, pair[1].from());
    }
}

#[test]
fn they_are_where_the_document_says() {
    for (nanoseconds, from, to) in [
        (0, 0, 1023),
        (1023, 0, 1023),
        (1024, 1024, 1151),
        (1152, 1152, 1279),
        (2047, 1920, 2047),
        (2048, 2048, 2303),
        (1_000_000, 983_040, 1_048_575),
        ((1 << 36) - 1, 64_424_509_440, (1 << 36) - 1),
        (1 << 36, 1 << 36, u64::MAX),
        (u64::MAX, 1 << 36, u64::MAX),
    ] {
        let bucket = Bucket::of(nanoseconds);

        assert_eq!((bucket.from(), bucket.to()), (from, to), "{nanoseconds}");
    }
    assert_eq!(BUCKETS, 210);
}

proptest! {
    #[test]
    fn a_time_is_in_its_bucket(power in 0_u32..64, low: u64) {
        // All magnitudes are as likely.
        let nanoseconds = (low >> (63 - power)) | (1 << power);
        let bucket = Bucket::of(nanoseconds);

        prop_assert!(bucket.from() <= nanoseconds);
        prop_assert!(nanoseconds <= bucket.to());
        prop_assert!(bucket.index() < BUCKETS);
    }

    #[test]
    fn a_bucket_is_narrow(index in 1_usize..BUCKETS - 1) {
        let bucket = Bucket::all().nth(index).unwrap();
        let width = bucket.to() - bucket.from() + 1;

        prop_assert!(width * PARTS as u64 <= bucket.from());
        prop_assert_eq!(Bucket::of(bucket.from()), bucket);
        prop_assert_eq!(Bucket::of(bucket.to()), bucket);
    }

    #[test]
    fn a_longer_time_is_in_no_earlier_bucket(shift in 0_u32..64, a: u64, b: u64) {
        let (a, b) = (a >> shift, b >> shift);

        prop_assert!(Bucket::of(a.min(b)) <= Bucket::of(a.max(b)));
    }
}
