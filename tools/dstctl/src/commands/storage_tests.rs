// SPDX-License-Identifier: GPL-2.0

//! Tests of the commands for storages.

use crate::commands::fake::{
    raw,
    Fake, //
};
use crate::failure::Cause;
use crate::netlink::Attributes;
use crate::uapi::{
    access,
    command,
    storage as attr,
    storage_state as state, //
};

/// A connected storage as the kernel tells it.
pub(in crate::commands) fn disk(name: &str) -> Attributes {
    let mut peer = 2_u16.to_ne_bytes().to_vec();
    let mut disk = Attributes::new();

    peer.extend([0x1e, 0x5a, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    disk.string(attr::NAME, name)
        .string(attr::EXPORT, "images")
        .bytes(attr::ADDRESS, &peer)
        .bytes(attr::PEER, &peer)
        .string(attr::DEVICE, &format!("/dev/dst-{name}"))
        .u32(attr::STATE, state::CONNECTED)
        .u32(attr::STATE_MS, 61_000)
        .u32(attr::ACCESS, access::READ_WRITE)
        .u32(attr::GRANTED, access::READ_ONLY)
        .u32(attr::CONNECTED, 1)
        .u32(attr::CONNECTIONS, 2)
        .u32(attr::FAIL_AFTER, 90_000)
        .u32(attr::IO_TIMEOUT, 0)
        .bytes(attr::SIZE, &(10_u64 << 30).to_ne_bytes());
    disk
}

#[test]
fn adding_sends_all_that_was_asked_for() {
    let mut kernel = Fake::new().answer(&[&disk("disk")]);
    let outcome = kernel.run(&[
        "add",
        "disk",
        "10.0.0.1",
        "[fd00::1]:99",
        "--export",
        "images",
        "--read-only",
        "--connections",
        "4",
        "--timeout",
        "5s",
        "--fail-after",
        "30s",
        "--io-timeout",
        "never",
        "--uuid",
        "00112233-4455-6677-8899-aabbccddeeff",
    ]);
    let v4 = [
        &2_u16.to_ne_bytes()[..],
        &[0x1e, 0x5a, 10, 0, 0, 1],
        &[0; 8],
    ]
    .concat();
    let v6 = [
        &10_u16.to_ne_bytes()[..],
        &[0, 99, 0, 0, 0, 0],
        &[0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        &[0; 4],
    ]
    .concat();
    let uuid = 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff_u128.to_be_bytes();

    assert_eq!(outcome.result, Ok(()));
    assert_eq!(kernel.asked.len(), 1);
    assert_eq!(kernel.asked[0].command, command::STORAGE_ADD);
    assert!(!kernel.asked[0].dump);
    assert_eq!(
        kernel.asked[0].attributes,
        [
            raw(1, b"disk\0"),
            raw(2, &v4),
            raw(2, &v6),
            raw(3, b"images\0"),
            raw(4, &uuid),
            raw(5, &1_u32.to_ne_bytes()),
            raw(6, &4_u32.to_ne_bytes()),
            raw(7, &5000_u32.to_ne_bytes()),
            raw(30, &30_000_u32.to_ne_bytes()),
            raw(31, &0_u32.to_ne_bytes()),
        ]
        .concat()
    );
    assert!(
        outcome
            .out
            .starts_with("Attached /dev/dst-disk: 10.0 GiB, read-only, from 10.0.0.1:7770\n"),
        "{}",
        outcome.out
    );
    assert!(outcome.out.contains("dstctl del disk\n"));
}

#[test]
fn adding_sends_no_more_than_needed() {
    let mut kernel = Fake::new().answer(&[&disk("disk")]);

    kernel
        .run(&["add", "disk", "unix:/run/dst"])
        .result
        .unwrap();
    assert_eq!(
        kernel.asked[0].attributes,
        [
            raw(1, b"disk\0"),
            raw(2, &[&1_u16.to_ne_bytes()[..], b"/run/dst\0"].concat()),
            raw(5, &2_u32.to_ne_bytes()),
            raw(7, &30_000_u32.to_ne_bytes()),
        ]
        .concat()
    );
}

#[test]
fn a_storage_that_is_not_connected_yet_says_so() {
    let mut pending = Attributes::new();
    pending
        .string(attr::NAME, "disk")
        .u32(attr::STATE, state::CONNECTING);
    let outcome =
        Fake::new()
            .answer(&[&pending])
            .run(&["add", "disk", "10.0.0.1", "--timeout", "0"]);

    assert_eq!(
        outcome.out,
        "Added storage 'disk', which is being connected to 10.0.0.1:7770\n\
         Its device will be /dev/dst-disk. To see how it goes:\n  dstctl show disk\n"
    );
}

#[test]
fn every_refusal_to_add_has_its_cause() {
    for (errno, text, cause, exit, message) in [
        (
            libc::EEXIST,
            None,
            Cause::NameTaken,
            4,
            "there is already a storage of this name",
        ),
        (
            libc::ENOENT,
            None,
            Cause::NoSuchExport,
            7,
            "10.0.0.1:7770 has no export 'disk'",
        ),
        (
            libc::EACCES,
            None,
            Cause::NotPermitted,
            7,
            "10.0.0.1:7770 does not let this client in",
        ),
        (
            libc::EROFS,
            None,
            Cause::ReadOnly,
            7,
            "export 'disk' can only be read by this client",
        ),
        (
            libc::EBUSY,
            None,
            Cause::InUse,
            4,
            "another client has export 'disk' for writing",
        ),
        (
            libc::EPROTONOSUPPORT,
            None,
            Cause::VersionMismatch,
            7,
            "10.0.0.1:7770 and this machine speak different versions of the protocol",
        ),
        (
            libc::EOPNOTSUPP,
            None,
            Cause::ModuleTooOld,
            8,
            "the loaded module does not know this",
        ),
        (
            libc::ESTALE,
            None,
            Cause::WrongIdentity,
            7,
            "export 'disk' is not the disk that is expected",
        ),
        (
            libc::ECONNABORTED,
            None,
            Cause::GoingAway,
            7,
            "export 'disk' is being removed",
        ),
        (
            libc::EPROTO,
            None,
            Cause::NotDst,
            6,
            "10.0.0.1:7770 is not a DST server",
        ),
        (
            libc::ECONNREFUSED,
            None,
            Cause::ConnectionRefused,
            6,
            "nobody listens on 10.0.0.1:7770",
        ),
        (
            libc::ETIMEDOUT,
            None,
            Cause::Timeout,
            6,
            "no connection to 10.0.0.1:7770 within 30s",
        ),
        (
            libc::ECONNRESET,
            None,
            Cause::Unreachable,
            6,
            "the connection to 10.0.0.1:7770 was cut off",
        ),
        (
            libc::EHOSTUNREACH,
            None,
            Cause::Unreachable,
            6,
            "cannot reach 10.0.0.1:7770",
        ),
        (
            libc::ENETUNREACH,
            None,
            Cause::Unreachable,
            6,
            "cannot reach 10.0.0.1:7770",
        ),
        (libc::EPERM, None, Cause::NoPrivilege, 5, "not permitted"),
        (
            libc::EINVAL,
            Some("Bad address"),
            Cause::Usage,
            2,
            "the kernel refuses a value",
        ),
        (
            libc::ENOMEM,
            None,
            Cause::Other,
            1,
            "Cannot allocate memory",
        ),
    ] {
        let outcome = Fake::new()
            .refuse(errno, text)
            .run(&["add", "disk", "10.0.0.1"]);
        let failure = outcome.result.unwrap_err();

        assert_eq!(failure.cause, cause);
        assert_eq!(failure.cause.exit_code(), exit);
        assert_eq!(
            failure.message,
            format!("cannot add storage 'disk': {message}")
        );
        assert_eq!(failure.kernel.as_deref(), text);
        assert_eq!(outcome.out, "");
    }
}

#[test]
fn the_words_of_the_kernel_are_passed_on() {
    let failure = Fake::new()
        .refuse(libc::ENOENT, Some("Server has no export 'a'"))
        .run(&["add", "disk", "10.0.0.1", "--export", "a"])
        .result
        .unwrap_err();

    assert_eq!(
        failure.to_string(),
        "cannot add storage 'disk': 10.0.0.1:7770 has no export 'a': Server has no export 'a'\n\
         hint: dstctl export list on the server shows its exports; --export names one"
    );
}

#[test]
fn a_missing_socket_is_told_from_a_missing_export() {
    let cause = |server: &str| {
        let outcome = Fake::new()
            .refuse(libc::ENOENT, None)
            .run(&["add", "disk", server]);

        outcome.result.unwrap_err().cause
    };

    assert_eq!(cause("unix:/nonexistent/socket"), Cause::Unreachable);
    assert_eq!(cause("unix:/dev/null"), Cause::NoSuchExport);
    assert_eq!(cause("unix:@dst"), Cause::NoSuchExport);
}

#[test]
fn removing_by_force_is_said_to_the_kernel() {
    let mut kernel = Fake::new();

    assert_eq!(kernel.run(&["del", "disk"]).out, "Removed storage 'disk'\n");
    assert_eq!(
        kernel.run(&["--json", "del", "disk", "--force"]).out,
        "{\n  \"removed\": \"disk\"\n}\n"
    );
    assert_eq!(kernel.asked[0].command, command::STORAGE_DEL);
    assert_eq!(kernel.asked[0].attributes, raw(1, b"disk\0"));
    assert_eq!(
        kernel.asked[1].attributes,
        [raw(1, b"disk\0"), raw(8, &[])].concat()
    );
}

#[test]
fn storages_in_use_and_missing_ones_are_not_removed() {
    let mut kernel = Fake::new()
        .refuse(libc::EBUSY, Some("Open 1 time"))
        .refuse(libc::ENOENT, None);
    let busy = kernel.run(&["del", "disk"]).result.unwrap_err();
    let missing = kernel.run(&["del", "disk"]).result.unwrap_err();

    assert_eq!((busy.cause, busy.cause.exit_code()), (Cause::InUse, 4));
    assert!(busy
        .to_string()
        .starts_with("cannot remove storage 'disk': /dev/dst-disk is in use: Open 1 time\n"));
    assert_eq!(
        (missing.cause, missing.cause.exit_code()),
        (Cause::NoSuchObject, 3)
    );
}

#[test]
fn the_list_is_sorted() {
    let mut kernel = Fake::new().answer(&[&disk("zeta"), &disk("alpha")]);
    let outcome = kernel.run(&["list"]);

    assert!(kernel.asked[0].dump);
    assert_eq!(kernel.asked[0].command, command::STORAGE_GET);
    assert_eq!(
        outcome.out,
        "NAME   STATE      CONNECTIONS      SIZE  ACCESS     SERVER         EXPORT  DEVICE\n\
         alpha  connected       1 of 2  10.0 GiB  read-only  10.0.0.1:7770  images  \
         /dev/dst-alpha\n\
         zeta   connected       1 of 2  10.0 GiB  read-only  10.0.0.1:7770  images  \
         /dev/dst-zeta\n"
    );
}

#[test]
fn json_has_every_property() {
    let outcome = Fake::new()
        .answer(&[&disk("disk")])
        .run(&["--json", "list"]);
    let list: serde_json::Value = serde_json::from_str(&outcome.out).unwrap();
    let disk = &list[0];

    assert_eq!(disk["name"], "disk");
    assert_eq!(disk["state"], "connected");
    assert_eq!(disk["size"], 10_u64 << 30);
    assert_eq!(disk["granted"], "read-only");
    assert_eq!(disk["addresses"][0], "10.0.0.1:7770");
    assert_eq!(disk["fail_after_ms"], 90_000);
    assert_eq!(disk["io_timeout_ms"], 0);
    assert_eq!(disk["uuid"], serde_json::Value::Null);
    assert_eq!(disk.get("event"), None);
}

#[test]
fn showing_tells_the_exact_size() {
    let outcome = Fake::new().answer(&[&disk("disk")]).run(&["show", "disk"]);

    assert_eq!(
        outcome.out,
        "storage:     disk\n\
         device:      /dev/dst-disk\n\
         state:       connected for 1m 1s\n\
         size:        10.0 GiB (10737418240 bytes)\n\
         access:      read-only (read-write was asked for)\n\
         servers:     10.0.0.1:7770\n\
         tried last:  10.0.0.1:7770\n\
         connections: 1 of 2\n\
         fail after:  1m 30s\n\
         I/O timeout: never\n\
         export:      images\n"
    );
}

#[test]
fn showing_tells_what_is_left_to_drain() {
    for (state, left, is_there, is_not) in [
        (
            state::DRAINING,
            3,
            "draining for 1m 1s, 3 left\n",
            "(draining",
        ),
        (state::DRAINING, 0, "draining for 1m 1s\n", "left"),
        (state::CONNECTED, 2, "1 of 2 (draining, 2 left)\n", "1s,"),
        (state::CONNECTED, 0, "1 of 2\n", "left"),
    ] {
        let mut disk = disk("disk");
        // The last one counts.
        disk.u32(attr::STATE, state).u32(attr::DRAINING, left);
        let out = Fake::new().answer(&[&disk]).run(&["show", "disk"]).out;

        assert!(out.contains(is_there) && !out.contains(is_not), "{out}");
    }
}

#[test]
fn nonsense_of_the_kernel_is_no_success() {
    let mut nonsense = Attributes::new();
    nonsense.bytes(attr::STATE, &[1, 2, 3]);
    let failure = Fake::new()
        .answer(&[&nonsense])
        .run(&["show", "disk"])
        .result
        .unwrap_err();

    assert_eq!(failure.cause, Cause::Other);
    assert!(
        failure
            .message
            .ends_with("attribute 10 of 3 bytes is not a number"),
        "{failure}"
    );
}
