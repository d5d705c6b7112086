// SPDX-License-Identifier: GPL-2.0

//! Exports.

use super::explain::{
    because,
    because_hint,
    explain,
    missing,
    Explanation, //
};
use super::export_settings::{
    add_attributes,
    set_attributes, //
};
use super::{
    access,
    hints,
    sockets,
    stats,
    Context, //
};
use crate::address::Address;
use crate::cli::{
    ExportAdd,
    ExportCommand,
    ExportSet, //
};
use crate::failure::{
    Cause,
    Failure,
    Result, //
};
use crate::input::device::Device;
use crate::input::endpoint::Endpoint;
use crate::netlink::{
    Attributes,
    KernelError, //
};
use crate::objects::{
    Access,
    Export, //
};
use crate::output::{
    self,
    units,
    Align,
    Sheet,
    Table, //
};
use crate::uapi::{
    command,
    export as attr,
    limit, //
};
use std::path::Path;

/// What shows all exports.
pub(super) const LIST: &str = "dstctl export list";

/// Runs a command for exports.
pub(super) fn run(command: &ExportCommand, context: &mut Context<'_>) -> Result<()> {
    match command {
        ExportCommand::Add(args) => add(args, context),
        ExportCommand::Set(args) => set(args, context),
        ExportCommand::Allow(args) => access::allow(args, context),
        ExportCommand::Disallow(args) => access::disallow(args, context),
        ExportCommand::Del { name, force } => del(name, *force, context),
        ExportCommand::List => list(context),
        ExportCommand::Show { name } => show(name, context),
        ExportCommand::Stats { name, period } => stats::export(name, *period, context),
    }
}

/// Exports a block device.
fn add(args: &ExportAdd, context: &mut Context<'_>) -> Result<()> {
    let device = Device::find(&args.device)?;

    check_directories(&args.listen)?;
    let listen = Endpoint::resolve_all(&args.listen, limit::ADDRESSES_MAX)?;
    let uuid = args
        .uuid
        .unwrap_or_else(|| context.sources.identity(&device));
    let attributes = add_attributes(args, &device, &listen, uuid);

    sockets::clean(&listen, false, context)?;
    context
        .kernel
        .request(command::EXPORT_ADD, &attributes)
        .map_err(|error| {
            explain(
                &format!("cannot add export '{}'", args.name),
                error,
                |errno, _| explain_add(args, errno),
            )
        })?;
    let export = get(&args.name, context)?;

    if context.json {
        return output::json(context.out, &export);
    }
    writeln!(
        context.out,
        "Exported {}: {}, {}, as '{}' on {}",
        device.path,
        export.size.map(units::size).unwrap_or_default(),
        export.access.unwrap_or(Access::ReadWrite),
        args.name,
        joined(&listen),
    )?;
    let server = match export.keyed {
        true => hints::server_key(context.kernel),
        false => String::new(),
    };

    context
        .out
        .write_all(hints::exported(args, &listen).as_bytes())?;
    Ok(context.out.write_all(server.as_bytes())?)
}

/// Changes an export.
fn set(args: &ExportSet, context: &mut Context<'_>) -> Result<()> {
    check_directories(&args.listen)?;
    let listen = Endpoint::resolve_all(&args.listen, limit::ADDRESSES_MAX)?;
    let before = match listen.is_empty() {
        true => vec![],
        false => places(&args.name, context),
    };

    sockets::clean(&listen, false, context)?;
    context
        .kernel
        .request(command::EXPORT_SET, &set_attributes(args, &listen))
        .map_err(|error| {
            explain(
                &format!("cannot change export '{}'", args.name),
                error,
                |errno, _| {
                    missing("export", LIST, errno)
                        .or_else(|| explain_listen(&args.listen, errno))
                        .or_else(|| match errno {
                            libc::EROFS | libc::EACCES => {
                                because(Cause::BadDevice, "the device can only be read")
                            }
                            _ => None,
                        })
                },
            )
        })?;
    sockets::clean(&before, true, context)?;
    if context.json {
        let export = get(&args.name, context)?;

        return output::json(context.out, &export);
    }
    Ok(writeln!(context.out, "Changed export '{}'", args.name)?)
}

