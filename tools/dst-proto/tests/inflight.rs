// SPDX-License-Identifier: GPL-2.0

//! The index of what is under way and its queue, against maps and queues of the standard library.

use std::collections::{
    HashMap,
    VecDeque, //
};

use dst_proto::inflight::{
    Full,
    Slot,
    Table, //
};
use dst_proto::ring::{
    Ring,
    RingFull, //
};
use dst_proto::units::Handle;
use proptest::prelude::*;

/// A table with so many slots.
fn table<T>(slots: usize) -> Table<T, Vec<Slot<T>>> {
    Table::new((0..slots).map(|_| Slot::new()).collect())
}

/// What is done to a table. Numbers choose among the handles that were ever given away.
#[derive(Clone, Debug)]
enum Step {
    Insert(u32),
    Get(usize),
    Remove(usize),
    Renew(usize),
    Forged(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => any::<u32>().prop_map(Step::Insert),
        2 => any::<usize>().prop_map(Step::Get),
        3 => any::<usize>().prop_map(Step::Remove),
        1 => any::<usize>().prop_map(Step::Renew),
        1 => (0_u64..20, 0_u64..6).prop_map(|(high, low)| Step::Forged((high << 32) | low)),
        1 => any::<u64>().prop_map(Step::Forged),
    ]
}

#[test]
fn an_old_handle_finds_nothing() {
    let mut table = table(1);
    let first = table.insert("first").expect("room");

    assert_eq!(table.insert("second"), Err(Full("second")));
    assert_eq!(table.remove(first), Some("first"));
    assert_eq!(table.remove(first), None);

    let second = table.insert("second").expect("room");

    assert_eq!(second.slot(), first.slot());
    assert_ne!(second, first);
    assert_eq!(table.get(first), None);
    assert_eq!(table.get_mut(first), None);
    assert_eq!(table.remove(first), None);
    assert_eq!(table.renew(first), None);
    assert_eq!(table.get(second), Some(&"second"));

    let third = table.renew(second).expect("known");

    assert_eq!(table.get(second), None);
    assert_eq!(table.get(third), Some(&"second"));
    assert_eq!(table.len(), 1);
}

#[test]
fn handle_zero_is_never_given_away() {
    let mut table = table(2);

    assert_eq!(table.get(Handle::NONE), None);
    for _ in 0..100 {
        let handle = table.insert(()).expect("room");

        assert_ne!(handle, Handle::NONE);
        assert_ne!(handle.generation(), 0);
        assert_eq!(table.remove(handle), Some(()));
    }
}

#[test]
fn no_slots_no_entries() {
    let mut table = table(0);

    assert!(table.is_full());
    assert!(table.is_empty());
    assert_eq!(table.insert(1), Err(Full(1)));
    assert_eq!(table.remove(Handle::new(1, 0)), None);
    assert!(table.at(0).is_none());
}

#[test]
fn entries_are_dropped_with_the_table() {
    let entry = std::rc::Rc::new(());
    let mut table = table(3);

    for _ in 0..3 {
        table.insert(entry.clone()).expect("room");
    }
    assert_eq!(std::rc::Rc::strong_count(&entry), 4);
    drop(table);
    assert_eq!(std::rc::Rc::strong_count(&entry), 1);
}

proptest! {
    #[test]
    fn a_table_is_a_map(slots in 0_usize..6, steps in prop::collection::vec(step(), 1..200)) {
        let mut table = table(slots);
        let mut model: HashMap<u64, u32> = HashMap::new();
        let mut given: Vec<Handle> = vec![Handle::NONE];

        for step in steps {
            match step {
                Step::Insert(value) => match table.insert(value) {
                    Ok(handle) => {
                        prop_assert!(!given.contains(&handle));
                        prop_assert_eq!(model.insert(handle.0, value), None);
                        given.push(handle);
                    }
                    Err(Full(back)) => {
                        prop_assert_eq!(back, value);
                        prop_assert_eq!(model.len(), slots);
                    }
                },
                Step::Get(number) => {
                    let handle = given[number % given.len()];

                    prop_assert_eq!(table.get(handle), model.get(&handle.0));
                    prop_assert_eq!(table.get_mut(handle), model.get_mut(&handle.0));
                }
                Step::Remove(number) => {
                    let handle = given[number % given.len()];

                    prop_assert_eq!(table.remove(handle), model.remove(&handle.0));
                }
                Step::Renew(number) => {
                    let old = given[number % given.len()];
                    let new = table.renew(old);
                    let value = model.remove(&old.0);

                    prop_assert_eq!(new.is_some(), value.is_some());
                    if let (Some(new), Some(value)) = (new, value) {
                        prop_assert!(!given.contains(&new));
                        model.insert(new.0, value);
                        given.push(new);
                    }
                }
                Step::Forged(number) => {
                    prop_assert_eq!(table.get(Handle(number)), model.get(&number));
                    prop_assert_eq!(table.remove(Handle(number)), model.remove(&number));
                }
            }

            prop_assert_eq!(table.len() as usize, model.len());
            prop_assert_eq!(table.is_full(), model.len() == slots);
            prop_assert!(table.iter().all(|(handle, value)| model.get(&handle.0) == Some(value)));
            prop_assert_eq!(table.iter().count(), model.len());
            prop_assert_eq!(table.iter_mut().count(), model.len());
            for slot in 0..slots as u32 {
                let found = table.at(slot).map(|(handle, value)| (handle, *value));

                prop_assert_eq!(
                    found.map(|(handle, _)| handle.slot()).unwrap_or(slot),
                    slot
                );
                prop_assert_eq!(found, table.at_mut(slot).map(|(handle, value)| (handle, *value)));
            }
        }
    }

    #[test]
    fn a_ring_is_a_queue(
        places in 0_usize..6,
        steps in prop::collection::vec(prop::option::of(any::<u32>()), 1..100),
    ) {
        let mut ring = Ring::new(vec![0; places]);
        let mut model = VecDeque::new();

        for step in steps {
            match step {
                Some(number) if model.len() < places => {
                    prop_assert_eq!(ring.push(number), Ok(()));
                    model.push_back(number);
                }
                Some(number) => prop_assert_eq!(ring.push(number), Err(RingFull)),
                None => prop_assert_eq!(ring.pop(), model.pop_front()),
            }
            prop_assert_eq!(ring.front(), model.front().copied());
            prop_assert_eq!(ring.len(), model.len());
            prop_assert!(ring.iter().eq(model.iter().copied()));
        }
        ring.clear();
        prop_assert!(ring.is_empty());
        prop_assert_eq!(ring.pop(), None);
    }
}
