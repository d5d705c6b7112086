// SPDX-License-Identifier: GPL-2.0

//! What a storage or an export has done, and how long it took.

use super::{
    Counters,
    Operation, //
};
use crate::netlink::{
    Malformed,
    Reader, //
};
use crate::uapi::{
    bucket,
    export_stats,
    storage_stats,
    timing, //
};
use serde::Serialize;

/// How often something has taken about how long.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Bucket {
    /// The shortest time in it.
    pub from_ns: u64,
    /// The longest time in it, unless it has no end.
    pub to_ns: Option<u64>,
    /// How often.
    pub count: u64,
}

/// How long one operation took.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Timing {
    /// The operation.
    pub operation: Operation,
    /// Times that occurred, the shortest first.
    pub buckets: Vec<Bucket>,
    /// How many bytes it was about.
    pub bytes: u64,
    /// The longest time.
    pub longest_ns: u64,
}

/// What a storage or an export has done in some time.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Stats {
    /// Name of the object.
    pub name: String,
    /// That time.
    pub period_ns: u64,
    /// What was done.
    pub timings: Vec<Timing>,
    /// Its counters.
    pub counters: Counters,
    /// How often, and for how long, a storage waited for its server to have room.
    pub credits: Option<(u64, u64)>,
}

/// How attributes are called.
struct Kinds {
    name: u16,
    age_ns: u16,
    timing: u16,
    counters: u16,
}

impl Bucket {
    fn parse(attributes: Reader<'_>) -> Result<Self, Malformed> {
        let mut parsed = Self::default();

        for attribute in attributes {
            let a = attribute?;

            match a.kind {
                bucket::FROM_NS => parsed.from_ns = a.number()?,
                bucket::TO_NS => parsed.to_ns = Some(a.number()?),
                bucket::COUNT => parsed.count = a.number()?,
                _ => {}
            }
        }
        Ok(parsed)
    }
}

impl Timing {
    fn parse(attributes: Reader<'_>) -> Result<Self, Malformed> {
        let mut parsed = Self {
            operation: Operation::Unknown(0),
            buckets: vec![],
            bytes: 0,
            longest_ns: 0,
        };

        for attribute in attributes {
            let a = attribute?;

            match a.kind {
                timing::OPERATION => parsed.operation = a.u32()?.into(),
                timing::BUCKET => parsed.buckets.push(Bucket::parse(a.nested())?),
                timing::BYTES => parsed.bytes = a.number()?,
                timing::LONGEST_NS => parsed.longest_ns = a.number()?,
                _ => {}
            }
        }
        parsed.buckets.sort_by_key(|bucket| bucket.from_ns);
        Ok(parsed)
    }

    /// Returns how often it was done.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.count).sum()
    }

    /// Returns a time that at least `parts` of 1000 have not exceeded, as short as buckets can tell:
    /// it may be longer by an eighth than it was. [`None`] if there was nothing.
    pub fn percentile(&self, parts: u64) -> Option<u64> {
        let wanted = (u128::from(self.count()) * u128::from(parts)).div_ceil(1000);
        let mut sum = 0;

        self.buckets
            .iter()
            .find(|bucket| {
                sum += u128::from(bucket.count);
                sum >= wanted.max(1)
            })
            .map(|bucket| {
                let end = bucket.to_ns.unwrap_or(self.longest_ns);

                end.min(self.longest_ns)
            })
    }

    /// Returns what has come since `earlier`.
    fn since(&self, earlier: &Self) -> Self {
        let before = |bucket: &Bucket| {
            earlier
                .buckets
                .iter()
                .find(|other| other.from_ns == bucket.from_ns)
                .map_or(0, |other| other.count)
        };
        let buckets: Vec<_> = self
            .buckets
            .iter()
            .map(|bucket| Bucket {
                count: bucket.count.saturating_sub(before(bucket)),
                ..*bucket
            })
            .filter(|bucket| bucket.count > 0)
            .collect();
        // If it has not grown, the longest time of before may be longer than all since.
        let longest_ns = match (buckets.last(), self.longest_ns > earlier.longest_ns) {
            (None, _) => 0,
            (Some(_), true) => self.longest_ns,
            (Some(last), false) => last
                .to_ns
                .map_or(self.longest_ns, |end| end.min(self.longest_ns)),
        };

        Self {
            operation: self.operation,
            buckets,
            bytes: self.bytes.saturating_sub(earlier.bytes),
            longest_ns,
        }
    }
}

