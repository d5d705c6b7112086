// SPDX-License-Identifier: GPL-2.0

//! Tests of the commands for exports, and for sessions and the pool, which are shown beside them.

use super::{
    add_attributes,
    explain_add, //
};
use crate::cli::{
    Cli,
    Command,
    ExportAdd,
    ExportCommand, //
};
use crate::commands::fake::{
    raw,
    Fake, //
};
use crate::commands::hints;
use crate::failure::Cause;
use crate::input::device::Device;
use crate::input::endpoint::Endpoint;
use crate::netlink::Attributes;
use crate::uapi::{
    self,
    command,
    export as attr, //
};
use clap::Parser;
use uuid::Uuid;

/// Reads the arguments of `dstctl export add`.
fn parse_add(args: &[&str]) -> ExportAdd {
    let args = [&["dstctl", "export", "add"], args].concat();

    match Cli::try_parse_from(args).unwrap().command {
        Command::Export(ExportCommand::Add(args)) => args,
        command => panic!("{command:?}"),
    }
}

/// What is said after an export was added.
fn hints(args: &[&str]) -> String {
    let args = parse_add(args);
    let listen = Endpoint::resolve_all(&args.listen, 16).unwrap();

    hints::exported(&args, &listen)
}

/// An export as the kernel tells it.
fn disk() -> Attributes {
    let mut listen = 10_u16.to_ne_bytes().to_vec();
    let mut disk = Attributes::new();

    listen.extend([0x1e, 0x5a]);
    listen.resize(28, 0);
    disk.string(attr::NAME, "disk")
        .string(attr::DEVICE, "/dev/vdb")
        .bytes(attr::LISTEN, &listen)
        .u32(attr::STATE, uapi::export_state::ACTIVE)
        .u32(attr::ACCESS, uapi::access::READ_WRITE)
        .u32(attr::WRITERS, uapi::writers::EXCLUSIVE)
        .u32(attr::SESSIONS, 2)
        .u32(attr::SIZE, 1 << 20);
    disk
}

#[test]
fn adding_sends_all_that_was_asked_for() {
    let args = parse_add(&[
        "disk",
        "/dev/vdb",
        "--listen",
        "10.0.0.1",
        "--listen",
        "unix:/run/dst",
        "--allow",
        "10.0.0.0/24:rw",
        "--allow",
        "fd00::/8:ro",
        "--read-only",
        "--share-device",
        "--write-through",
        "--shared-writers",
        "--window",
        "512",
        "--keepalive",
        "2s",
    ]);
    let device = Device {
        path: "/dev/vdb".into(),
        major: 254,
        minor: 16,
    };
    let listen = Endpoint::resolve_all(&args.listen, 16).unwrap();
    let v4 = [
        &2_u16.to_ne_bytes()[..],
        &[0x1e, 0x5a, 10, 0, 0, 1],
        &[0; 8],
    ]
    .concat();
    let rule = |family: u32, address: &[u8], len, access: u32| {
        let inner = [
            raw(1, &family.to_ne_bytes()),
            raw(2, address),
            raw(3, &[len]),
            raw(4, &access.to_ne_bytes()),
        ]
        .concat();

        raw(0x8000 | 4, &inner)
    };
    let mut fd00 = [0; 16];
    fd00[0] = 0xfd;

    assert_eq!(
        add_attributes(&args, &device, &listen, Uuid::from_bytes([7; 16])).as_bytes(),
        [
            raw(1, b"disk\0"),
            raw(2, b"/dev/vdb\0"),
            raw(5, &[7; 16]),
            raw(6, &1_u32.to_ne_bytes()),
            raw(7, &2_u32.to_ne_bytes()),
            raw(8, &[]),
            raw(23, &[]),
            raw(3, &v4),
            raw(3, &[&1_u16.to_ne_bytes()[..], b"/run/dst\0"].concat()),
            rule(2, &[10, 0, 0, 0], 24, 2),
            rule(10, &fd00, 8, 1),
            raw(9, &512_u32.to_ne_bytes()),
            raw(10, &2000_u32.to_ne_bytes()),
        ]
        .concat()
    );
}

