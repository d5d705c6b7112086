// SPDX-License-Identifier: GPL-2.0

//! Notifications.

use super::explain::explain;
use super::Context;
use crate::failure::Result;
use crate::netlink::{
    KernelError,
    Malformed,
    Notification, //
};
use crate::objects::{
    Event,
    Export,
    Session,
    Storage, //
};
use crate::output;
use crate::uapi::command;
use serde::Serialize;
use std::time::SystemTime;

/// The object that something happened to.
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Object {
    Storage(Storage),
    Export(Export),
    Session(Session),
}

/// A line of JSON.
#[derive(Debug, Serialize)]
struct Line<'a> {
    time: String,
    event: Option<Event>,
    #[serde(flatten)]
    object: &'a Object,
}

/// Shows what happens until something is wrong with the kernel.
pub(super) fn follow(context: &mut Context<'_>) -> Result<()> {
    let failed = |error| explain("cannot follow the events", error, |_, _| None);

    context.kernel.subscribe().map_err(failed)?;
    loop {
        match context.kernel.notification() {
            Ok(notification) => {
                if let Some(object) = parse(&notification).map_err(|error| failed(error.into()))? {
                    show(&object, context)?;
                }
            }
            Err(KernelError::Overrun) => {
                writeln!(context.err, "dstctl: events were lost: they came too fast")?;
            }
            Err(error) => return Err(failed(error)),
        }
    }
}

/// Reads a notification, unless it is one that only a newer program knows.
fn parse(notification: &Notification) -> Result<Option<Object>, Malformed> {
    let bytes = &notification.attributes;

    Ok(match notification.command {
        command::STORAGE_NTF => Some(Object::Storage(Storage::parse(bytes)?)),
        command::EXPORT_NTF => Some(Object::Export(Export::parse(bytes)?)),
        command::SESSION_NTF => Some(Object::Session(Session::parse(bytes)?)),
        _ => None,
    })
}

/// Shows one.
fn show(object: &Object, context: &mut Context<'_>) -> Result<()> {
    let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string();

    if context.json {
        let event = match object {
            Object::Storage(storage) => storage.event,
            Object::Export(export) => export.event,
            Object::Session(session) => session.event,
        };
        let line = Line {
            time,
            event,
            object,
        };

        return output::json_line(context.out, &line);
    }
    writeln!(context.out, "{time} {}", describe(object))?;
    Ok(context.out.flush()?)
}

/// Writes what happened, in one line without the time.
fn describe(object: &Object) -> String {
    let mut words = vec![];

    match object {
        Object::Storage(s) => {
            words.push(format!("storage {}", s.name));
            words.extend(s.event.map(|event| event.to_string()));
            words.extend(s.state.map(|state| format!("state={state}")));
            let left = s.draining.filter(|left| *left > 0);
            words.extend(left.map(|left| format!("left={left}")));
            words.extend(s.device.as_ref().map(|device| format!("device={device}")));
            words.extend(s.size.map(|size| format!("size={size}")));
            words.extend(s.peer.as_ref().map(|peer| format!("peer={peer}")));
            words.extend(s.epoch.map(|epoch| format!("epoch={epoch}")));
            words.extend(s.error.as_ref().map(|error| format!("error=\"{error}\"")));
        }
        Object::Export(e) => {
            words.push(format!("export {}", e.name));
            words.extend(e.event.map(|event| event.to_string()));
            words.extend(e.state.map(|state| format!("state={state}")));
            words.extend(e.device.as_ref().map(|device| format!("device={device}")));
            words.extend(e.size.map(|size| format!("size={size}")));
            words.extend(e.sessions.map(|n| format!("clients={n}")));
            words.extend(e.error.as_ref().map(|error| format!("error=\"{error}\"")));
        }
        Object::Session(s) => {
            words.push(format!("session {}", s.export));
            words.extend(s.event.map(|event| event.to_string()));
            words.extend(s.client.as_ref().map(|client| format!("client={client}")));
            words.extend(s.peer.as_ref().map(|peer| format!("peer={peer}")));
            words.extend(s.state.map(|state| format!("state={state}")));
            words.extend(s.access.map(|access| format!("access={access}")));
            words.extend(s.epoch.map(|epoch| format!("epoch={epoch}")));
            words.extend(s.id.map(|id| format!("id={id}")));
        }
    }
    words.join(" ")
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
