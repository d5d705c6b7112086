// SPDX-License-Identifier: GPL-2.0

//! Credits: neither side can be made to exceed the window, whatever the other says.

use dst_proto::credits::{
    share,
    Exceeded,
    Grant,
    Overflow,
    Window, //
};
use proptest::prelude::*;

#[test]
fn connections_share_what_there_is_for_a_session() {
    assert_eq!(share(2048, 1, 0, 64), 2048);
    assert_eq!(share(2048, 3, 0, 64), 682);
    assert_eq!(share(2048, 3, 2, 64), 682);
    // Those that were not announced.
    assert_eq!(share(2048, 3, 3, 64), 64);
    assert_eq!(share(2048, 1, u16::MAX, 64), 64);
    assert_eq!(share(2048, 0, 0, 64), 64);
    // One request has to fit.
    assert_eq!(share(64, 16, 0, 64), 64);
    assert_eq!(share(0, 1, 0, 64), 64);
}

#[test]
fn a_window_at_its_ends() {
    let mut window = Window::new(u32::MAX);

    assert_eq!(window.give(1), Err(Overflow));
    assert!(window.take(u32::MAX));
    assert!(!window.take(1));
    assert!(window.take(0));
    assert_eq!(window.give(u32::MAX), Ok(()));
    assert_eq!(window.left(), u32::MAX);

    let mut window = Window::new(4);

    assert!(!window.take(5));
    assert!(window.take(3));
    assert_eq!(window.give(4), Err(Overflow));
    assert_eq!(window.left(), 1);
}

#[test]
fn a_grant_at_its_ends() {
    let mut grant = Grant::new(4);

    assert_eq!(grant.accept(5), Err(Exceeded));
    assert_eq!(grant.accept(u32::MAX), Err(Exceeded));
    assert_eq!(grant.accept(4), Ok(()));
    assert_eq!(grant.accept(1), Err(Exceeded));
    assert_eq!(grant.release(3), 3);
    // More than is held is never given.
    assert_eq!(grant.release(3), 1);
    assert_eq!(grant.release(1), 0);
    assert_eq!(grant.left(), 4);
}

proptest! {
    #[test]
    fn two_honest_sides_agree(
        size in 1_u32..200,
        steps in prop::collection::vec((any::<bool>(), 1_u32..70), 1..200),
    ) {
        let mut window = Window::new(size);
        let mut grant = Grant::new(size);
        let mut under_way = Vec::new();

        for (send, cost) in steps {
            match send {
                true => {
                    let taken = window.take(cost);

                    prop_assert_eq!(grant.accept(cost).is_ok(), taken);
                    if taken {
                        under_way.push(cost);
                    }
                }
                false => {
                    if let Some(cost) = under_way.pop() {
                        prop_assert_eq!(window.give(grant.release(cost)), Ok(()));
                    }
                }
            }

            let held: u32 = under_way.iter().sum();

            prop_assert_eq!(window.left(), size - held);
            prop_assert_eq!(grant.left(), window.left());
            prop_assert_eq!(grant.held(), held);
        }
    }

    #[test]
    fn a_dishonest_side_gains_nothing(
        size: u32,
        steps in prop::collection::vec((any::<bool>(), any::<u32>()), 1..100),
    ) {
        let mut window = Window::new(size);
        let mut grant = Grant::new(size);

        for (flip, number) in steps {
            let before = (window, grant);

            match flip {
                true => {
                    let taken = window.take(number);
                    prop_assert_eq!(taken, number <= before.0.left());
                    if grant.accept(number).is_err() {
                        prop_assert_eq!(grant, before.1);
                    }
                }
                false => {
                    if window.give(number).is_err() {
                        prop_assert_eq!(window, before.0);
                    }
                    prop_assert!(grant.release(number) <= before.1.held());
                }
            }
            prop_assert!(window.left() <= size);
            prop_assert!(grant.held() <= size);
        }
    }
}