/// Removes an export.
fn del(name: &str, force: bool, context: &mut Context<'_>) -> Result<()> {
    let before = places(name, context);
    let mut attributes = named(name);

    if force {
        attributes.flag(attr::FORCE);
    }
    let answer = context.kernel.request(command::EXPORT_DEL, &attributes);

    // In either case nobody listens there any more.
    if matches!(
        answer,
        Ok(_)
            | Err(KernelError::Refused {
                errno: libc::EINPROGRESS,
                ..
            })
    ) {
        sockets::clean(&before, true, context)?;
    }
    answer.map_err(|error| {
        explain(
            &format!("cannot remove export '{name}'"),
            error,
            |errno, _| match errno {
                libc::EBUSY => because_hint(
                    Cause::InUse,
                    "clients are attached",
                    format!(
                        "dstctl sessions {name} shows them; --force cuts them off, and what \
                             they have outstanding waits for the export to come back"
                    ),
                ),
                libc::EINPROGRESS => because_hint(
                    Cause::InUse,
                    "its device has not done yet what clients have asked for",
                    "nobody is let in any more, and it goes by itself when the device is \
                         done; until then dstctl export list shows it",
                ),
                _ => missing("export", LIST, errno),
            },
        )
    })?;
    if context.json {
        return output::json(context.out, &serde_json::json!({ "removed": name }));
    }
    Ok(writeln!(context.out, "Removed export '{name}'")?)
}

/// Lists the exports.
fn list(context: &mut Context<'_>) -> Result<()> {
    let mut exports = context
        .kernel
        .dump(command::EXPORT_GET, &Attributes::new())
        .map_err(|error| explain("cannot list the exports", error, |_, _| None))?
        .iter()
        .map(|bytes| parse(bytes))
        .collect::<Result<Vec<_>>>()?;

    exports.sort_by(|a, b| a.name.cmp(&b.name));
    if context.json {
        return output::json(context.out, &exports);
    }
    let mut table = Table::new(&[
        ("NAME", Align::Left),
        ("STATE", Align::Left),
        ("SIZE", Align::Right),
        ("ACCESS", Align::Left),
        ("CLIENTS", Align::Right),
        ("LISTENS ON", Align::Left),
        ("DEVICE", Align::Left),
    ]);

    for export in exports {
        table.row([
            export.name.clone(),
            export
                .state
                .map(|state| state.to_string())
                .unwrap_or_default(),
            export.size.map(units::size).unwrap_or_default(),
            export
                .access
                .map(|access| access.to_string())
                .unwrap_or_default(),
            export.sessions.map(|n| n.to_string()).unwrap_or_default(),
            joined(&export.listen),
            export.device.unwrap_or_default(),
        ]);
    }
    Ok(write!(context.out, "{table}")?)
}

/// Shows all about an export.
fn show(name: &str, context: &mut Context<'_>) -> Result<()> {
    let e = get(name, context)?;

    if context.json {
        return output::json(context.out, &e);
    }
    let device = e.device.as_ref().map(|device| match (e.major, e.minor) {
        (Some(major), Some(minor)) => format!("{device} ({major}:{minor})"),
        _ => device.clone(),
    });
    let blocks = e.logical_block.zip(e.physical_block);
    let shared = if e.share_device {
        "others, too"
    } else {
        "this export only"
    };
    let acknowledges = if e.write_through {
        "writes that are durable"
    } else {
        "writes that the device has taken"
    };
    let mut sheet = Sheet::new();

    sheet
        .put("export", Some(&e.name))
        .put("device", device)
        .put("device is open for", Some(shared))
        .put("state", e.state)
        .put("last error", e.error.as_ref())
        .put("size", e.size.map(units::exact_size))
        .put(
            "blocks",
            blocks.map(|(l, p)| format!("{l} bytes, physically {p}")),
        )
        .put("access", e.access)
        .put("writers", e.writers)
        .put("acknowledges", Some(acknowledges))
        .put_all("listens on", &e.listen);
    match (e.allow.is_empty(), e.keyed) {
        (true, false) => sheet.put("lets in", Some("this machine only")),
        (true, true) => sheet.put("lets in from", Some("every address")),
        (false, false) => sheet.put_all("lets in", &e.allow),
        (false, true) => sheet.put_all("lets in from", &e.allow),
    };
    match (e.keyed, e.keys.is_empty()) {
        (false, _) => &mut sheet,
        (true, true) => sheet.put("lets in with key", Some("nobody: there is no key")),
        (true, false) => sheet.put_all("lets in with key", &e.keys),
    };
    sheet
        .put("identity", e.uuid)
        .put("clients", e.sessions)
        .put("connections", e.connections)
        .put(
            "window",
            e.window.map(|pages| format!("{pages} pages per client")),
        )
        .put("keepalive", e.keepalive_ms.map(|ms| units::time(ms.into())))
        .put_counters(e.counters.as_ref());
    Ok(write!(context.out, "{sheet}")?)
}

