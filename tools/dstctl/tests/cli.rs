// SPDX-License-Identifier: GPL-2.0

//! The program as it is run: exit codes and texts, where the kernel is not needed.

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;
use std::fs;

/// A public key.
const KEY: &str = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=";

/// A public key that nobody can own.
const ZERO: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

fn dstctl(args: &[&str]) -> assert_cmd::assert::Assert {
    Command::cargo_bin("dstctl").unwrap().args(args).assert()
}

#[test]
fn wrong_command_lines_are_explained_with_exit_code_2() {
    for (args, text) in [
        (
            &["add", "a/b", "server"][..],
            "the name holds something else",
        ),
        (&["add", "-a", "server"], "unexpected argument '-a'"),
        (
            &["add", &"a".repeat(28), "server"],
            "longer than 27 characters",
        ),
        (&["add", "a"], "<HOST:PORT>..."),
        (
            &["add", "a", "server:99999"],
            "port '99999' is not a number from 1 to 65535",
        ),
        (&["add", "a", "::1:7770"], "write [::1]:7770"),
        (&["add", "a", "server", "--timeout", "never"], "not a time"),
        (&["add", "a", "server", "--timeout", "2h"], "longer than 1h"),
        (
            &["add", "a", "server", "--connections", "0"],
            "0 is not in 1..=32",
        ),
        (&["add", "a", "server", "--uuid", "x"], "invalid value 'x'"),
        (&["set", "a"], "--server <HOST:PORT>"),
        (&["set", "a", "--connections", "33"], "33 is not in 1..=32"),
        (
            &["set", "a", "--fail-after", "0"],
            "shorter than 100ms: write 'never' to wait",
        ),
        (&["set", "a", "--io-timeout", "8d"], "longer than 7days"),
        (&["set", "a", "--io-timeout", "soon"], "not a time"),
        (&["suspend"], "<NAME>"),
        (&["migrate", "a"], "<HOST:PORT>..."),
        (
            &["migrate", "a", "server", "--timeout", "0"],
            "there has to be some time",
        ),
        (&["export", "add", "a", "/dev/vdb"], "--listen <ADDR:PORT>"),
        (
            &[
                "export",
                "add",
                "a",
                "/dev/vdb",
                "--listen",
                "[::]",
                "--allow",
                "10.0.0.0/8",
            ],
            "write 10.0.0.0/8:ro or 10.0.0.0/8:rw",
        ),
        (
            &[
                "export", "add", "a", "/dev/vdb", "--listen", "[::]", "--window", "63",
            ],
            "63 is not in 64..=65536",
        ),
        (
            &[
                "export",
                "add",
                "a",
                "/dev/vdb",
                "--listen",
                "[::]",
                "--keepalive",
                "299ms",
            ],
            "shorter than 300ms",
        ),
        (&["export", "set", "a"], "--allow <PREFIX:ro|rw>"),
        (
            &["export", "set", "a", "--no-keys", "--keys-only"],
            "cannot be used with",
        ),
        (&["export", "allow", "a"], "--key <KEY:ro|rw>"),
        (
            &["export", "allow", "a", "--key", KEY],
            "write KEY:ro or KEY:rw",
        ),
        (
            &[
                "export",
                "allow",
                "a",
                "--from",
                "10.0.0.0/8:rw",
                "--psk",
                "f",
            ],
            "--key <KEY:ro|rw>",
        ),
        (&["export", "disallow", "a"], "--key <KEY>"),
        (
            &["export", "disallow", "a", "--key", "x"],
            "44 characters of base64",
        ),
        (&["add", "a", "server", "--server-key", KEY], "--key <FILE>"),
        (&["add", "a", "server", "--key", "f"], "--server-key <KEY>"),
        (&["add", "a", "server", "--psk", "f"], "--key <FILE>"),
        (
            &[
                "add",
                "a",
                "server",
                "--key",
                "f",
                "--server-key",
                KEY,
                "--digest",
                "crc32c",
            ],
            "cannot be used with",
        ),
        (
            &["add", "a", "server", "--key", "f", "--server-key", ZERO],
            "no secret key has this public key",
        ),
        (
            &["set", "a", "--suite", "rot13"],
            "chacha20-poly1305, aes-256-gcm",
        ),
        (
            &["server", "set", "--suite", "rot13"],
            "any, chacha20-poly1305, aes-256-gcm",
        ),
        (&["server", "set"], "--key <FILE>"),
        (
            &["export", "set", "a", "--read-only", "--read-write"],
            "cannot be used with",
        ),
        (&["pool", "set", "0"], "0 is not in 1..=1024"),
        (&["nonsense"], "unrecognized subcommand"),
        (&[], "Usage: dstctl"),
    ] {
        dstctl(args).code(2).stdout("").stderr(contains(text));
    }
}

