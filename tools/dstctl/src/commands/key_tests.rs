// SPDX-License-Identifier: GPL-2.0

//! Tests of the commands for keys, and of how secrets get to the kernel.

use crate::commands::fake::{
    raw,
    Fake,
    Outcome, //
};
use crate::commands::storage::tests::disk;
use crate::failure::Cause;
use crate::netlink::Attributes;
use crate::uapi::{
    self,
    command,
    server as attr,
    storage, //
};
use std::fs;
use std::os::unix::fs::{
    FileExt,
    PermissionsExt, //
};
use std::path::PathBuf;

/// The keys of Alice and Bob in RFC 7748, and a preshared key.
const ALICE: &str = "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=";
const ALICE_PUBLIC: &str = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=";
const BOB_PUBLIC: &str = "3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08=";
const PSK: &str = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
const ALICE_BYTES: [u8; 4] = [0x77, 0x07, 0x6d, 0x0a];

/// Files with secrets.
struct Files {
    dir: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        let files = Self {
            dir: tempfile::tempdir().unwrap(),
        };

        for (name, text) in [("key", ALICE), ("psk", PSK)] {
            fs::write(files.dir.path().join(name), format!("{text}\n")).unwrap();
            files.set_mode(name, 0o600);
        }
        files
    }

    fn path(&self, name: &str) -> String {
        let path: PathBuf = self.dir.path().join(name);

        path.to_str().unwrap().into()
    }

    fn set_mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }
}

/// Checks that nothing that was said or sent has one of the secrets in it.
fn check_silence(kernel: &Fake, outcome: &Outcome) {
    let failure = outcome.result.as_ref().err().map(|failure| {
        let json = failure.to_json();

        format!("{failure}\n{failure:?}\n{json}")
    });

    for secret in [&ALICE[..43], &PSK[..43]] {
        assert!(!outcome.out.contains(secret), "{}", outcome.out);
        assert!(!outcome.err.contains(secret), "{}", outcome.err);
        assert!(!failure.as_ref().is_some_and(|text| text.contains(secret)));
    }
    for asked in &kernel.asked {
        for bytes in [&ALICE_BYTES[..], &[1, 2, 3, 4, 5, 6, 7, 8]] {
            assert!(!asked
                .attributes
                .windows(bytes.len())
                .any(|window| window == bytes));
        }
    }
}

/// Checks that the kernel got a secret that begins like this, and that nothing is left of it.
fn check_taken(kernel: &Fake, index: usize, start: &[u8]) {
    let taken = &kernel.taken[index];
    let mut after = [1; 32];

    assert_eq!(taken.bytes.len(), 32);
    assert!(taken.bytes.starts_with(start));
    taken.file.read_exact_at(&mut after, 0).unwrap();
    assert_eq!(after, [0; 32]);
}

/// The server as the kernel tells it.
fn server() -> Attributes {
    let mut server = Attributes::new();

    server.bytes(attr::PUBLIC_KEY, &[0xff; 32]);
    server
}

#[test]
fn the_key_of_the_server_is_handed_over() {
    let files = Files::new();
    let mut kernel = Fake::new().answer(&[]).answer(&[&server()]);
    let outcome = kernel.run(&["server", "set", "--key", &files.path("key")]);

    assert_eq!(outcome.result, Ok(()));
    assert_eq!(
        outcome.out,
        "public key: //////////////////////////////////////////8=\n"
    );
    assert_eq!(outcome.err, "");
    assert_eq!(kernel.asked[0].command, command::SERVER_SET);
    assert_eq!(kernel.asked[0].attributes.len(), 8);
    assert_eq!(kernel.asked[1].command, command::SERVER_GET);
    check_taken(&kernel, 0, &ALICE_BYTES);
    check_silence(&kernel, &outcome);
}

#[test]
fn a_server_without_a_key_says_so() {
    let mut kernel = Fake::new().answer(&[&Attributes::new()]);
    let outcome = kernel.run(&["server", "show"]);

    assert!(outcome.out.contains("none"), "{}", outcome.out);
    let outcome = Fake::new()
        .answer(&[&Attributes::new()])
        .run(&["--json", "server", "show"]);
    assert!(
        outcome.out.contains("\"public_key\": null"),
        "{}",
        outcome.out
    );
}