impl Stats {
    /// Reads those of a storage from its attributes.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if one of them is not what it should be.
    pub fn of_storage(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut stats = Self::parse(
            bytes,
            &Kinds {
                name: storage_stats::NAME,
                age_ns: storage_stats::AGE_NS,
                timing: storage_stats::TIMING,
                counters: storage_stats::COUNTERS,
            },
        )?;
        let mut credits = (0, 0);

        for attribute in Reader::new(bytes) {
            let a = attribute?;

            match a.kind {
                storage_stats::CREDIT_WAITS => credits.0 = a.number()?,
                storage_stats::CREDIT_WAIT_NS => credits.1 = a.number()?,
                _ => {}
            }
        }
        stats.credits = Some(credits);
        Ok(stats)
    }

    /// Reads those of an export from its attributes.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if one of them is not what it should be.
    pub fn of_export(bytes: &[u8]) -> Result<Self, Malformed> {
        Self::parse(
            bytes,
            &Kinds {
                name: export_stats::NAME,
                age_ns: export_stats::AGE_NS,
                timing: export_stats::TIMING,
                counters: export_stats::COUNTERS,
            },
        )
    }

    fn parse(bytes: &[u8], kinds: &Kinds) -> Result<Self, Malformed> {
        let mut stats = Self::default();

        for attribute in Reader::new(bytes) {
            let a = attribute?;

            if a.kind == kinds.name {
                stats.name = a.string();
            } else if a.kind == kinds.age_ns {
                stats.period_ns = a.number()?;
            } else if a.kind == kinds.timing {
                stats.timings.push(Timing::parse(a.nested())?);
            } else if a.kind == kinds.counters {
                stats.counters = Counters::parse(a.nested())?;
            }
        }
        Ok(stats)
    }

    /// Returns what was done since `earlier`, or all if the object is another one since then.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let Some(period_ns) = self.period_ns.checked_sub(earlier.period_ns) else {
            return self.clone();
        };
        let timings = self
            .timings
            .iter()
            .map(|timing| {
                earlier
                    .timings
                    .iter()
                    .find(|other| other.operation == timing.operation)
                    .map_or_else(|| timing.clone(), |other| timing.since(other))
            })
            .collect();
        let credits = match (self.credits, earlier.credits) {
            (Some(now), Some(then)) => {
                Some((now.0.saturating_sub(then.0), now.1.saturating_sub(then.1)))
            }
            (credits, _) => credits,
        };

        Self {
            name: self.name.clone(),
            period_ns,
            timings,
            counters: self.counters.since(&earlier.counters),
            credits,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing(buckets: &[(u64, Option<u64>, u64)], longest_ns: u64) -> Timing {
        Timing {
            operation: Operation::Read,
            buckets: buckets
                .iter()
                .map(|&(from_ns, to_ns, count)| Bucket {
                    from_ns,
                    to_ns,
                    count,
                })
                .collect(),
            bytes: 0,
            longest_ns,
        }
    }

    #[test]
    fn percentiles_are_where_so_many_are_done() {
        let all = timing(
            &[
                (1000, Some(1999), 500),
                (2000, Some(2999), 400),
                (3000, Some(3999), 99),
                (9000, None, 1),
            ],
            12_345,
        );

        assert_eq!(all.count(), 1000);
        for (parts, time) in [
            (0, 1999),
            (500, 1999),
            (501, 2999),
            (900, 2999),
            (990, 3999),
            (999, 3999),
            (1000, 12_345),
        ] {
            assert_eq!(all.percentile(parts), Some(time), "{parts}");
        }
        assert_eq!(timing(&[], 0).percentile(500), None);
        // Nothing has taken longer than the longest.
        assert_eq!(
            timing(&[(1000, Some(1999), 3)], 1500).percentile(500),
            Some(1500)
        );
    }

    #[test]
    fn what_was_before_does_not_count() {
        let before = timing(&[(1000, Some(1999), 5), (8000, Some(8999), 1)], 8500);
        let now = timing(
            &[
                (1000, Some(1999), 5),
                (4000, Some(4999), 2),
                (8000, Some(8999), 1),
            ],
            8500,
        );
        let since = now.since(&before);

        assert_eq!(since, timing(&[(4000, Some(4999), 2)], 4999));
        assert_eq!(now.since(&now), timing(&[], 0));

        // What is longer than all before is new.
        let now = timing(&[(1000, Some(1999), 5), (8000, Some(8999), 2)], 8900);

        assert_eq!(now.since(&before), timing(&[(8000, Some(8999), 1)], 8900));
    }

    #[test]
    fn an_object_of_the_same_name_begins_anew() {
        let old = Stats {
            period_ns: 1000,
            timings: vec![timing(&[(1000, Some(1999), 5)], 1500)],
            ..Stats::default()
        };
        let new = Stats {
            period_ns: 10,
            timings: vec![timing(&[(1000, Some(1999), 1)], 1200)],
            ..Stats::default()
        };

        assert_eq!(new.since(&old), new);
        assert_eq!(old.since(&new).period_ns, 990);
        assert_eq!(old.since(&new).timings[0].count(), 4);
    }
}
