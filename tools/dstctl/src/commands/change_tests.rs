// SPDX-License-Identifier: GPL-2.0

//! Tests of the commands that change storages.

use crate::commands::fake::{
    raw,
    Fake, //
};
use crate::commands::storage::tests::disk;
use crate::failure::Cause;
use crate::netlink::Attributes;
use crate::uapi::{
    command,
    storage as attr,
    storage_state as state, //
};

/// The address 10.0.0.2:7770 as the kernel gets it.
fn other() -> Vec<u8> {
    let family = 2_u16.to_ne_bytes();

    [&family[..], &[0x1e, 0x5a, 10, 0, 0, 2], &[0; 8]].concat()
}

#[test]
fn setting_sends_only_what_changes() {
    for (words, attributes) in [
        (&["--connections", "3"][..], raw(6, &3_u32.to_ne_bytes())),
        (&["--fail-after", "2m"], raw(30, &120_000_u32.to_ne_bytes())),
        (&["--io-timeout", "never"], raw(31, &0_u32.to_ne_bytes())),
        (&["--server", "10.0.0.2"], raw(2, &other())),
    ] {
        let mut kernel = Fake::new();
        let outcome = kernel.run(&[&["set", "disk"], words].concat());

        assert_eq!(outcome.result, Ok(()));
        assert_eq!(outcome.out, "Changed storage 'disk'\n");
        assert_eq!(kernel.asked.len(), 1);
        assert_eq!(kernel.asked[0].command, command::STORAGE_SET);
        assert_eq!(
            kernel.asked[0].attributes,
            [raw(1, b"disk\0"), attributes].concat()
        );
    }
}

#[test]
fn suspending_and_resuming_name_the_storage() {
    for (word, number, text) in [
        (
            "suspend",
            command::STORAGE_SUSPEND,
            "Suspended storage 'disk': its I/O waits until\n  dstctl resume disk\n",
        ),
        (
            "resume",
            command::STORAGE_RESUME,
            "Resumed storage 'disk'\n",
        ),
    ] {
        let mut kernel = Fake::new();
        let outcome = kernel.run(&[word, "disk"]);

        assert_eq!(outcome.out, text);
        assert_eq!(kernel.asked.len(), 1);
        assert_eq!(kernel.asked[0].command, number);
        assert_eq!(kernel.asked[0].attributes, raw(1, b"disk\0"));
    }
}

#[test]
fn programs_get_the_storage_after_a_change() {
    let mut suspended = Attributes::new();
    suspended
        .string(attr::NAME, "disk")
        .u32(attr::STATE, state::SUSPENDED);

    for words in [
        &["--json", "suspend", "disk"][..],
        &["--json", "set", "disk", "--connections", "2"],
    ] {
        let mut kernel = Fake::new().answer(&[]).answer(&[&suspended]);
        let outcome = kernel.run(words);
        let shown: serde_json::Value = serde_json::from_str(&outcome.out).unwrap();

        assert_eq!(shown["state"], "suspended");
        assert_eq!(kernel.asked[1].command, command::STORAGE_GET);
    }
}

#[test]
fn migrating_tells_where_the_storage_is() {
    let mut there = Attributes::new();
    there
        .string(attr::NAME, "disk")
        .bytes(attr::PEER, &other())
        .u32(attr::STATE, state::CONNECTED);
    let mut kernel = Fake::new().answer(&[&disk("disk")]).answer(&[&there]);
    let outcome = kernel.run(&["migrate", "disk", "10.0.0.2", "--timeout", "5s"]);

    assert_eq!(outcome.result, Ok(()));
    assert_eq!(outcome.out, "Storage 'disk' is on 10.0.0.2:7770 now\n");
    assert_eq!(kernel.asked[1].command, command::STORAGE_MIGRATE);
    assert_eq!(
        kernel.asked[1].attributes,
        [
            raw(1, b"disk\0"),
            raw(2, &other()),
            raw(7, &5000_u32.to_ne_bytes()),
        ]
        .concat()
    );
}

#[test]
fn what_prevents_a_migration_is_told() {
    for (errno, cause, message) in [
        (
            libc::ENODEV,
            Cause::NoSuchObject,
            "there is no such storage",
        ),
        (
            libc::ENOENT,
            Cause::NoSuchExport,
            "10.0.0.2:7770 has no export 'images'",
        ),
        (libc::EBUSY, Cause::InUse, "it is busy"),
        (
            libc::ESTALE,
            Cause::WrongIdentity,
            "export 'images' is not the disk that is expected",
        ),
        (
            libc::ETIMEDOUT,
            Cause::Timeout,
            "no connection to 10.0.0.2:7770 within 30s",
        ),
        (
            libc::ECONNREFUSED,
            Cause::ConnectionRefused,
            "nobody listens on 10.0.0.2:7770",
        ),
    ] {
        let failure = Fake::new()
            .answer(&[&disk("disk")])
            .refuse(errno, None)
            .run(&["migrate", "disk", "10.0.0.2"])
            .result
            .unwrap_err();

        assert_eq!(failure.cause, cause);
        assert_eq!(
            failure.message,
            format!("cannot migrate storage 'disk', which is as before: {message}")
        );
    }
}

#[test]
fn storages_that_do_not_exist_are_not_changed() {
    for words in [
        &["set", "disk", "--connections", "2"][..],
        &["suspend", "disk"],
        &["resume", "disk"],
        &["migrate", "disk", "10.0.0.2"],
    ] {
        let failure = Fake::new()
            .refuse(libc::ENODEV, Some("There is no storage called disk"))
            .run(words)
            .result
            .unwrap_err();

        assert_eq!(failure.cause, Cause::NoSuchObject, "{words:?}");
        assert_eq!(
            failure.hint.as_deref(),
            Some("dstctl list shows those there are")
        );
    }
}
