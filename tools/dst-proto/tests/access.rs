// SPDX-License-Identifier: GPL-2.0

//! Rules by address.

use std::net::IpAddr;

use dst_proto::access::{
    address,
    is_barrier,
    rights,
    Peer,
    Prefix,
    PrefixError,
    Rights,
    Rule, //
};
use proptest::prelude::*;

/// A prefix that has to be possible.
fn prefix(text: &str) -> Prefix {
    text.parse().expect("an impossible prefix")
}

/// A peer at an address.
fn peer(text: &str) -> Peer {
    Peer::Ip(text.parse().expect("an impossible address"))
}

/// Rules from text.
fn rules(list: &[(&str, Rights)]) -> Vec<Rule> {
    list.iter()
        .map(|(text, rights)| Rule {
            prefix: prefix(text),
            rights: *rights,
        })
        .collect()
}

#[test]
fn prefixes_are_read_and_written() {
    for (text, written) in [
        ("10.0.0.0/24", "10.0.0.0/24"),
        ("10.0.0.7", "10.0.0.7/32"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("fd00::/8", "fd00::/8"),
        ("::/0", "::/0"),
        ("::1", "::1/128"),
        ("10.0.0.0/024", "10.0.0.0/24"),
        // IPv4 in IPv6 clothes.
        ("::ffff:10.0.0.0/120", "10.0.0.0/24"),
        ("::ffff:10.0.0.7", "10.0.0.7/32"),
    ] {
        assert_eq!(prefix(text).to_string(), written);
    }
}

#[test]
fn wrong_prefixes_are_refused() {
    for (text, error) in [
        ("", PrefixError::Address),
        ("10.0.0/24", PrefixError::Address),
        ("host", PrefixError::Address),
        ("fe80::1%eth0", PrefixError::Address),
        ("10.0.0.0 /24", PrefixError::Address),
        ("10.0.0.0/", PrefixError::Length),
        ("10.0.0.0/33", PrefixError::Length),
        ("10.0.0.0/+8", PrefixError::Length),
        ("10.0.0.0/-1", PrefixError::Length),
        ("10.0.0.0/256", PrefixError::Length),
        ("10.0.0.0/8/8", PrefixError::Length),
        ("::/129", PrefixError::Length),
        ("10.0.0.1/24", PrefixError::HostBits),
        ("10.0.0.0/0", PrefixError::HostBits),
        ("fd00::1/8", PrefixError::HostBits),
        ("::ffff:10.0.0.0/90", PrefixError::HostBits),
    ] {
        assert_eq!(text.parse::<Prefix>(), Err(error), "{text}");
    }
}

#[test]
fn the_most_specific_rule_counts() {
    let rules = rules(&[
        ("10.1.0.0/16", Rights::ReadWrite),
        ("10.0.0.0/8", Rights::ReadOnly),
        ("10.1.2.0/24", Rights::None),
        ("10.1.2.3", Rights::ReadOnly),
        ("fd00::/8", Rights::ReadWrite),
    ]);

    for (address, expected) in [
        ("10.9.9.9", Rights::ReadOnly),
        ("10.1.9.9", Rights::ReadWrite),
        ("10.1.2.9", Rights::None),
        ("10.1.2.3", Rights::ReadOnly),
        ("::ffff:10.1.9.9", Rights::ReadWrite),
        ("11.0.0.0", Rights::None),
        ("fd12::1", Rights::ReadWrite),
        ("fe80::1", Rights::None),
        // With rules, loopback is an address like any other.
        ("127.0.0.1", Rights::None),
    ] {
        assert_eq!(rights(peer(address), &rules), expected, "{address}");
    }
    assert_eq!(rights(Peer::Local, &rules), Rights::ReadWrite);
    assert_eq!(rights(Peer::Abstract, &rules), Rights::None);
}

#[test]
fn without_rules_only_the_machine_itself() {
    for (address, expected) in [
        ("127.0.0.1", Rights::ReadWrite),
        ("127.255.0.9", Rights::ReadWrite),
        ("::1", Rights::ReadWrite),
        ("::ffff:127.0.0.1", Rights::ReadWrite),
        ("10.0.0.1", Rights::None),
        ("::", Rights::None),
        ("0.0.0.0", Rights::None),
    ] {
        assert_eq!(rights(peer(address), &[]), expected, "{address}");
    }
    assert_eq!(rights(Peer::Local, &[]), Rights::ReadWrite);
    assert_eq!(rights(Peer::Abstract, &[]), Rights::None);
}

#[test]
fn families_are_apart() {
    let six = rules(&[("::/0", Rights::ReadWrite)]);
    let four = rules(&[("0.0.0.0/0", Rights::ReadWrite)]);

    assert_eq!(rights(peer("10.0.0.1"), &six), Rights::None);
    assert_eq!(rights(peer("::ffff:10.0.0.1"), &six), Rights::None);
    assert_eq!(rights(peer("fd00::1"), &four), Rights::None);
    assert_eq!(rights(peer("::ffff:10.0.0.1"), &four), Rights::ReadWrite);
}

#[test]
fn the_same_prefix_twice_gives_the_lesser_rights() {
    for order in [
        [Rights::ReadWrite, Rights::ReadOnly],
        [Rights::ReadOnly, Rights::ReadWrite],
    ] {
        let rules = rules(&order.map(|rights| ("10.0.0.0/8", rights)));

        assert_eq!(rights(peer("10.0.0.1"), &rules), Rights::ReadOnly);
    }
}

#[test]
fn addresses_are_four_or_sixteen_bytes() {
    assert_eq!(address(&[10, 0, 0, 1]), Some(IpAddr::from([10, 0, 0, 1])));
    assert_eq!(address(&[0; 16]), Some(IpAddr::from([0; 16])));
    for len in [0, 3, 5, 15, 17] {
        assert_eq!(address(&vec![0; len]), None);
    }
}

#[test]
fn a_rule_that_gives_less_than_those_around_it_is_a_barrier() {
    let rule = |prefix: &str, rights| Rule {
        prefix: prefix.parse().expect("a prefix"),
        rights,
    };
    let around = [
        rule("10.0.0.0/8", Rights::ReadWrite),
        rule("10.1.0.0/16", Rights::ReadOnly),
        rule("10.1.2.0/28", Rights::ReadWrite),
        rule("::/0", Rights::ReadWrite),
    ];

    for (prefix, rights, is) in [
        ("10.2.0.0/16", Rights::ReadOnly, true),
        ("10.2.0.0/16", Rights::ReadWrite, false),
        ("10.1.2.0/24", Rights::ReadOnly, false),
        ("10.1.2.0/24", Rights::None, true),
        ("10.1.2.1/32", Rights::ReadOnly, true),
        ("11.0.0.0/8", Rights::None, false),
        ("0.0.0.0/0", Rights::None, false),
        ("fd00::/8", Rights::ReadOnly, true),
    ] {
        assert_eq!(is_barrier(&rule(prefix, rights), &around), is, "{prefix}");
    }
}

/// Rules for few addresses, so that they get in each other's way.
fn some_rules() -> impl Strategy<Value = Vec<Rule>> {
    let rights = prop_oneof![
        Just(Rights::None),
        Just(Rights::ReadOnly),
        Just(Rights::ReadWrite)
    ];
    let rule = (0_u8..8, 29_u8..=32, rights).prop_map(|(host, len, rights)| {
        let host = host & u8::MAX.checked_shl(32 - u32::from(len)).unwrap_or(0);

        Rule {
            prefix: Prefix::new(IpAddr::from([10, 0, 0, host]), len).expect("no host bits"),
            rights,
        }
    });

    proptest::collection::vec(rule, 1..8)
}

proptest! {
    #[test]
    fn without_what_is_no_barrier_nobody_may_do_more(rules in some_rules(), which in 0_usize..8) {
        let gone = rules.get(which % rules.len()).expect("one of them");
        let left: Vec<Rule> =
            rules.iter().copied().filter(|rule| rule.prefix != gone.prefix).collect();
        let removed = || rules.iter().filter(|rule| rule.prefix == gone.prefix);

        // The last one is never removed.
        prop_assume!(!left.is_empty());
        if !removed().any(|rule| is_barrier(rule, &left)) {
            for host in 0..8 {
                let peer = Peer::Ip(IpAddr::from([10, 0, 0, host]));

                prop_assert!(rights(peer, &left) <= rights(peer, &rules), "{host}");
            }
        }
    }

    #[test]
    fn prefixes_never_panic(text in "[0-9a-f.:/+-]{0,24}|\\PC{0,20}") {
        let _ = text.parse::<Prefix>();
    }

    #[test]
    fn prefixes_agree_with_comparing_bits(
        base in any::<u32>(),
        len in 0_u8..=32,
        other in any::<u32>(),
        same in 0_u32..=32,
    ) {
        let mask = |len: u32| u32::MAX.checked_shl(32 - len).unwrap_or(0);
        let base = base & mask(u32::from(len));
        // An address that has some bits in common with the base.
        let other = (base & mask(same)) | (other & !mask(same));
        let prefix = Prefix::new(IpAddr::from(base.to_be_bytes()), len).expect("no host bits");

        prop_assert_eq!(
            prefix.contains(IpAddr::from(other.to_be_bytes())),
            other & mask(u32::from(len)) == base
        );
        prop_assert_eq!(prefix.to_string().parse(), Ok(prefix));
    }

    #[test]
    fn long_prefixes_agree_with_comparing_bits(
        base in any::<u128>(),
        len in 0_u8..=128,
        other in any::<u128>(),
        same in 0_u32..=128,
    ) {
        let mask = |len: u32| u128::MAX.checked_shl(128 - len).unwrap_or(0);
        // Never IPv4 in IPv6 clothes.
        let base = (base | (1 << 127)) & mask(u32::from(len));
        let other = (base & mask(same)) | (other & !mask(same)) | (1 << 127);
        let prefix = Prefix::new(IpAddr::from(base.to_be_bytes()), len).expect("no host bits");

        prop_assert_eq!(
            prefix.contains(IpAddr::from(other.to_be_bytes())),
            other & mask(u32::from(len)) == base
        );
        prop_assert_eq!(prefix.to_string().parse(), Ok(prefix));
    }
}
