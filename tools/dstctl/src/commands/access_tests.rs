// SPDX-License-Identifier: GPL-2.0

//! Tests of the commands that let clients in.

use crate::commands::fake::{
    raw,
    Fake, //
};
use crate::failure::Cause;
use crate::netlink::Attributes;
use crate::uapi::{
    self,
    command,
    export as attr,
    key as key_attr, //
};
use std::fs;

/// The key of Alice in RFC 7748.
const ALICE: &str = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=";

/// Its bytes.
fn alice() -> [u8; 32] {
    crate::input::key::public(ALICE).unwrap().0
}

/// The attributes of `key` and what else there is about it, as a nest.
fn nest(kind: u16, parts: &[Vec<u8>]) -> Vec<u8> {
    // The bit says that it is a nest.
    raw(kind | 0x8000, &parts.concat())
}

/// An export as the kernel tells it.
fn export(keys: usize) -> Attributes {
    let mut key = Attributes::new();
    let mut export = Attributes::new();

    key.bytes(key_attr::PUBLIC, &alice())
        .u32(key_attr::ACCESS, uapi::access::READ_WRITE);
    export.string(attr::NAME, "disk").flag(attr::KEYED);
    for _ in 0..keys {
        export.nest(attr::ALLOW_KEY, &key);
    }
    export
}

#[test]
fn allowing_sends_all_that_was_asked_for() {
    let mut kernel = Fake::new();
    let outcome = kernel.run(&[
        "export",
        "allow",
        "disk",
        "--key",
        &format!("{ALICE}:ro"),
        "--no-psk",
        "--from",
        "10.0.0.0/8:rw",
    ]);
    let rule = crate::input::rule::parse("10.0.0.0/8:rw").unwrap();
    let rule = crate::input::rule::attributes(&rule).as_bytes().to_vec();

    assert_eq!(outcome.result, Ok(()));
    assert_eq!(kernel.asked[0].command, command::EXPORT_ALLOW);
    assert_eq!(
        kernel.asked[0].attributes,
        [
            raw(attr::NAME, b"disk\0"),
            nest(attr::ALLOW, &[rule]),
            nest(
                attr::ALLOW_KEY,
                &[
                    raw(key_attr::PUBLIC, &alice()),
                    raw(key_attr::ACCESS, &1_u32.to_ne_bytes()),
                    raw(key_attr::NO_PSK, b""),
                ]
            ),
        ]
        .concat()
    );
    // Whoever is let in by key has to know the server's.
    assert_eq!(kernel.asked[1].command, command::SERVER_GET);
    assert!(outcome.out.contains("dstctl server set"), "{}", outcome.out);
}

#[test]
fn a_preshared_key_is_handed_over_with_one_key() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("psk");
    let psk = path.to_str().unwrap();
    let key = format!("{ALICE}:rw");
    let args = ["export", "allow", "disk", "--psk", psk, "--key", &key];

    fs::write(&path, "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=\n").unwrap();
    let mut kernel = Fake::new();
    let outcome = kernel.run(&args);
    assert_eq!(outcome.result, Ok(()));
    assert_eq!(kernel.taken.len(), 1);
    assert_eq!(kernel.taken[0].bytes[..3], [1, 2, 3]);

    let mut kernel = Fake::new();
    let outcome = kernel.run(&[&args[..], &["--key", &key]].concat());
    assert_eq!(outcome.result.unwrap_err().cause, Cause::Usage);
    assert_eq!(kernel.asked, []);
}

#[test]
fn disallowing_sends_all_that_was_asked_for() {
    let mut kernel = Fake::new().answer(&[]).answer(&[&export(1)]);
    let outcome = kernel.run(&[
        "export",
        "disallow",
        "disk",
        "--key",
        ALICE,
        "--from",
        "10.0.0.0/8",
    ]);

    assert_eq!(outcome.result, Ok(()));
    assert_eq!(outcome.out, "Changed export 'disk'\n");
    assert_eq!(kernel.asked[0].command, command::EXPORT_DISALLOW);
    assert_eq!(
        kernel.asked[0].attributes,
        [
            raw(attr::NAME, b"disk\0"),
            nest(
                attr::ALLOW,
                &[
                    raw(uapi::rule::FAMILY, &2_u32.to_ne_bytes()),
                    raw(uapi::rule::ADDRESS, &[10, 0, 0, 0]),
                    raw(uapi::rule::PREFIX_LEN, &[8]),
                ]
            ),
            nest(attr::ALLOW_KEY, &[raw(key_attr::PUBLIC, &alice())]),
        ]
        .concat()
    );
}

#[test]
fn the_last_key_leaves_the_door_closed_and_that_is_said() {
    let mut kernel = Fake::new().answer(&[]).answer(&[&export(0)]);
    let outcome = kernel.run(&["export", "disallow", "disk", "--key", ALICE]);

    assert_eq!(outcome.result, Ok(()));
    assert!(
        outcome.out.contains("dstctl export set disk --no-keys"),
        "{}",
        outcome.out
    );
}

#[test]
fn what_is_not_there_is_told_apart() {
    let args = ["export", "disallow", "disk", "--key", ALICE];
    let text = format!("The key {ALICE} is not allowed");
    let outcome = Fake::new()
        .refuse(libc::ENOENT, Some(&text))
        .answer(&[&export(0)])
        .run(&args);
    let failure = outcome.result.unwrap_err();

    assert_eq!(failure.cause, Cause::NoSuchObject);
    assert!(failure.to_string().contains(&text), "{failure}");
    let outcome = Fake::new()
        .refuse(libc::ENOENT, Some("There is no export disk"))
        .refuse(libc::ENOENT, None)
        .run(&args);
    let failure = outcome.result.unwrap_err();
    assert!(
        failure.message.ends_with("there is no such export"),
        "{failure}"
    );
}

#[test]
fn keys_are_shown() {
    let show = |keys| {
        Fake::new()
            .answer(&[&export(keys)])
            .run(&["export", "show", "disk"])
            .out
    };

    assert!(
        show(1).contains(&format!("lets in with key:   {ALICE}:rw\n")),
        "{}",
        show(1)
    );
    assert!(show(0).contains("nobody: there is no key"), "{}", show(0));
    assert!(show(0).contains("every address"), "{}", show(0));
}
