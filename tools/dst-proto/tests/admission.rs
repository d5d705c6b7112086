// SPDX-License-Identifier: GPL-2.0

//! Rules by address and key.

use dst_proto::access::{
    Peer,
    Rights,
    Rule, //
};
use dst_proto::admission::{
    admit,
    find,
    Barred,
    KeyRule, //
};
use dst_proto::secret::PublicKey;
use proptest::prelude::*;

/// A key.
fn key(number: u8) -> PublicKey {
    PublicKey([number; 32])
}

/// A rule for a key.
fn rule(number: u8, rights: Rights) -> KeyRule<()> {
    KeyRule {
        key: key(number),
        rights,
        psk: None,
    }
}

/// A peer at an address.
fn peer(text: &str) -> Peer {
    Peer::Ip(text.parse().expect("an impossible address"))
}

/// One rule for addresses.
fn from(prefix: &str, rights: Rights) -> [Rule; 1] {
    [Rule {
        prefix: prefix.parse().expect("an impossible prefix"),
        rights,
    }]
}

/// What somebody at `address` may do with key number `number`.
fn with(address: &str, number: u8, rules: &[Rule], keys: &[KeyRule<()>]) -> Result<Rights, Barred> {
    admit(peer(address), Some(&key(number)), rules, Some(keys))
}

#[test]
fn without_keys_the_address_decides() {
    let rules = from("10.0.0.0/8", Rights::ReadOnly);
    let none: Option<&[KeyRule<()>]> = None;

    assert_eq!(
        admit(peer("10.0.0.1"), None, &rules, none),
        Ok(Rights::ReadOnly)
    );
    assert_eq!(
        admit(peer("11.0.0.1"), None, &rules, none),
        Err(Barred::Address)
    );
    assert_eq!(
        admit(peer("127.0.0.1"), None, &[], none),
        Ok(Rights::ReadWrite)
    );
    assert_eq!(
        admit(peer("10.0.0.1"), None, &[], none),
        Err(Barred::Address)
    );
    assert_eq!(
        admit(Peer::Local, None, &rules, none),
        Ok(Rights::ReadWrite)
    );
    for rules in [&rules[..], &[]] {
        assert_eq!(
            admit(Peer::Abstract, None, rules, none),
            Err(Barred::Address)
        );
    }
}

#[test]
fn a_key_is_not_taken_where_it_cannot_be_checked() {
    let none: Option<&[KeyRule<()>]> = None;
    let rules = from("10.0.0.0/8", Rights::ReadWrite);

    for (peer, rules, barred) in [
        (peer("10.0.0.1"), &rules[..], Barred::KeyUseless),
        (peer("127.0.0.1"), &[], Barred::KeyUseless),
        (Peer::Local, &[], Barred::KeyUseless),
        (peer("11.0.0.1"), &rules, Barred::Address),
    ] {
        assert_eq!(admit(peer, Some(&key(1)), rules, none), Err(barred));
    }
}

#[test]
fn nobody_comes_without_a_key() {
    let keys = [rule(1, Rights::ReadWrite)];
    let rules = from("10.0.0.0/8", Rights::ReadWrite);

    for (peer, rules, barred) in [
        (peer("10.0.0.1"), &rules[..], Barred::KeyNeeded),
        (peer("127.0.0.1"), &[], Barred::KeyNeeded),
        (Peer::Local, &[], Barred::KeyNeeded),
        (Peer::Local, &rules, Barred::KeyNeeded),
        (Peer::Abstract, &[], Barred::KeyNeeded),
        // Who would not be let in anyway is not told about keys.
        (peer("11.0.0.1"), &rules, Barred::Address),
    ] {
        assert_eq!(admit(peer, None, rules, Some(&keys)), Err(barred));
    }
}

