// SPDX-License-Identifier: GPL-2.0

//! Tests of the command that follows events.

use crate::commands::fake::Fake;
use crate::failure::Cause;
use crate::netlink::{
    Attributes,
    KernelError, //
};
use crate::uapi::{
    self,
    command, //
};

/// A kernel that tells of each kind of object, loses something, and goes away.
fn kernel() -> Fake {
    let mut storage = Attributes::new();
    storage
        .string(uapi::storage::NAME, "disk")
        .u32(uapi::storage::EVENT, uapi::event::DISCONNECTED)
        .u32(uapi::storage::STATE, uapi::storage_state::RECONNECTING)
        .string(uapi::storage::ERROR, "Connection reset by peer");
    let mut draining = Attributes::new();
    draining
        .string(uapi::storage::NAME, "disk")
        .u32(uapi::storage::EVENT, uapi::event::STATE)
        .u32(uapi::storage::STATE, uapi::storage_state::DRAINING)
        .u32(uapi::storage::DRAINING, 3);
    let mut export = Attributes::new();
    export
        .string(uapi::export::NAME, "images")
        .u32(uapi::export::EVENT, uapi::event::ADDED)
        .u32(uapi::export::SESSIONS, 0);
    let mut session = Attributes::new();
    session
        .string(uapi::session::EXPORT, "images")
        .u32(uapi::session::EVENT, uapi::event::CONNECTED)
        .string(uapi::session::CLIENT, "a\nb");
    let mut kernel = Fake::new()
        .notify(command::STORAGE_NTF, &storage)
        .notify(99, &storage)
        .notify(command::STORAGE_NTF, &draining);

    kernel.notifications.push_back(Err(KernelError::Overrun));
    kernel
        .notify(command::EXPORT_NTF, &export)
        .notify(command::SESSION_NTF, &session)
}

#[test]
fn events_are_lines() {
    let mut kernel = kernel();
    let outcome = kernel.run(&["events"]);
    let lines: Vec<_> = outcome
        .out
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .collect();

    assert!(kernel.subscribed);
    assert!(lines.iter().all(|(time, _)| time.ends_with('Z')));
    assert_eq!(
        lines.iter().map(|(_, text)| *text).collect::<Vec<_>>(),
        [
            "storage disk disconnected state=reconnecting error=\"Connection reset by peer\"",
            "storage disk state state=draining left=3",
            "export images added clients=0",
            "session images connected client=a\u{fffd}b",
        ]
    );
    assert_eq!(
        outcome.err,
        "dstctl: events were lost: they came too fast\n"
    );
    assert_eq!(outcome.result.unwrap_err().cause, Cause::ModuleNotLoaded);
}

#[test]
fn events_are_lines_of_json() {
    let outcome = kernel().run(&["events", "--json"]);
    let lines: Vec<serde_json::Value> = outcome
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();

    assert_eq!(lines.len(), 4);
    assert_eq!(lines[0]["event"], "disconnected");
    assert_eq!(lines[0]["storage"]["name"], "disk");
    assert_eq!(lines[0]["storage"]["state"], "reconnecting");
    assert_eq!(lines[1]["storage"]["draining"], 3);
    assert_eq!(lines[2]["export"]["name"], "images");
    assert_eq!(lines[3]["session"]["export"], "images");
    assert!(lines[3]["time"].is_string());
}
