// SPDX-License-Identifier: GPL-2.0

//! Walls: limits are kept exactly, nobody pays for others, and the table does not grow.

use dst_proto::{
    bucket::{
        Bucket,
        Rate, //
    },
    sources::{
        Place,
        Record,
        Source,
        Table, //
    },
    walls::{
        Account,
        Limit,
        Limits,
        Room,
        Stock,
        Wall,
        Walls, //
    }, //
};
use proptest::prelude::*;
use std::collections::{
    HashMap,
    VecDeque, //
};

const RATE: Rate = Rate {
    per_second: 4,
    burst: 3,
};

fn user(number: u32) -> Source {
    Source::User(number)
}

fn limits(source: u32, total: u32) -> Limits {
    Limits {
        stocks: [Limit { source, total }; Stock::COUNT],
        handshakes: Limit {
            source: RATE,
            total: Rate {
                per_second: 8,
                burst: 5,
            },
        },
    }
}

fn walls(source: u32, total: u32, places: usize) -> Walls<Vec<Place<Account>>> {
    Walls::new(limits(source, total), vec![Place::new(); places], 0x9e37)
}

#[test]
fn a_bucket_holds_its_burst_and_fills_at_its_rate() {
    let mut bucket = Bucket::new();

    assert!((0..3).all(|_| bucket.take(RATE, 1_000)));
    assert!(!bucket.take(RATE, 1_000));
    assert!(!bucket.take(RATE, 1_249));
    assert!(bucket.take(RATE, 1_250));
    assert!(!bucket.take(RATE, 1_250));
    // However long nobody came, there is no more than the burst.
    assert!((0..3).all(|_| bucket.take(RATE, u64::MAX)));
    assert!(!bucket.take(RATE, u64::MAX));
    // Back in time there is nothing to gain.
    assert!(!bucket.take(RATE, 0));
}

#[test]
fn a_bucket_without_tokens_gives_none() {
    let never = Rate {
        per_second: 1_000,
        burst: 0,
    };
    let once = Rate {
        per_second: 0,
        burst: 1,
    };

    assert!(!Bucket::new().take(never, 5_000));
    let mut bucket = Bucket::new();

    assert!(bucket.is_full(once, 0));
    assert!(bucket.take(once, 0));
    assert!(!bucket.is_full(once, u64::MAX));
    assert!(!bucket.take(once, u64::MAX));
}

#[test]
fn who_can_pass_for_each_other_is_one_source() {
    let of = |text: &str| Source::of(text.parse().unwrap());

    assert_eq!(of("10.0.0.1"), of("::ffff:10.0.0.1"));
    assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
    assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
    assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
    assert_ne!(of("::1"), of("0.0.0.1"));
}

#[test]
fn each_wall_has_a_number_and_words_of_its_own() {
    let all: Vec<Wall> = Stock::ALL
        .into_iter()
        .flat_map(|stock| [Wall::Source(stock), Wall::Total(stock)])
        .chain([Wall::SourceHandshakes, Wall::TotalHandshakes])
        .collect();
    let mut numbers: Vec<usize> = all.iter().map(|wall| wall.number()).collect();
    let mut texts: Vec<&str> = all.iter().map(|wall| wall.text()).collect();

    numbers.sort_unstable();
    assert_eq!(numbers, (0..Wall::COUNT).collect::<Vec<_>>());
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), Wall::COUNT);
    // They fit into a MESSAGE and an extended acknowledgement.
    assert!(texts.iter().all(|text| text.len() <= 60));
}

#[test]
fn limits_are_reached_and_released_exactly() {
    let stock = Stock::Sessions;
    let mut walls = walls(2, 3, 8);

    assert_eq!(walls.take(stock, user(1), 2), Ok(()));
    assert_eq!(walls.take(stock, user(1), 1), Err(Wall::Source(stock)));
    assert_eq!(walls.take(stock, user(2), 1), Ok(()));
    assert_eq!(walls.take(stock, user(2), 1), Err(Wall::Total(stock)));
    // Other stocks are other ones.
    assert_eq!(walls.take(Stock::Pages, user(1), 2), Ok(()));
    walls.give(stock, user(1), 1);
    assert_eq!(walls.take(stock, user(2), 1), Ok(()));
    assert_eq!(walls.take(stock, user(1), 1), Err(Wall::Total(stock)));
    assert_eq!(walls.held(stock), 3);
    assert_eq!(walls.refused()[Wall::Source(stock).number()], 1);
    assert_eq!(walls.refused()[Wall::Total(stock).number()], 2);
    assert_eq!(
        walls.take(stock, user(3), u32::MAX),
        Err(Wall::Total(stock))
    );

    // Less than is held: nobody loses it, nobody gets more.
    walls.set_limits(limits(1, 1));
    assert_eq!(walls.held(stock), 3);
    assert_eq!(walls.take(stock, user(9), 1), Err(Wall::Total(stock)));
    walls.give(stock, user(2), 2);
    walls.give(stock, user(1), 1);
    assert_eq!(walls.take(stock, user(9), 1), Ok(()));
}