#[test]
fn the_suite_of_the_server_is_set_and_shown() {
    for (word, number) in [("any", 0_u32), ("chacha20-poly1305", 1), ("aes-256-gcm", 2)] {
        let mut told = server();

        told.u32(attr::SUITE, number);
        let mut kernel = Fake::new().answer(&[]).answer(&[&told]);
        let outcome = kernel.run(&["server", "set", "--suite", word]);
        assert_eq!(outcome.result, Ok(()));
        assert!(
            outcome.out.ends_with(&format!("8=\nsuite: {word}\n")),
            "{}",
            outcome.out
        );
        assert_eq!(kernel.asked[0].command, command::SERVER_SET);
        assert_eq!(
            kernel.asked[0].attributes,
            raw(attr::SUITE, &number.to_ne_bytes())
        );

        let outcome = Fake::new()
            .answer(&[&told])
            .run(&["--json", "server", "show"]);
        assert!(
            outcome.out.contains(&format!("\"suite\": \"{word}\"")),
            "{}",
            outcome.out
        );
    }
    // A module that knows of none.
    let outcome = Fake::new()
        .answer(&[&server()])
        .run(&["--json", "server", "show"]);
    assert!(outcome.out.contains("\"suite\": null"), "{}", outcome.out);
}

#[test]
fn who_insists_on_another_suite_is_told_what_to_do() {
    let files = Files::new();
    let text = "export disk: this server seals only with aes-256-gcm (unauthenticated)";
    let outcome = Fake::new().refuse(libc::EPROTONOSUPPORT, Some(text)).run(&[
        "add",
        "disk",
        "10.0.0.1",
        "--key",
        &files.path("key"),
        "--server-key",
        BOB_PUBLIC,
        "--suite",
        "chacha20-poly1305",
    ]);
    let failure = outcome.result.unwrap_err();

    assert_eq!(failure.cause, Cause::VersionMismatch);
    assert!(failure.to_string().contains(text), "{failure}");
    assert!(failure.hint.unwrap().contains("leave out --suite"));
}

#[test]
fn whoever_else_can_read_a_key_is_remarked() {
    let files = Files::new();
    let mut kernel = Fake::new().answer(&[]).answer(&[&server()]);

    files.set_mode("key", 0o644);
    let outcome = kernel.run(&["server", "set", "--key", &files.path("key")]);
    assert_eq!(outcome.result, Ok(()));
    assert!(outcome.err.contains("chmod 600"), "{}", outcome.err);
    check_silence(&kernel, &outcome);
}

#[test]
fn a_refused_secret_is_overwritten_too() {
    let files = Files::new();
    let mut kernel = Fake::new().refuse(libc::EPERM, None);
    let outcome = kernel.run(&["server", "set", "--key", &files.path("key")]);

    assert_eq!(
        outcome.result.as_ref().unwrap_err().cause,
        Cause::NoPrivilege
    );
    check_taken(&kernel, 0, &ALICE_BYTES);
    check_silence(&kernel, &outcome);
}

#[test]
fn a_storage_gets_its_keys() {
    let files = Files::new();
    let mut kernel = Fake::new().answer(&[&disk("disk")]);
    let outcome = kernel.run(&[
        "add",
        "disk",
        "10.0.0.1",
        "--key",
        &files.path("key"),
        "--server-key",
        BOB_PUBLIC,
        "--psk",
        &files.path("psk"),
        "--suite",
        "aes-256-gcm",
    ]);
    let bob = crate::input::key::public(BOB_PUBLIC).unwrap();
    let sent = &kernel.asked[0].attributes;

    assert_eq!(outcome.result, Ok(()));
    for part in [
        raw(storage::SERVER_KEY, &bob.0),
        raw(storage::SUITE, &uapi::suite::AES_256_GCM.to_ne_bytes()),
    ] {
        assert!(sent.windows(part.len()).any(|window| window == part));
    }
    check_taken(&kernel, 0, &ALICE_BYTES);
    check_taken(&kernel, 1, &[1, 2, 3, 4]);
    check_silence(&kernel, &outcome);
}

