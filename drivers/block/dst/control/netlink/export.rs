// SPDX-License-Identifier: GPL-2.0

//! Requests and notifications concerning exports.

use super::{
    super::{
        refusal::{
            Refusal,
            Result as Verdict, //
        },
        uapi,
        Control, //
    },
    keys,
    later,
    values::{
        self,
        Counters, //
    },
    within, //
};
use crate::{
    abstractions::{
        address::Address,
        errno,
        genetlink::{
            Answer,
            Dump,
            Power,
            Request, //
        },
        netlink::{
            Attribute,
            Message, //
        }, //
    },
    proto::access::Rights,
    server::{
        config::{
            Counts,
            ExportChange,
            ExportConfig,
            ExportInfo,
            ExportState,
            Writers,
            DEFAULT_KEEPALIVE,
            DEFAULT_WINDOW, //
        },
        export::Export, //
    }, //
};
use kernel::{
    prelude::*,
    str::CString,
    sync::{
        Arc,
        ArcBorrow, //
    }, //
};

/// Milliseconds after which who removes an export hears that this takes longer.
const REMOVAL_LIMIT_MS: u32 = 10_000;

/// Adds an export.
pub(super) fn add(control: &Control, request: &Request) -> Verdict {
    require_power(request)?;
    control.add_export(config(request)?)
}

/// Removes an export.
pub(super) fn del(control: ArcBorrow<'_, Control>, request: &Request) -> Verdict<Answer> {
    let force = request.attributes().has(uapi::DST_A_EXPORT_FORCE);
    let export = find(&control, request)?;

    let late = Refusal::new(
        errno::EINPROGRESS.into(),
        fmt!(
            "It lets nobody in, and goes when its device is done: export {}",
            export.name()
        ),
    );

    // It takes no more threads if somebody is impatient.
    if export.is_leaving() {
        return later(control, request, move |_, _| {
            match export.await_removal(REMOVAL_LIMIT_MS) {
                true => Ok(()),
                false => Err(late),
            }
        });
    }
    within(control, request, REMOVAL_LIMIT_MS, late, move |control| {
        control.remove_export(&export, force)
    })
}

/// Changes an export.
pub(super) fn set(control: &Control, request: &Request) -> Verdict {
    let export = find(control, request)?;
    let change = change(request)?;
    let opens_up = |addresses: &KVec<Address>| addresses.iter().any(Address::is_local);

    if change.rules.is_some()
        || change.keyed.is_some()
        || change.access.is_some()
        || change.writers.is_some()
        || change.listen.as_ref().is_some_and(opens_up)
    {
        require_power(request)?;
    }
    control.change_export(&export, change)
}

/// Lets more clients in.
pub(super) fn allow(control: &Control, request: &Request) -> Verdict {
    let export = find(control, request)?;

    require_client(request)?;
    require_power(request)?;
    control.change_allowed(&export, |server| {
        server.allow(
            &export,
            &values::rules(request, uapi::DST_A_EXPORT_ALLOW)?,
            keys::of_export(request)?,
        )
    })
}

/// Does not let clients in any more.
pub(super) fn disallow(control: &Control, request: &Request) -> Verdict {
    let export = find(control, request)?;

    require_client(request)?;
    control.change_allowed(&export, |server| {
        server.disallow(
            &export,
            &values::prefixes(request, uapi::DST_A_EXPORT_ALLOW)?,
            &keys::names(request)?,
            request.has(Power::SystemAdministration),
        )
    })
}

/// Refuses a request that says nothing about clients.
fn require_client(request: &Request) -> Verdict {
    let attributes = request.attributes();

    match attributes.has(uapi::DST_A_EXPORT_ALLOW) || attributes.has(uapi::DST_A_EXPORT_ALLOW_KEY) {
        true => Ok(()),
        false => Err(Refusal::new(
            EINVAL,
            fmt!("The rule or the key of a client is missing"),
        )),
    }
}

/// Shows an export.
pub(super) fn get(control: &Control, request: &Request) -> Verdict {
    let info = find(control, request)?.info()?;

    Ok(request.reply(|message| put(message, &info))?)
}

/// Shows all exports.
pub(super) fn dump(control: &Control, dump: &mut Dump) -> Verdict {
    dump_each(control, dump, |message, export| {
        put(message, &export.info()?)
    })
}

