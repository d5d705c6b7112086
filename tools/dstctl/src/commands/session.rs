// SPDX-License-Identifier: GPL-2.0

//! Sessions.

use super::explain::{
    explain,
    missing, //
};
use super::Context;
use crate::failure::Result;
use crate::netlink::Attributes;
use crate::objects::Session;
use crate::output::{
    self,
    units,
    Align,
    Table, //
};
use crate::uapi::{
    command,
    session as attr, //
};

/// Lists the sessions of all exports, or of one.
pub(super) fn list(export: Option<&str>, context: &mut Context<'_>) -> Result<()> {
    let mut attributes = Attributes::new();

    if let Some(export) = export {
        attributes.string(attr::EXPORT, export);
    }
    let action = match export {
        Some(export) => format!("cannot list the sessions of export '{export}'"),
        None => "cannot list the sessions".into(),
    };
    let refused = |error| {
        explain(&action, error, |errno, _| {
            missing("export", "dstctl export list", errno)
        })
    };
    let mut sessions = context
        .kernel
        .dump(command::SESSION_GET, &attributes)
        .map_err(refused)?
        .iter()
        .map(|bytes| Session::parse(bytes).map_err(|error| refused(error.into())))
        .collect::<Result<Vec<_>>>()?;

    sessions.sort_by(|a, b| (&a.export, a.id).cmp(&(&b.export, b.id)));
    if context.json {
        return output::json(context.out, &sessions);
    }
    let mut table = Table::new(&[
        ("EXPORT", Align::Left),
        ("CLIENT", Align::Left),
        ("ADDRESS", Align::Left),
        ("STATE", Align::Left),
        ("ACCESS", Align::Left),
        ("AGE", Align::Left),
        ("READ", Align::Right),
        ("WRITTEN", Align::Right),
        ("IN FLIGHT", Align::Right),
        ("KEY", Align::Left),
    ]);

    for session in sessions {
        let counters = session.counters.unwrap_or_default();

        table.row([
            session.export,
            session.client.unwrap_or_default(),
            session
                .peer
                .map(|peer| peer.to_string())
                .unwrap_or_default(),
            session
                .state
                .map(|state| state.to_string())
                .unwrap_or_default(),
            session
                .access
                .map(|access| access.to_string())
                .unwrap_or_default(),
            session.age_ms.map(units::age).unwrap_or_default(),
            units::size(counters.bytes_read),
            units::size(counters.bytes_written),
            counters.in_flight.to_string(),
            session.key.unwrap_or_default(),
        ]);
    }
    Ok(write!(context.out, "{table}")?)
}