#[test]
fn keys_of_a_storage_are_changed() {
    let files = Files::new();
    let mut kernel = Fake::new();
    let outcome = kernel.run(&["set", "disk", "--key", &files.path("key")]);

    assert_eq!(outcome.result, Ok(()));
    check_taken(&kernel, 0, &ALICE_BYTES);
    check_silence(&kernel, &outcome);

    let mut kernel = Fake::new();
    let outcome = kernel.run(&["set", "disk", "--no-psk", "--suite", "any"]);
    assert_eq!(outcome.result, Ok(()));
    assert_eq!(
        kernel.asked[0].attributes,
        [
            raw(storage::NAME, b"disk\0"),
            raw(storage::NO_PSK, b""),
            raw(storage::SUITE, &0_u32.to_ne_bytes()),
        ]
        .concat()
    );
}

#[test]
fn who_is_not_let_in_by_key_is_told_how_to_be() {
    let files = Files::new();
    let mut kernel = Fake::new().refuse(libc::EACCES, Some("export disk: not permitted"));
    let outcome = kernel.run(&[
        "add",
        "disk",
        "10.0.0.1",
        "--key",
        &files.path("key"),
        "--server-key",
        BOB_PUBLIC,
    ]);

    assert_eq!(
        outcome.result.as_ref().unwrap_err().hint,
        Some(format!(
            "on the server: dstctl export allow disk --key {ALICE_PUBLIC}:rw"
        ))
    );
    check_silence(&kernel, &outcome);
    let outcome = Fake::new()
        .refuse(libc::EACCES, Some("export disk: this export needs keys"))
        .run(&["add", "disk", "10.0.0.1"]);
    let failure = outcome.result.unwrap_err();
    assert!(failure.to_string().contains("this export needs keys"));
    assert!(failure
        .hint
        .unwrap()
        .contains("--key FILE --server-key KEY"));
}

#[test]
fn nothing_is_asked_of_the_kernel_if_a_file_is_bad() {
    let files = Files::new();

    fs::write(files.path("bad"), &ALICE[..40]).unwrap();
    for args in [
        &["server", "set", "--key", &files.path("bad")][..],
        &["server", "set", "--key", &files.path("none")],
        &["server", "set", "--key", ALICE],
        &["set", "disk", "--psk", &files.path("bad")],
    ] {
        let mut kernel = Fake::new();
        let outcome = kernel.run(args);

        assert_eq!(outcome.result.as_ref().unwrap_err().cause, Cause::Usage);
        assert_eq!(kernel.asked, []);
        check_silence(&kernel, &outcome);
    }
}

#[test]
fn keys_are_generated() {
    let files = Files::new();
    let out = files.path("new");
    let outcome = Fake::new().run(&["key", "generate", "--out", &out]);
    let text = fs::read_to_string(&out).unwrap();
    let public = Fake::new().run(&["key", "public", &out]);

    assert_eq!(outcome.result, Ok(()));
    assert_eq!(text.len(), 45);
    assert!(!outcome.out.contains(text.trim()), "{}", outcome.out);
    assert!(outcome.out.ends_with(&public.out), "{}", outcome.out);
    assert_eq!(
        Fake::new().run(&["key", "public", &files.path("key")]).out,
        format!("{ALICE_PUBLIC}\n")
    );
    // Twice into the same file does not work.
    let again = Fake::new().run(&["key", "generate", "--out", &out]);
    assert_eq!(again.result.unwrap_err().cause, Cause::NameTaken);
    assert_eq!(fs::read_to_string(&out).unwrap(), text);

    let json = Fake::new().run(&["--json", "key", "generate"]).out;
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["secret_key"].as_str().unwrap().len(), 44);
    let psk = Fake::new().run(&["key", "preshared"]).out;
    assert_eq!(psk.len(), 45);
    let outcome = Fake::new().run(&["--json", "key", "preshared", "--out", &files.path("p")]);
    assert_eq!(outcome.result, Ok(()));
    assert_eq!(fs::read_to_string(files.path("p")).unwrap().len(), 45);
}
