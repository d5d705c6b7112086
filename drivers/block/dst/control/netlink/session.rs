// SPDX-License-Identifier: GPL-2.0

//! Requests and notifications concerning sessions.

use super::{
    super::{
        refusal::Result as Verdict,
        uapi,
        Control, //
    },
    export,
    keys,
    values, //
};
use crate::{
    abstractions::{
        genetlink::Dump,
        netlink::Message, //
    },
    server::config::{
        SessionInfo,
        SessionState, //
    }, //
};
use kernel::prelude::*;

/// Shows the sessions of all exports, or those of the one that is named.
pub(super) fn dump(control: &Control, dump: &mut Dump) -> Verdict {
    let net = dump.request().namespace()?;

    dump.set_state(control.events.changes(&net));

    let exports = match dump.request().attributes().get(uapi::DST_A_SESSION_EXPORT) {
        Some(name) => {
            let mut exports = KVec::new();

            exports.push(
                control.server.get(&net, &values::string(&name)?)?,
                GFP_KERNEL,
            )?;
            exports
        }
        None => control.server.exports_of(&net)?,
    };
    let mut sessions = KVec::new();

    for export in exports {
        for session in control.server.sessions(&export)? {
            sessions.push(session, GFP_KERNEL)?;
        }
    }

    let is_privileged = dump.request().is_privileged();

    Ok(dump.each(sessions, |message, info| put(message, info, is_privileged))?)
}

/// Adds what a notification about a session says.
pub(in super::super) fn put_event(
    message: &mut Message<'_>,
    event: u32,
    info: &SessionInfo,
) -> Result {
    message.put_u32(uapi::DST_A_SESSION_EVENT, event)?;
    put_state(message, info)
}

/// Adds all that there is to know about a session. Its identity is for those who `is_privileged` is
/// true of: whoever knows it can pass for the client, if there are no keys.
fn put(message: &mut Message<'_>, info: &SessionInfo, is_privileged: bool) -> Result {
    put_state(message, info)?;
    if is_privileged {
        message.put_bytes(uapi::DST_A_SESSION_ID, &info.id.0)?;
    }
    message.put_u32(uapi::DST_A_SESSION_WINDOW, info.window)?;
    message.put_uint(uapi::DST_A_SESSION_AGE_MS, info.age_ms)?;
    export::counters(&info.counts).put(message, uapi::DST_A_SESSION_COUNTERS)
}

/// Adds what notifications and replies say.
fn put_state(message: &mut Message<'_>, info: &SessionInfo) -> Result {
    let state = match info.state {
        SessionState::Active => uapi::DST_SESSION_STATE_ACTIVE,
        SessionState::Draining => uapi::DST_SESSION_STATE_DRAINING,
        SessionState::Idle => uapi::DST_SESSION_STATE_IDLE,
    };

    values::put_text(message, uapi::DST_A_SESSION_EXPORT, &info.export)?;
    message.put_u32(uapi::DST_A_SESSION_STATE, state)?;
    if let Some(peer) = &info.peer {
        message.put_bytes(uapi::DST_A_SESSION_PEER, peer.as_bytes())?;
    }
    values::put_text(message, uapi::DST_A_SESSION_CLIENT, &info.client)?;
    values::put_rights(message, uapi::DST_A_SESSION_ACCESS, info.access)?;
    message.put_u32(uapi::DST_A_SESSION_EPOCH, info.epoch.0)?;
    message.put_u32(uapi::DST_A_SESSION_CONNECTIONS, info.connections)?;
    keys::put_public(message, uapi::DST_A_SESSION_KEY, info.key.as_ref())
}
