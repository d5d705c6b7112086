// SPDX-License-Identifier: GPL-2.0

//! Storages.

use super::explain::{
    because,
    because_hint,
    explain,
    missing,
    Explanation, //
};
use super::handed::Named;
use super::{
    hints,
    Context, //
};
use crate::address::Address;
use crate::cli::StorageAdd;
use crate::failure::{
    Cause,
    Result, //
};
use crate::input::endpoint::Endpoint;
use crate::netlink::Attributes;
use crate::objects::{
    Access,
    Storage,
    StorageState, //
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
    limit,
    storage as attr, //
};
use dst_proto::secret::PublicKey;

/// What shows all storages.
pub(super) const LIST: &str = "dstctl list";

/// Attaches an export.
pub(super) fn add(args: &StorageAdd, context: &mut Context<'_>) -> Result<()> {
    let addresses = Endpoint::resolve_all(&args.servers, limit::ADDRESSES_MAX)?;
    let mut attributes = add_attributes(args, &addresses);
    let (handed, own) = Named::from(&args.keys).put(&mut attributes, context.err)?;
    let replies = context
        .kernel
        .request(command::STORAGE_ADD, &attributes)
        .map_err(|error| {
            explain(
                &format!("cannot add storage '{}'", args.name),
                error,
                |errno, _| explain_add(args, own.as_ref(), errno),
            )
        })?;

    drop(handed);
    let storage = match replies.first() {
        Some(reply) => parse(reply)?,
        None => get(&args.name, context)?,
    };

    if context.json {
        return output::json(context.out, &storage);
    }
    let servers = joined(&args.servers);

    match (&storage.device, storage.size) {
        (Some(device), Some(size)) => writeln!(
            context.out,
            "Attached {device}: {}, {}, from {}",
            units::size(size),
            storage.granted.unwrap_or(Access::ReadWrite),
            storage.peer.as_ref().map_or(servers, ToString::to_string),
        )?,
        _ => writeln!(
            context.out,
            "Added storage '{}', which is being connected to {servers}",
            storage.name
        )?,
    }
    Ok(context
        .out
        .write_all(hints::attached(&storage).as_bytes())?)
}

/// Detaches a storage.
pub(super) fn del(name: &str, force: bool, context: &mut Context<'_>) -> Result<()> {
    let mut attributes = named(name);

    if force {
        attributes.flag(attr::FORCE);
    }
    context
        .kernel
        .request(command::STORAGE_DEL, &attributes)
        .map_err(|error| {
            explain(
                &format!("cannot remove storage '{name}'"),
                error,
                |errno, _| match errno {
                    libc::EBUSY => because_hint(
                        Cause::InUse,
                        format!("/dev/dst-{name} is in use"),
                        format!(
                            "unmount it, or remove it with --force, which fails what is \
                             outstanding; lsblk /dev/dst-{name} shows where it is used"
                        ),
                    ),
                    _ => missing("storage", LIST, errno),
                },
            )
        })?;
    if context.json {
        return output::json(context.out, &serde_json::json!({ "removed": name }));
    }
    Ok(writeln!(context.out, "Removed storage '{name}'")?)
}

/// Lists the storages.
pub(super) fn list(context: &mut Context<'_>) -> Result<()> {
    let mut storages = context
        .kernel
        .dump(command::STORAGE_GET, &Attributes::new())
        .map_err(|error| explain("cannot list the storages", error, |_, _| None))?
        .iter()
        .map(|bytes| parse(bytes))
        .collect::<Result<Vec<_>>>()?;

    storages.sort_by(|a, b| a.name.cmp(&b.name));
    if context.json {
        return output::json(context.out, &storages);
    }
    let mut table = Table::new(&[
        ("NAME", Align::Left),
        ("STATE", Align::Left),
        ("CONNECTIONS", Align::Right),
        ("SIZE", Align::Right),
        ("ACCESS", Align::Left),
        ("SERVER", Align::Left),
        ("EXPORT", Align::Left),
        ("DEVICE", Align::Left),
    ]);

    for storage in storages {
        let server = storage.peer.as_ref().or(storage.addresses.first());

        table.row([
            storage.name.clone(),
            text(storage.state),
            text(connections(&storage)),
            storage.size.map(units::size).unwrap_or_default(),
            text(storage.granted.or(storage.access)),
            text(server),
            storage.export.unwrap_or_default(),
            storage.device.unwrap_or_default(),
        ]);
    }
    Ok(write!(context.out, "{table}")?)
}