#[test]
fn who_comes_last_is_not_the_one_to_go() {
    let mut walls = walls(0, 0, 8);
    let crowd = Stock::Unwelcomed;
    let one = |walls: &Walls<_>, wall: Wall| walls.refused()[wall.number()];

    walls.set_limits(Limits {
        stocks: [
            Limit {
                source: 4,
                total: 7,
            },
            Limit {
                source: 2,
                total: 3,
            },
            Limit {
                source: 0,
                total: 0,
            },
            Limit {
                source: 0,
                total: 0,
            },
        ],
        ..*walls.limits()
    });
    assert_eq!(walls.come(user(1)), Ok(Room::Enough));
    assert_eq!(walls.come(user(1)), Ok(Room::Enough));
    assert_eq!(walls.come(user(1)), Ok(Room::CrowdedSource));
    assert_eq!((walls.held(Stock::Connections), walls.held(crowd)), (3, 3));

    // One of them goes.
    walls.give(crowd, user(1), 1);
    walls.give(Stock::Connections, user(1), 1);
    assert_eq!(walls.come(user(2)), Ok(Room::Enough));
    assert_eq!(walls.come(user(2)), Ok(Room::Crowded));

    // One is welcomed, and keeps the connection.
    walls.give(crowd, user(1), 1);
    assert_eq!((walls.held(Stock::Connections), walls.held(crowd)), (4, 3));
    assert_eq!(walls.come(user(1)), Ok(Room::Crowded));
    assert_eq!(walls.come(user(1)), Ok(Room::CrowdedSource));
    assert_eq!(walls.come(user(1)), Err(Wall::Source(Stock::Connections)));
    assert_eq!(walls.come(user(3)), Ok(Room::Crowded));
    assert_eq!(walls.come(user(4)), Err(Wall::Total(Stock::Connections)));
    assert_eq!(walls.held(Stock::Connections), 7);
    assert_eq!(one(&walls, Wall::Source(crowd)), 2);
    assert_eq!(one(&walls, Wall::Total(crowd)), 3);
    assert_eq!(one(&walls, Wall::Source(Stock::Connections)), 1);
    assert_eq!(one(&walls, Wall::Total(Stock::Connections)), 1);
}

#[test]
fn a_source_that_asks_too_often_costs_others_nothing() {
    let mut walls = walls(1, 1, 4);

    for now in 0..=1_000 {
        let _ = walls.may_handshake(user(1), now);
    }
    assert_eq!(
        walls.may_handshake(user(1), 1_000),
        Err(Wall::SourceHandshakes)
    );
    // It has had seven, of thirteen.
    assert!((2..5).all(|number| walls.may_handshake(user(number), 1_000).is_ok()));
}

#[test]
fn an_account_that_is_held_is_not_forgotten() {
    let mut walls = walls(10, 100, 2);

    assert_eq!(walls.take(Stock::Connections, user(1), 1), Ok(()));
    for number in 2..100 {
        assert!(walls.take(Stock::Connections, user(number), 1).is_ok());
        walls.give(Stock::Connections, user(number), 1);
    }
    assert_eq!(walls.sources(), 2);
    assert_eq!(walls.take(Stock::Connections, user(2), 1), Ok(()));
    // There is no account left for a third.
    let full = Wall::Total(Stock::Connections);

    assert_eq!(walls.take(Stock::Connections, user(3), 1), Err(full));
    assert_eq!(walls.take(Stock::Connections, user(1), 9), Ok(()));
    assert_eq!(
        walls.take(Stock::Connections, user(1), 1),
        Err(Wall::Source(Stock::Connections))
    );
    walls.give(Stock::Connections, user(1), 10);
    assert_eq!(walls.held(Stock::Connections), 1);
}