/// Asks for an export.
pub(super) fn get(name: &str, context: &mut Context<'_>) -> Result<Export> {
    let replies = context
        .kernel
        .request(command::EXPORT_GET, &named(name))
        .map_err(|error| {
            explain(
                &format!("cannot show export '{name}'"),
                error,
                |errno, _| missing("export", LIST, errno),
            )
        })?;

    parse(replies.first().map_or(&[], Vec::as_slice))
}

/// Returns where an export listens; nowhere if it cannot be asked.
fn places(name: &str, context: &mut Context<'_>) -> Vec<Address> {
    get(name, context).map_or(vec![], |export| export.listen)
}

/// Reads an export.
fn parse(bytes: &[u8]) -> Result<Export> {
    Export::parse(bytes)
        .map_err(|error| explain("cannot show the export", error.into(), |_, _| None))
}

/// Writes addresses with commas between them.
fn joined<T: ToString>(addresses: &[T]) -> String {
    let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();

    addresses.join(", ")
}

/// The attribute that names an export.
pub(super) fn named(name: &str) -> Attributes {
    let mut attributes = Attributes::new();

    attributes.string(attr::NAME, name);
    attributes
}

/// Checks that sockets which have a path also have a directory to be in.
fn check_directories(listen: &[Endpoint]) -> Result<()> {
    let missing = listen.iter().find(|endpoint| {
        endpoint
            .path()
            .and_then(Path::parent)
            .is_some_and(|directory| !directory.is_dir())
    });

    match missing {
        Some(endpoint) => Err(Failure::new(
            Cause::BadAddress,
            format!("there is no directory for {endpoint}"),
        )),
        None => Ok(()),
    }
}

/// Explains why an address cannot be listened on.
fn explain_listen(listen: &[Endpoint], errno: i32) -> Option<Explanation> {
    match errno {
        libc::EADDRINUSE => because_hint(
            Cause::AddressInUse,
            format!("something else listens on {}", joined(listen)),
            match listen.iter().find_map(Endpoint::path) {
                Some(path) => format!("if nobody does any longer: rm {}", path.display()),
                None => "ss -ltnp shows what; another port will do".into(),
            },
        ),
        libc::EADDRNOTAVAIL => because_hint(
            Cause::BadAddress,
            format!("{} is not an address of this machine", joined(listen)),
            "ip address shows those it has; [::] is all of them",
        ),
        libc::EAFNOSUPPORT | libc::EPROTONOSUPPORT => because(
            Cause::BadAddress,
            format!("this machine has no protocol for {}", joined(listen)),
        ),
        _ => None,
    }
}

/// Explains why a device could not be exported.
fn explain_add(args: &ExportAdd, errno: i32) -> Option<Explanation> {
    let device = args.device.display();

    match errno {
        libc::EEXIST => because_hint(
            Cause::NameTaken,
            "there is already an export of this name",
            format!("dstctl export show {}", args.name),
        ),
        libc::ENOENT | libc::ENODEV | libc::ENXIO => {
            because(Cause::NoSuchDevice, format!("there is no device {device}"))
        }
        libc::ENOTBLK => because(Cause::BadDevice, format!("{device} is not a block device")),
        libc::ENOMEDIUM => because(Cause::BadDevice, format!("there is no medium in {device}")),
        libc::EBUSY => because_hint(
            Cause::InUse,
            format!("{device} is in use"),
            format!(
                "lsblk {device} shows where; --share-device exports it nevertheless, which is \
                 safe only if nobody writes"
            ),
        ),
        libc::EROFS | libc::EACCES => because_hint(
            Cause::BadDevice,
            format!("{device} can only be read"),
            "add it with --read-only",
        ),
        _ => explain_listen(&args.listen, errno),
    }
}

#[cfg(test)]
#[path = "export_tests.rs"]
mod tests;
