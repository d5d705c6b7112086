// SPDX-License-Identifier: GPL-2.0

//! How many requests a client's connections wait for.

mod common;

use common::stamp;
use dst_proto::drain::Drains;
use dst_proto::negotiate::MAX_CONNECTIONS;

#[test]
fn the_last_word_counts() {
    let mut drains = Drains::default();

    assert_eq!(drains.left(), 0);
    for left in [3, 2, 2, 1] {
        drains.told(0, stamp(2, 5), left);
        assert_eq!(drains.left(), left);
    }
    drains.over(0);
    assert_eq!(drains, Drains::default());
}

#[test]
fn connections_of_an_epoch_are_added() {
    let mut drains = Drains::default();
    let last = MAX_CONNECTIONS - 1;

    drains.told(1, stamp(1, 2), 3);
    drains.told(last, stamp(1, 7), 4);
    assert_eq!(drains.left(), 7);
    drains.over(1);
    // It had nothing to wait for.
    drains.over(0);
    assert_eq!(drains.left(), 4);
    drains.told(0, stamp(1, 1), u32::MAX);
    assert_eq!(drains.left(), u32::MAX);
}

#[test]
fn an_older_epoch_is_not_counted_twice() {
    let mut drains = Drains::default();

    drains.told(1, stamp(1, 2), 3);
    // All are lost. Who raises the epoch waits for the three as well.
    drains.told(0, stamp(2, 2), 5);
    assert_eq!(drains.left(), 5);
    drains.told(1, stamp(1, 2), 2);
    assert_eq!(drains.left(), 5);
    drains.over(0);
    drains.over(1);
    // Another session begins with another epoch.
    drains.told(0, stamp(1, 1), 6);
    assert_eq!(drains.left(), 6);
}

#[test]
fn impossible_connections_do_nothing() {
    let mut drains = Drains::default();

    drains.told(MAX_CONNECTIONS, stamp(1, 1), 1);
    drains.over(u16::MAX);
    assert_eq!(drains, Drains::default());
}