#[test]
fn devices_that_cannot_be_exported_are_explained() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("image");
    let add = |device: &str| dstctl(&["export", "add", "a", device, "--listen", "[::]"]);

    fs::write(&file, "").unwrap();
    add("/dev/no-such-device")
        .code(3)
        .stderr(contains("there is no device '/dev/no-such-device'"));
    add("/dev/null")
        .code(9)
        .stderr(contains("'/dev/null' is not a block device"));
    add(file.to_str().unwrap())
        .code(9)
        .stderr(contains("is a file, not a block device\nhint: losetup"));
}

#[test]
fn keys_go_through_pipes() {
    let secret = dstctl(&["key", "generate"]).success();
    let secret = secret.get_output().stdout.clone();
    let public = |args: &[&str]| {
        let output = Command::cargo_bin("dstctl")
            .unwrap()
            .args(args)
            .write_stdin(secret.clone())
            .assert()
            .success()
            .stderr("");

        String::from_utf8(output.get_output().stdout.clone()).unwrap()
    };

    assert_eq!(secret.len(), 45);
    assert_eq!(public(&["key", "public"]).len(), 45);
    assert_eq!(public(&["key", "public", "-"]), public(&["key", "public"]));
    assert!(public(&["--json", "key", "public"]).contains("\"public_key\""));
    Command::cargo_bin("dstctl")
        .unwrap()
        .args(["key", "public"])
        .write_stdin("nonsense")
        .assert()
        .code(2)
        .stdout("")
        .stderr(contains("there is no key in the standard input"));
}

#[test]
fn unknown_hosts_are_unreachable() {
    dstctl(&["add", "a", "nowhere.invalid"])
        .code(6)
        .stdout("")
        .stderr(contains("cannot resolve host name 'nowhere.invalid'"));
}

#[test]
fn failures_can_be_json() {
    let output = dstctl(&["--json", "add", "a", "nowhere.invalid"]).code(6);
    let failure: serde_json::Value = serde_json::from_slice(&output.get_output().stderr).unwrap();

    assert_eq!(failure["error"]["cause"], "unresolvable");
    assert_eq!(failure["error"]["exit_code"], 6);
}

#[test]
fn wrong_command_lines_can_be_json() {
    for (args, message) in [
        (
            &["add", "a/b", "server", "--json"][..],
            "invalid value 'a/b' for '<NAME>': the name holds something else than letters, \
             digits, '.', '_' and '-'",
        ),
        (
            &["--json", "nonsense"],
            "unrecognized subcommand 'nonsense'",
        ),
    ] {
        let output = dstctl(args).code(2).stdout("");
        let failure: serde_json::Value =
            serde_json::from_slice(&output.get_output().stderr).unwrap();

        assert_eq!(failure["error"]["cause"], "usage");
        assert_eq!(failure["error"]["message"], message);
    }
}

#[test]
fn help_names_the_exit_codes() {
    dstctl(&["--help"])
        .success()
        .stdout(contains("8 module not loaded").and(contains("dstctl add disk server:7770")));
    for command in [
        &["export"][..],
        &["pool"],
        &["export", "add"],
        &["export", "allow"],
        &["add"],
        &["key"],
        &["key", "public"],
        &["server"],
    ] {
        dstctl(&[command, &["--help"]].concat()).success();
    }
}

#[test]
fn completions_are_written_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        dstctl(&["completions", shell])
            .success()
            .stdout(contains("dstctl"));
    }
}

#[test]
fn versions_are_shown_without_the_module() {
    dstctl(&["version"]).success().stdout(contains(concat!(
        "dstctl ",
        env!("CARGO_PKG_VERSION"),
        "\n"
    )));
    dstctl(&["--version"])
        .success()
        .stdout(concat!("dstctl ", env!("CARGO_PKG_VERSION"), "\n"));
}

/// Without the module every command that needs it says how to get it.
#[test]
fn a_missing_module_is_explained() {
    if fs::exists("/sys/module/dst").unwrap() {
        return;
    }
    for args in [
        &["list"][..],
        &["show", "a"],
        &["del", "a"],
        &["set", "a", "--connections", "2"],
        &["add", "a", "127.0.0.1"],
        &["export", "list"],
        &["export", "del", "a"],
        &["export", "set", "a", "--read-only"],
        &["sessions"],
        &["pool", "show"],
        &["pool", "set", "2"],
        &["server", "show"],
        &["server", "set", "--sessions", "2"],
        &["events"],
        &["server", "show"],
        &["export", "allow", "a", "--from", "10.0.0.0/8:rw"],
        &["export", "disallow", "a", "--key", KEY],
    ] {
        dstctl(args).code(8).stdout("").stderr(contains(
            "the kernel module is not loaded\nhint: modprobe dst\n",
        ));
    }
}