/// Shows all about a storage.
pub(super) fn show(name: &str, context: &mut Context<'_>) -> Result<()> {
    let s = get(name, context)?;

    if context.json {
        return output::json(context.out, &s);
    }
    let device = s.device.as_ref().map(|device| match (s.major, s.minor) {
        (Some(major), Some(minor)) => format!("{device} ({major}:{minor})"),
        _ => device.clone(),
    });
    let access = match (s.granted, s.access) {
        (Some(granted), Some(access)) if granted != access => {
            Some(format!("{granted} ({access} was asked for)"))
        }
        (granted, access) => granted.or(access).map(|access| access.to_string()),
    };
    let blocks = s.logical_block.zip(s.physical_block);
    let psk = match s.psk {
        true => "yes",
        false => "no",
    };
    let mut sheet = Sheet::new();

    sheet
        .put("storage", Some(&s.name))
        .put("device", device)
        .put("state", state(&s))
        .put("last error", s.error.as_ref())
        .put("size", s.size.map(units::exact_size))
        .put(
            "blocks",
            blocks.map(|(l, p)| format!("{l} bytes, physically {p}")),
        )
        .put("access", access)
        .put("opened", s.openers.map(|n| format!("{n} times")))
        .put_all("servers", &s.addresses)
        .put("tried last", s.peer.as_ref())
        .put(
            "connections",
            connections(&s).map(|text| text + &waiting(&s)),
        )
        .put("fail after", s.fail_after_ms.map(units::policy))
        .put("I/O timeout", s.io_timeout_ms.map(units::policy))
        .put("export", s.export.as_ref())
        .put("identity", s.uuid)
        .put("digest", s.digest.as_ref())
        .put("key of the server", s.server_key.as_ref())
        .put("own public key", s.public_key.as_ref())
        .put("preshared key", s.public_key.as_ref().map(|_| psk))
        .put("sealed with", s.suite)
        .put("session", s.session)
        .put("epoch", s.epoch)
        .put("generation", s.generation)
        .put(
            "protocol",
            s.protocol.map(|version| format!("version {version}")),
        )
        .put("window", s.window.map(|pages| format!("{pages} pages")))
        .put("keepalive", s.keepalive_ms.map(|ms| units::time(ms.into())))
        .put_counters(s.counters.as_ref());
    Ok(write!(context.out, "{sheet}")?)
}

/// Asks for a storage.
pub(super) fn get(name: &str, context: &mut Context<'_>) -> Result<Storage> {
    let action = format!("cannot show storage '{name}'");
    let not_found = |errno, _| missing("storage", LIST, errno);
    let refused = |error| explain(&action, error, not_found);
    let replies = context
        .kernel
        .request(command::STORAGE_GET, &named(name))
        .map_err(refused)?;

    parse(replies.first().map_or(&[], Vec::as_slice))
}

/// Reads a storage.
pub(super) fn parse(bytes: &[u8]) -> Result<Storage> {
    Storage::parse(bytes)
        .map_err(|error| explain("cannot show the storage", error.into(), |_, _| None))
}

/// Writes what a storage does, for how long, and how much is left if the server is busy with it.
fn state(storage: &Storage) -> Option<String> {
    let mut text = storage.state?.to_string();

    if let Some(ms) = storage.state_ms {
        text += &format!(" for {}", units::age(ms));
    }
    if storage.state == Some(StorageState::Draining) {
        text += &left(storage).map_or_else(String::new, |left| format!(", {left}"));
    }
    Some(text)
}

/// Writes what those connections wait for that wait while the storage does something else.
fn waiting(storage: &Storage) -> String {
    match (storage.state, left(storage)) {
        (Some(StorageState::Draining), _) | (_, None) => String::new(),
        (_, Some(left)) => format!(" (draining, {left})"),
    }
}

/// Writes how many requests the server has to complete before others are sent again, if any.
fn left(storage: &Storage) -> Option<String> {
    storage
        .draining
        .filter(|left| *left > 0)
        .map(|left| format!("{left} left"))
}

/// Writes how many connections carry requests, of how many.
fn connections(storage: &Storage) -> Option<String> {
    storage
        .connected
        .map(|connected| match storage.connections {
            Some(wanted) => format!("{connected} of {wanted}"),
            None => connected.to_string(),
        })
}