#[test]
fn every_refusal_to_add_has_its_cause() {
    let args = parse_add(&["disk", "/dev/vdb", "--listen", "10.0.0.1:7"]);

    for (errno, cause, exit, message) in [
        (
            libc::EEXIST,
            Cause::NameTaken,
            4,
            "there is already an export of this name",
        ),
        (
            libc::ENOENT,
            Cause::NoSuchDevice,
            3,
            "there is no device /dev/vdb",
        ),
        (
            libc::ENXIO,
            Cause::NoSuchDevice,
            3,
            "there is no device /dev/vdb",
        ),
        (
            libc::ENOTBLK,
            Cause::BadDevice,
            9,
            "/dev/vdb is not a block device",
        ),
        (
            libc::ENOMEDIUM,
            Cause::BadDevice,
            9,
            "there is no medium in /dev/vdb",
        ),
        (libc::EBUSY, Cause::InUse, 4, "/dev/vdb is in use"),
        (
            libc::EROFS,
            Cause::BadDevice,
            9,
            "/dev/vdb can only be read",
        ),
        (
            libc::EADDRINUSE,
            Cause::AddressInUse,
            4,
            "something else listens on 10.0.0.1:7",
        ),
        (
            libc::EADDRNOTAVAIL,
            Cause::BadAddress,
            9,
            "10.0.0.1:7 is not an address of this machine",
        ),
        (
            libc::EAFNOSUPPORT,
            Cause::BadAddress,
            9,
            "this machine has no protocol for 10.0.0.1:7",
        ),
    ] {
        let (found, text, _) = explain_add(&args, errno).unwrap();

        assert_eq!(
            (found, found.exit_code(), text.as_str()),
            (cause, exit, message)
        );
    }
    assert!(explain_add(&args, libc::ENOMEM).is_none());
}

#[test]
fn the_command_for_the_client_is_told() {
    assert_eq!(
        hints(&[
            "disk",
            "/dev/vdb",
            "--listen",
            "10.0.0.1",
            "--allow",
            "10.0.0.0/8:rw"
        ]),
        "To attach it on a client:\n  dstctl add disk 10.0.0.1:7770\n"
    );
    assert_eq!(
        hints(&[
            "disk",
            "/dev/vdb",
            "--listen",
            "unix:/run/dst",
            "--read-only"
        ]),
        "To attach it on a client:\n  dstctl add disk unix:/run/dst --read-only\n"
    );
    let long = "x".repeat(40);
    assert_eq!(
        hints(&[
            &long,
            "/dev/vdb",
            "--listen",
            "[fd00::1]:9",
            "--allow",
            "fd00::/8:ro"
        ]),
        format!(
            "To attach it on a client:\n  dstctl add NAME [fd00::1]:9 --export {long} --read-only\n"
        )
    );
    let all = hints(&["disk", "/dev/vdb", "--listen", "[::]"]);
    assert!(!all.contains("[::]"), "{all}");
}

#[test]
fn who_lets_nobody_in_is_told() {
    let note = "Only this machine is let in. To let others in:\n  \
                dstctl export set disk --allow PREFIX:rw\n";

    assert!(hints(&["disk", "/dev/vdb", "--listen", "[::]"]).ends_with(note));
    assert!(!hints(&["disk", "/dev/vdb", "--listen", "[::1]"]).contains(note));
    assert!(!hints(&["disk", "/dev/vdb", "--listen", "unix:/a"]).contains(note));
}

#[test]
fn a_device_is_looked_at_before_the_kernel_is_asked() {
    let mut kernel = Fake::new();
    let outcome = kernel.run(&["export", "add", "disk", "/dev/null", "--listen", "[::]"]);

    assert_eq!(outcome.result.unwrap_err().cause, Cause::BadDevice);
    assert_eq!(kernel.asked, []);
}

#[test]
fn a_socket_needs_a_directory() {
    let mut kernel = Fake::new();
    let outcome = kernel.run(&["export", "set", "disk", "--listen", "unix:/nonexistent/a"]);

    assert_eq!(
        outcome.result.unwrap_err().to_string(),
        "there is no directory for unix:/nonexistent/a"
    );
    assert_eq!(kernel.asked, []);
}

#[test]
fn setting_sends_only_what_changes() {
    let mut kernel = Fake::new();

    kernel.run(&[
        "export",
        "set",
        "disk",
        "--read-only",
        "--exclusive-writers",
    ]);
    kernel.run(&[
        "export",
        "set",
        "disk",
        "--read-write",
        "--keepalive",
        "300ms",
    ]);
    assert_eq!(kernel.asked[0].command, command::EXPORT_SET);
    assert_eq!(
        kernel.asked[0].attributes,
        [
            raw(1, b"disk\0"),
            raw(6, &1_u32.to_ne_bytes()),
            raw(7, &1_u32.to_ne_bytes()),
        ]
        .concat()
    );
    assert_eq!(
        kernel.asked[1].attributes,
        [
            raw(1, b"disk\0"),
            raw(6, &2_u32.to_ne_bytes()),
            raw(10, &300_u32.to_ne_bytes()),
        ]
        .concat()
    );
}

