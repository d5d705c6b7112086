// SPDX-License-Identifier: GPL-2.0

//! Changes of storages that are in use.

use super::explain::{
    because,
    explain,
    missing,
    Explanation, //
};
use super::handed::Named;
use super::storage::{
    explain_connect,
    get,
    named,
    parse,
    put_addresses,
    put_policy,
    LIST, //
};
use super::Context;
use crate::address::Address;
use crate::cli::{
    StorageMigrate,
    StorageSet, //
};
use crate::failure::{
    Cause,
    Result, //
};
use crate::input::endpoint::Endpoint;
use crate::netlink::Attributes;
use crate::output;
use crate::uapi::{
    command,
    limit,
    storage as attr, //
};

/// Changes settings of a storage.
pub(super) fn set(args: &StorageSet, context: &mut Context<'_>) -> Result<()> {
    let addresses = Endpoint::resolve_all(&args.servers, limit::ADDRESSES_MAX)?;
    let mut attributes = set_attributes(args, &addresses);
    let (handed, _) = Named::from(&args.keys).put(&mut attributes, context.err)?;

    tell(
        command::STORAGE_SET,
        "change",
        &args.name,
        &attributes,
        context,
    )?;
    drop(handed);
    done(
        &args.name,
        &format!("Changed storage '{}'", args.name),
        context,
    )
}

/// Has the I/O of a storage wait.
pub(super) fn suspend(name: &str, context: &mut Context<'_>) -> Result<()> {
    tell(
        command::STORAGE_SUSPEND,
        "suspend",
        name,
        &named(name),
        context,
    )?;
    done(
        name,
        &format!("Suspended storage '{name}': its I/O waits until\n  dstctl resume {name}"),
        context,
    )
}

/// Lets the I/O of a storage go on.
pub(super) fn resume(name: &str, context: &mut Context<'_>) -> Result<()> {
    tell(
        command::STORAGE_RESUME,
        "resume",
        name,
        &named(name),
        context,
    )?;
    done(name, &format!("Resumed storage '{name}'"), context)
}

/// Moves a storage to another server.
pub(super) fn migrate(args: &StorageMigrate, context: &mut Context<'_>) -> Result<()> {
    let addresses = Endpoint::resolve_all(&args.servers, limit::ADDRESSES_MAX)?;
    let before = get(&args.name, context)?;
    let export = before.export.as_ref().unwrap_or(&args.name);
    let mut attributes = named(&args.name);

    put_addresses(&mut attributes, &addresses);
    attributes.u32(attr::TIMEOUT, args.timeout);

    let (handed, own) = Named::from(&args.keys).put(&mut attributes, context.err)?;
    let replies = context
        .kernel
        .request(command::STORAGE_MIGRATE, &attributes)
        .map_err(|error| {
            explain(
                &format!("cannot migrate storage '{}', which is as before", args.name),
                error,
                |errno, _| match errno {
                    libc::ENODEV | libc::EBUSY => refused(errno),
                    _ => explain_connect(&args.servers, export, args.timeout, own.as_ref(), errno),
                },
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
    let server = storage.peer.as_ref().or(addresses.first());
    let server = server.map(ToString::to_string).unwrap_or_default();

    Ok(writeln!(
        context.out,
        "Storage '{}' is on {server} now",
        args.name
    )?)
}

/// Tells the kernel to `verb` the storage `name`.
fn tell(
    command: u8,
    verb: &str,
    name: &str,
    attributes: &Attributes,
    context: &mut Context<'_>,
) -> Result<()> {
    context
        .kernel
        .request(command, attributes)
        .map(|_| ())
        .map_err(|error| {
            explain(
                &format!("cannot {verb} storage '{name}'"),
                error,
                |errno, _| refused(errno),
            )
        })
}

/// Explains why a storage cannot be changed now.
fn refused(errno: i32) -> Option<Explanation> {
    match errno {
        libc::EBUSY => because(Cause::InUse, "it is busy"),
        _ => missing("storage", LIST, errno),
    }
}

/// Says what was done, or shows the storage to programs.
fn done(name: &str, text: &str, context: &mut Context<'_>) -> Result<()> {
    if context.json {
        let storage = get(name, context)?;

        return output::json(context.out, &storage);
    }
    Ok(writeln!(context.out, "{text}")?)
}

/// The attributes of a change.
fn set_attributes(args: &StorageSet, addresses: &[Address]) -> Attributes {
    let mut attributes = named(&args.name);

    put_addresses(&mut attributes, addresses);
    if let Some(connections) = args.connections {
        attributes.u32(attr::CONNECTIONS, connections);
    }
    put_policy(&mut attributes, args.fail_after, args.io_timeout);
    attributes
}

#[cfg(test)]
#[path = "change_tests.rs"]
mod tests;