/// Writes what is there.
fn text(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// The attribute that names a storage.
pub(super) fn named(name: &str) -> Attributes {
    let mut attributes = Attributes::new();

    attributes.string(attr::NAME, name);
    attributes
}

/// Puts the addresses of a server.
pub(super) fn put_addresses(attributes: &mut Attributes, addresses: &[Address]) {
    for address in addresses {
        attributes.bytes(attr::ADDRESS, &address.to_bytes());
    }
}

/// Puts how long to wait before I/O fails.
pub(super) fn put_policy(
    attributes: &mut Attributes,
    fail_after: Option<u32>,
    io_timeout: Option<u32>,
) {
    if let Some(milliseconds) = fail_after {
        attributes.u32(attr::FAIL_AFTER, milliseconds);
    }
    if let Some(milliseconds) = io_timeout {
        attributes.u32(attr::IO_TIMEOUT, milliseconds);
    }
}

/// The attributes of a new storage.
fn add_attributes(args: &StorageAdd, addresses: &[Address]) -> Attributes {
    let mut attributes = named(&args.name);

    put_addresses(&mut attributes, addresses);
    if let Some(export) = &args.export {
        attributes.string(attr::EXPORT, export);
    }
    if let Some(uuid) = &args.uuid {
        attributes.bytes(attr::UUID, uuid.as_bytes());
    }
    let access = match args.read_only {
        true => Access::ReadOnly,
        false => Access::ReadWrite,
    };

    attributes.u32(attr::ACCESS, access.number());
    if let Some(connections) = args.connections {
        attributes.u32(attr::CONNECTIONS, connections);
    }
    attributes.u32(attr::TIMEOUT, args.timeout);
    put_policy(&mut attributes, args.fail_after, args.io_timeout);
    if let Some(digest) = &args.digest {
        attributes.string(attr::DIGEST, digest);
    }
    attributes
}

/// Writes addresses with commas between them.
fn joined(servers: &[Endpoint]) -> String {
    let servers: Vec<_> = servers.iter().map(ToString::to_string).collect();

    servers.join(", ")
}

/// Whether this is the path of a socket that does not exist.
fn is_missing_socket(server: &Endpoint) -> bool {
    server.path().is_some_and(|path| !path.exists())
}

/// Explains why an export could not be attached.
fn explain_add(args: &StorageAdd, own: Option<&PublicKey>, errno: i32) -> Option<Explanation> {
    let export = args.export.as_ref().unwrap_or(&args.name);

    match errno {
        libc::EEXIST => because_hint(
            Cause::NameTaken,
            "there is already a storage of this name",
            format!("dstctl show {}", args.name),
        ),
        libc::EPROTONOSUPPORT if args.digest.is_some() => because(
            Cause::VersionMismatch,
            format!("{} does not offer this digest", joined(&args.servers)),
        ),
        _ => explain_connect(&args.servers, export, args.timeout, own, errno),
    }
}

/// Explains why there is no connection to `export` of `servers` within `timeout` milliseconds, by a
/// client that is known by the key `own`, if any.
pub(super) fn explain_connect(
    servers: &[Endpoint],
    export: &str,
    timeout: u32,
    own: Option<&PublicKey>,
    errno: i32,
) -> Option<Explanation> {
    let has_no_socket = servers.iter().all(is_missing_socket);
    let servers = joined(servers);

    match errno {
        libc::ENOENT if has_no_socket => {
            because(Cause::Unreachable, format!("there is no socket {servers}"))
        }
        libc::ENOENT => because_hint(
            Cause::NoSuchExport,
            format!("{servers} has no export '{export}'"),
            "dstctl export list on the server shows its exports; --export names one",
        ),
        libc::EACCES => because_hint(
            Cause::NotPermitted,
            format!("{servers} does not let this client in"),
            match own {
                Some(key) => format!("on the server: dstctl export allow {export} --key {key}:rw"),
                None => format!(
                    "on the server: dstctl export allow {export} --from PREFIX:rw; if the export \
                     needs keys: --key FILE --server-key KEY"
                ),
            },
        ),
        libc::EROFS => because_hint(
            Cause::ReadOnly,
            format!("export '{export}' can only be read by this client"),
            "add it with --read-only",
        ),
        libc::EBUSY => because_hint(
            Cause::InUse,
            format!("another client has export '{export}' for writing"),
            format!("on the server: dstctl sessions {export}"),
        ),
        libc::EPROTONOSUPPORT if own.is_some() => because_hint(
            Cause::VersionMismatch,
            format!("{servers} and this machine cannot seal a connection"),
            "dstctl server show on the server shows its suite; leave out --suite, or name that one",
        ),
        libc::EPROTONOSUPPORT => because(
            Cause::VersionMismatch,
            format!("{servers} and this machine speak different versions of the protocol"),
        ),
        libc::ESTALE => because(
            Cause::WrongIdentity,
            format!("export '{export}' is not the disk that is expected"),
        ),
        libc::ECONNABORTED => because(
            Cause::GoingAway,
            format!("export '{export}' is being removed"),
        ),
        libc::EPROTO => because(Cause::NotDst, format!("{servers} is not a DST server")),
        libc::ECONNREFUSED => because_hint(
            Cause::ConnectionRefused,
            format!("nobody listens on {servers}"),
            "dstctl export list on the server shows where it listens",
        ),
        libc::ETIMEDOUT | libc::ETIME | libc::EAGAIN => because(
            Cause::Timeout,
            format!(
                "no connection to {servers} within {}",
                units::time(timeout.into())
            ),
        ),
        libc::ECONNRESET | libc::EPIPE | libc::ENOTCONN => because(
            Cause::Unreachable,
            format!("the connection to {servers} was cut off"),
        ),
        libc::EHOSTUNREACH
        | libc::ENETUNREACH
        | libc::EHOSTDOWN
        | libc::ENETDOWN
        | libc::EADDRNOTAVAIL => because(Cause::Unreachable, format!("cannot reach {servers}")),
        _ => None,
    }
}

#[cfg(test)]
#[path = "storage_tests.rs"]
pub(super) mod tests;