#[test]
fn without_rules_for_addresses_a_key_comes_from_anywhere() {
    let keys = [rule(1, Rights::ReadWrite), rule(2, Rights::ReadOnly)];

    for address in ["127.0.0.1", "10.0.0.1", "fd00::1"] {
        assert_eq!(with(address, 1, &[], &keys), Ok(Rights::ReadWrite));
        assert_eq!(with(address, 2, &[], &keys), Ok(Rights::ReadOnly));
        assert_eq!(with(address, 3, &[], &keys), Err(Barred::KeyUnknown));
    }
    assert_eq!(
        admit(Peer::Local, Some(&key(2)), &[], Some(&keys)),
        Ok(Rights::ReadOnly)
    );
    // Rules for addresses say nothing about it.
    for rules in [&from("10.0.0.0/8", Rights::ReadWrite)[..], &[]] {
        assert_eq!(
            admit(Peer::Abstract, Some(&key(2)), rules, Some(&keys)),
            Ok(Rights::ReadOnly)
        );
    }
}

#[test]
fn the_weaker_of_key_and_address_counts() {
    for (by_key, by_address, expected) in [
        (Rights::ReadWrite, Rights::ReadWrite, Ok(Rights::ReadWrite)),
        (Rights::ReadWrite, Rights::ReadOnly, Ok(Rights::ReadOnly)),
        (Rights::ReadOnly, Rights::ReadWrite, Ok(Rights::ReadOnly)),
        (Rights::ReadOnly, Rights::ReadOnly, Ok(Rights::ReadOnly)),
        (Rights::ReadWrite, Rights::None, Err(Barred::Address)),
        (Rights::None, Rights::ReadWrite, Err(Barred::KeyUnknown)),
    ] {
        let keys = [rule(1, by_key)];
        let rules = from("10.0.0.0/8", by_address);

        assert_eq!(with("10.0.0.1", 1, &rules, &keys), expected);
        assert_eq!(with("11.0.0.1", 1, &rules, &keys), Err(Barred::Address));
    }
}

#[test]
fn an_empty_list_of_keys_is_no_open_door() {
    let rules = from("0.0.0.0/0", Rights::ReadWrite);

    for rules in [&rules[..], &[]] {
        assert_eq!(with("10.0.0.1", 1, rules, &[]), Err(Barred::KeyUnknown));
        assert_eq!(
            admit::<()>(peer("10.0.0.1"), None, rules, Some(&[])),
            Err(Barred::KeyNeeded)
        );
    }
}

#[test]
fn the_same_key_twice_has_the_lesser_rights() {
    for order in [[1, 2], [2, 1]] {
        let keys = order.map(|rights| {
            let rights = match rights {
                1 => Rights::ReadOnly,
                _ => Rights::ReadWrite,
            };

            rule(1, rights)
        });

        assert_eq!(
            find(&keys, &key(1)).map(|rule| rule.rights),
            Some(Rights::ReadOnly)
        );
        assert_eq!(with("10.0.0.1", 1, &[], &keys), Ok(Rights::ReadOnly));
    }
}

/// Some rights.
fn rights() -> impl Strategy<Value = Rights> {
    prop_oneof![
        Just(Rights::None),
        Just(Rights::ReadOnly),
        Just(Rights::ReadWrite)
    ]
}

proptest! {
    /// Whatever the lists say: nobody gets more than the key and more than the address allow, and
    /// nobody gets anything without a key if there is a list of keys.
    #[test]
    fn nobody_gets_more_than_either_allows(
        keys in proptest::collection::vec((0_u8..4, rights()), 0..6),
        prefix in rights(),
        shown in proptest::option::of(0_u8..4),
        inside in any::<bool>(),
    ) {
        let keys: Vec<_> = keys.iter().map(|&(n, rights)| rule(n, rights)).collect();
        let rules = from("10.0.0.0/8", prefix);
        let address = peer(if inside { "10.1.2.3" } else { "192.0.2.1" });
        let shown = shown.map(key);
        let verdict = admit(address, shown.as_ref(), &rules, Some(&keys));

        if let Ok(given) = verdict {
            let shown = shown.expect("let in without a key");
            let least = keys
                .iter()
                .filter(|rule| rule.key == shown)
                .map(|rule| rule.rights)
                .min();

            prop_assert!(inside);
            prop_assert_eq!(Some(given), least.map(|least| least.min(prefix)));
            prop_assert_ne!(given, Rights::None);
        } else if inside && prefix != Rights::None {
            let allowed = keys
                .iter()
                .filter(|rule| Some(rule.key) == shown)
                .all(|rule| rule.rights != Rights::None)
                && keys.iter().any(|rule| Some(rule.key) == shown);

            prop_assert!(!allowed);
        }
    }
}