#[test]
fn attached_clients_keep_an_export() {
    let mut kernel = Fake::new()
        .answer(&[])
        .refuse(libc::EBUSY, Some("1 client"));
    let failure = kernel.run(&["export", "del", "disk"]).result.unwrap_err();

    assert_eq!(failure.cause, Cause::InUse);
    assert!(failure
        .to_string()
        .starts_with("cannot remove export 'disk': clients are attached: 1 client\n"));
    assert_eq!(kernel.asked[1].command, command::EXPORT_DEL);
    assert_eq!(kernel.asked[1].attributes, raw(1, b"disk\0"));
    kernel.run(&["export", "del", "disk", "--force"]);
    assert_eq!(kernel.asked[3].command, command::EXPORT_DEL);
    assert_eq!(
        kernel.asked[3].attributes,
        [raw(1, b"disk\0"), raw(11, &[])].concat()
    );
}

#[test]
fn exports_are_listed_and_shown() {
    let list = Fake::new().answer(&[&disk()]).run(&["export", "list"]);
    let show = Fake::new()
        .answer(&[&disk()])
        .run(&["export", "show", "disk"]);

    assert_eq!(
        list.out,
        "NAME  STATE      SIZE  ACCESS      CLIENTS  LISTENS ON  DEVICE\n\
         disk  active  1.0 MiB  read-write        2  [::]:7770   /dev/vdb\n"
    );
    assert_eq!(
        show.out,
        "export:             disk\n\
         device:             /dev/vdb\n\
         device is open for: this export only\n\
         state:              active\n\
         size:               1.0 MiB (1048576 bytes)\n\
         access:             read-write\n\
         writers:            exclusive\n\
         acknowledges:       writes that the device has taken\n\
         listens on:         [::]:7770\n\
         lets in:            this machine only\n\
         clients:            2\n"
    );
}

#[test]
fn sessions_can_be_asked_for_by_export() {
    let mut session = Attributes::new();
    let mut counters = Attributes::new();
    counters.u32(uapi::counters::BYTES_WRITTEN, 4096);
    session
        .string(uapi::session::EXPORT, "disk")
        .string(uapi::session::CLIENT, "client-7")
        .u32(uapi::session::STATE, uapi::session_state::ACTIVE)
        .u32(uapi::session::ACCESS, uapi::access::READ_WRITE)
        .u32(uapi::session::AGE_MS, 5000)
        .nest(uapi::session::COUNTERS, &counters);
    let mut kernel = Fake::new().answer(&[&session]);
    let outcome = kernel.run(&["sessions", "disk"]);

    assert!(kernel.asked[0].dump);
    assert_eq!(kernel.asked[0].command, command::SESSION_GET);
    assert_eq!(kernel.asked[0].attributes, raw(1, b"disk\0"));
    assert_eq!(
        outcome.out,
        "EXPORT  CLIENT    ADDRESS  STATE   ACCESS      AGE  READ  WRITTEN  IN FLIGHT  \
         KEY\n\
         disk    client-7  -        active  read-write  5s    0 B  4.0 KiB          0  -\n"
    );
    kernel.run(&["sessions"]);
    assert!(kernel.asked[1].attributes.is_empty());
}

#[test]
fn the_pool_is_shown_after_a_change() {
    let mut pool = Attributes::new();
    pool.u32(uapi::pool::THREADS, 4)
        .u32(uapi::pool::THREADS_LIMIT, 64)
        .u32(uapi::pool::BUSY, 1)
        .u32(uapi::pool::QUEUED, 0)
        .bytes(uapi::pool::JOBS, &(1_u64 << 33).to_ne_bytes());
    let mut kernel = Fake::new().answer(&[]).answer(&[&pool]);
    let outcome = kernel.run(&["pool", "set", "4"]);

    assert_eq!(kernel.asked[0].command, command::POOL_SET);
    assert_eq!(kernel.asked[0].attributes, raw(1, &4_u32.to_ne_bytes()));
    assert_eq!(kernel.asked[1].command, command::POOL_GET);
    assert_eq!(
        outcome.out,
        "threads:      4 of 64 at most\n\
         busy:         1\n\
         jobs waiting: 0\n\
         jobs done:    8589934592\n"
    );
}