/// A record that a test can tell from others.
#[derive(Clone, Copy, Debug, Default)]
struct Noted {
    number: u32,
    held: bool,
}

impl Record for Noted {
    fn is_held(&self) -> bool {
        self.held
    }
}

/// What a table should do, without being fast: sources from the oldest to the newest.
#[derive(Default)]
struct Model {
    order: VecDeque<Source>,
    records: HashMap<Source, Noted>,
}

impl Model {
    fn entry(&mut self, source: Source, room: usize) -> Option<&mut Noted> {
        if self.records.contains_key(&source) {
            self.order.retain(|known| *known != source);
        } else {
            if self.records.len() >= room {
                let index = self
                    .order
                    .iter()
                    .position(|known| !self.records[known].held)?;
                let oldest = self.order.remove(index)?;

                self.records.remove(&oldest);
            }
            self.records.insert(source, Noted::default());
        }
        self.order.push_back(source);
        self.records.get_mut(&source)
    }
}

fn source() -> impl Strategy<Value = Source> {
    prop_oneof![
        (0_u32..12).prop_map(Source::User),
        (0_u8..12).prop_map(|last| Source::V4([10, 0, 0, last])),
        (0_u8..12).prop_map(|last| Source::V6([0x20, 1, 0xd, 0xb8, 0, 0, 0, last])),
    ]
}

proptest! {
    #[test]
    fn a_table_is_what_it_should_be(
        key: u64,
        room in 0_usize..9,
        steps in prop::collection::vec((source(), any::<u32>(), any::<bool>(), any::<bool>()), 1..300),
    ) {
        let mut table = Table::new(vec![Place::<Noted>::new(); room], key);
        let mut model = Model::default();

        for (source, number, held, only_look) in steps {
            let (real, ideal) = match only_look {
                true => (table.get(source), model.records.get_mut(&source)),
                false => (table.entry(source), model.entry(source, room)),
            };

            prop_assert_eq!(real.is_some(), ideal.is_some());
            if let (Some(real), Some(ideal)) = (real, ideal) {
                prop_assert_eq!((real.number, real.held), (ideal.number, ideal.held));
                (real.number, real.held) = (number, held);
                (ideal.number, ideal.held) = (number, held);
            }
            prop_assert_eq!(table.len(), model.records.len());
        }
        for (source, noted) in &model.records {
            prop_assert_eq!(table.get(*source).map(|noted| noted.number), Some(noted.number));
        }
    }

    #[test]
    fn a_bucket_never_gives_more_than_its_rate(
        per_second in 0_u32..2_000,
        burst in 0_u32..50,
        waits in prop::collection::vec(0_u64..3_000, 1..300),
    ) {
        let rate = Rate { per_second, burst };
        let mut bucket = Bucket::new();
        let (mut now, mut given) = (0, 0_u64);

        for wait in waits {
            now += wait;
            given += u64::from(bucket.take(rate, now));

            let most = u64::from(burst) + now * u64::from(per_second) / 1_000;

            prop_assert!(given <= most, "{given} of {most}");
        }
    }

    #[test]
    fn what_is_held_is_what_was_taken_and_not_given(
        steps in prop::collection::vec((source(), 0_usize..Stock::COUNT, 0_u32..6, any::<bool>()), 1..300),
    ) {
        let (own, all) = (5, 12);
        let mut walls = walls(own, all, 64);
        let mut taken: HashMap<(Source, usize), u32> = HashMap::new();

        for (source, index, amount, give) in steps {
            let stock = Stock::ALL[index];
            let held = taken.entry((source, index)).or_default();

            if give {
                let amount = amount.min(*held);

                walls.give(stock, source, amount);
                *held -= amount;
            } else {
                let total = walls.held(stock);
                let expected = if total + amount > all {
                    Err(Wall::Total(stock))
                } else if *held + amount > own {
                    Err(Wall::Source(stock))
                } else {
                    *held += amount;
                    Ok(())
                };

                prop_assert_eq!(walls.take(stock, source, amount), expected);
            }
            let sum: u32 = taken
                .iter()
                .filter(|((_, known), _)| *known == index)
                .map(|(_, held)| held)
                .sum();

            prop_assert_eq!(walls.held(stock), sum);
            prop_assert!(sum <= all);
        }
        prop_assert!(taken.values().all(|held| *held <= own));
    }
}