/// Adds a message for each export, with what `fill` puts into it.
pub(super) fn dump_each(
    control: &Control,
    dump: &mut Dump,
    fill: impl Fn(&mut Message<'_>, &Export) -> Result,
) -> Verdict {
    let net = dump.request().namespace()?;

    dump.set_state(control.events.changes(&net));

    let exports = control.server.exports_of(&net)?;

    Ok(dump.each(exports, |message, export| fill(message, export))?)
}

/// Adds what a notification about an export says.
pub(in super::super) fn put_event(
    message: &mut Message<'_>,
    event: u32,
    info: &ExportInfo,
) -> Result {
    message.put_u32(uapi::DST_A_EXPORT_EVENT, event)?;
    put_identity(message, info)?;
    put_state(message, info)
}

/// Refuses to give others the data of a device of this machine if the caller has no power over it.
/// Root of a container may have its network, and even the device in its `/dev`, but not the right to
/// open it.
fn require_power(request: &Request) -> Verdict {
    values::require_power(request, "To let others use a block device")
}

/// Returns the export that the request names.
fn find(control: &Control, request: &Request) -> Verdict<Arc<Export>> {
    find_by(control, request, uapi::DST_A_EXPORT_NAME)
}

/// Returns the export that attribute `kind` of the request names.
pub(super) fn find_by(control: &Control, request: &Request, kind: u32) -> Verdict<Arc<Export>> {
    control
        .server
        .get(&request.namespace()?, &name(request, kind)?)
}

/// Returns what makes the new export.
fn config(request: &Request) -> Verdict<ExportConfig> {
    let attributes = request.attributes();
    let device = values::require(request, uapi::DST_A_EXPORT_DEVICE, "The path of the device")?;
    let uuid = values::require(request, uapi::DST_A_EXPORT_UUID, "The identity of the data")?;

    values::require(
        request,
        uapi::DST_A_EXPORT_LISTEN,
        "The address to listen on",
    )?;
    Ok(ExportConfig {
        name: name(request, uapi::DST_A_EXPORT_NAME)?,
        device: values::string(&device)?,
        net: request.namespace()?,
        listen: values::addresses(request, uapi::DST_A_EXPORT_LISTEN)?,
        rules: values::rules(request, uapi::DST_A_EXPORT_ALLOW)?,
        keyed: attributes.has(uapi::DST_A_EXPORT_KEYED),
        keys: keys::of_export(request)?,
        uuid: values::uuid(&uuid)?,
        access: match attributes.get(uapi::DST_A_EXPORT_ACCESS) {
            Some(access) => values::rights(&access)?,
            None => Rights::ReadWrite,
        },
        writers: match attributes.get(uapi::DST_A_EXPORT_WRITERS) {
            Some(writers) => who_writes(&writers)?,
            None => Writers::default(),
        },
        share_device: attributes.has(uapi::DST_A_EXPORT_SHARE_DEVICE),
        write_through: attributes.has(uapi::DST_A_EXPORT_WRITE_THROUGH),
        window: match attributes.get(uapi::DST_A_EXPORT_WINDOW) {
            Some(window) => window.u32()?,
            None => DEFAULT_WINDOW,
        },
        keepalive: match attributes.get(uapi::DST_A_EXPORT_KEEPALIVE) {
            Some(keepalive) => keepalive.u32()?,
            None => DEFAULT_KEEPALIVE,
        },
    })
}

/// Returns what there is to change.
fn change(request: &Request) -> Verdict<ExportChange> {
    let attributes = request.attributes();
    let mut change = ExportChange::default();

    if attributes.has(uapi::DST_A_EXPORT_LISTEN) {
        change.listen = Some(values::addresses(request, uapi::DST_A_EXPORT_LISTEN)?);
    }
    change.rules = match (
        attributes.has(uapi::DST_A_EXPORT_ALLOW),
        attributes.has(uapi::DST_A_EXPORT_NO_RULES),
    ) {
        (true, true) => return Err(excluding("allow", "no-rules")),
        (true, false) => Some(values::rules(request, uapi::DST_A_EXPORT_ALLOW)?),
        (false, true) => Some(KVec::new()),
        (false, false) => None,
    };
    change.keyed = match (
        attributes.has(uapi::DST_A_EXPORT_KEYED),
        attributes.has(uapi::DST_A_EXPORT_NO_KEYS),
    ) {
        (true, true) => return Err(excluding("keyed", "no-keys")),
        (true, false) => Some(true),
        (false, true) => Some(false),
        (false, false) => None,
    };
    if let Some(access) = attributes.get(uapi::DST_A_EXPORT_ACCESS) {
        change.access = Some(values::rights(&access)?);
    }
    if let Some(writers) = attributes.get(uapi::DST_A_EXPORT_WRITERS) {
        change.writers = Some(who_writes(&writers)?);
    }
    if let Some(window) = attributes.get(uapi::DST_A_EXPORT_WINDOW) {
        change.window = Some(window.u32()?);
    }
    if let Some(keepalive) = attributes.get(uapi::DST_A_EXPORT_KEEPALIVE) {
        change.keepalive = Some(keepalive.u32()?);
    }
    Ok(change)
}

/// Refuses a request that says two things that cannot both be meant.
fn excluding(one: &str, other: &str) -> Refusal {
    Refusal::new(EINVAL, fmt!("{one} and {other} exclude each other"))
}

/// Returns the name in attribute `kind` of the request.
fn name(request: &Request, kind: u32) -> Verdict<CString> {
    values::string(&values::require(request, kind, "The name of the export")?)
}

/// Returns how many may write.
fn who_writes(attribute: &Attribute<'_>) -> Verdict<Writers> {
    match attribute.u32()? {
        uapi::DST_WRITERS_EXCLUSIVE => Ok(Writers::Exclusive),
        uapi::DST_WRITERS_SHARED => Ok(Writers::Shared),
        other => Err(Refusal::new(
            EINVAL,
            fmt!("There is no kind of writers {}", other),
        )),
    }
}

/// Adds all that there is to know about an export.
fn put(message: &mut Message<'_>, info: &ExportInfo) -> Result {
    let writers = match info.writers {
        Writers::Exclusive => uapi::DST_WRITERS_EXCLUSIVE,
        Writers::Shared => uapi::DST_WRITERS_SHARED,
    };

    put_identity(message, info)?;
    values::put_rules(message, uapi::DST_A_EXPORT_ALLOW, &info.rules)?;
    message.put_flag(uapi::DST_A_EXPORT_KEYED, info.keys.is_some())?;
    if let Some(keys) = &info.keys {
        keys::put(message, uapi::DST_A_EXPORT_ALLOW_KEY, keys)?;
    }
    message.put_u32(uapi::DST_A_EXPORT_WRITERS, writers)?;
    message.put_flag(uapi::DST_A_EXPORT_SHARE_DEVICE, info.share_device)?;
    message.put_flag(uapi::DST_A_EXPORT_WRITE_THROUGH, info.write_through)?;
    message.put_u32(uapi::DST_A_EXPORT_WINDOW, info.window)?;
    message.put_u32(uapi::DST_A_EXPORT_KEEPALIVE, info.keepalive)?;
    put_state(message, info)?;
    message.put_u32(uapi::DST_A_EXPORT_LOGICAL_BLOCK, info.logical_block)?;
    message.put_u32(uapi::DST_A_EXPORT_PHYSICAL_BLOCK, info.physical_block)?;
    message.put_u32(uapi::DST_A_EXPORT_CONNECTIONS, info.connections)?;
    Counters {
        revoked: Some(info.counts.revoked),
        ..counters(&info.counts)
    }
    .put(message, uapi::DST_A_EXPORT_COUNTERS)
}

/// Adds what tells the export from others.
fn put_identity(message: &mut Message<'_>, info: &ExportInfo) -> Result {
    values::put_text(message, uapi::DST_A_EXPORT_NAME, &info.name)?;
    values::put_text(message, uapi::DST_A_EXPORT_DEVICE, &info.device)?;
    values::put_addresses(message, uapi::DST_A_EXPORT_LISTEN, &info.listen)?;
    message.put_bytes(uapi::DST_A_EXPORT_UUID, &info.uuid.0)?;
    values::put_rights(message, uapi::DST_A_EXPORT_ACCESS, info.access)
}

/// Adds what changes about the export now and then.
fn put_state(message: &mut Message<'_>, info: &ExportInfo) -> Result {
    let state = match info.state {
        ExportState::Active => uapi::DST_EXPORT_STATE_ACTIVE,
        ExportState::Lost => uapi::DST_EXPORT_STATE_LOST,
        ExportState::Removing => uapi::DST_EXPORT_STATE_REMOVING,
    };

    message.put_u32(uapi::DST_A_EXPORT_STATE, state)?;
    message.put_u32(uapi::DST_A_EXPORT_MAJOR, info.major)?;
    message.put_u32(uapi::DST_A_EXPORT_MINOR, info.minor)?;
    message.put_uint(uapi::DST_A_EXPORT_SIZE, info.size)?;
    message.put_u32(uapi::DST_A_EXPORT_SESSIONS, info.sessions)?;
    if let Some(error) = &info.error {
        values::put_text(message, uapi::DST_A_EXPORT_ERROR, error)?;
    }
    Ok(())
}

/// Returns what was done, for a client or for all.
pub(super) fn counters(counts: &Counts) -> Counters {
    Counters {
        reads: counts.reads,
        writes: counts.writes,
        flushes: counts.flushes,
        discards: counts.discards,
        write_zeroes: counts.write_zeroes,
        bytes_read: counts.bytes_read,
        bytes_written: counts.bytes_written,
        errors: counts.errors,
        protocol_errors: counts.protocol_errors,
        digest_errors: counts.digest_errors,
        seal_errors: counts.seal_errors,
        in_flight: counts.in_flight,
        again: None,
        revoked: None,
    }
}
