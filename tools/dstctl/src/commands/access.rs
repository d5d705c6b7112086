// SPDX-License-Identifier: GPL-2.0

//! Who is let in to exports.

use super::explain::{
    explain,
    missing, //
};
use super::export::{
    get,
    named,
    LIST, //
};
use super::handed::Handed;
use super::hints;
use super::Context;
use crate::cli::{
    ExportAllow,
    ExportDisallow, //
};
use crate::failure::{
    Cause,
    Failure,
    Result, //
};
use crate::input::key::AllowedKey;
use crate::input::rule;
use crate::netlink::Attributes;
use crate::objects::Access;
use crate::output;
use crate::uapi::{
    command,
    export as attr,
    key as key_attr, //
};
use dst_proto::access::Rights;

/// Lets clients in.
pub(super) fn allow(args: &ExportAllow, context: &mut Context<'_>) -> Result<()> {
    let mut attributes = named(&args.name);
    let mut handed = Handed::default();

    if args.psk.is_some() && args.key.len() != 1 {
        return Err(Failure::usage(
            "a preshared key belongs to one key: allow the others with a command of their own",
        ));
    }
    for allowed in &args.from {
        attributes.nest(attr::ALLOW, &rule::attributes(allowed));
    }
    for allowed in &args.key {
        let mut nest = key_attributes(allowed);

        if let Some(path) = &args.psk {
            handed.put(&mut nest, key_attr::PSK_FD, path, context.err)?;
        }
        if args.no_psk {
            nest.flag(key_attr::NO_PSK);
        }
        attributes.nest(attr::ALLOW_KEY, &nest);
    }
    tell(command::EXPORT_ALLOW, &args.name, &attributes, context)?;
    drop(handed);
    if context.json {
        return show(&args.name, context);
    }
    writeln!(context.out, "Changed export '{}'", args.name)?;
    match args.key.is_empty() {
        true => Ok(()),
        false => Ok(context
            .out
            .write_all(hints::server_key(context.kernel).as_bytes())?),
    }
}

/// Does not let clients in any more.
pub(super) fn disallow(args: &ExportDisallow, context: &mut Context<'_>) -> Result<()> {
    let mut attributes = named(&args.name);

    for prefix in &args.from {
        attributes.nest(attr::ALLOW, &rule::prefix_attributes(prefix));
    }
    for key in &args.key {
        let mut nest = Attributes::new();

        nest.bytes(key_attr::PUBLIC, &key.0);
        attributes.nest(attr::ALLOW_KEY, &nest);
    }
    tell(command::EXPORT_DISALLOW, &args.name, &attributes, context)?;
    if context.json {
        return show(&args.name, context);
    }
    writeln!(context.out, "Changed export '{}'", args.name)?;
    if args.key.is_empty() {
        return Ok(());
    }

    let export = get(&args.name, context)?;

    if export.keyed && export.keys.is_empty() {
        writeln!(
            context.out,
            "It has no key left and lets in nobody. To let clients in by address, in plain:\n  \
             dstctl export set {} --no-keys",
            args.name
        )?;
    }
    Ok(())
}

/// Puts a key and what its owner may do into attributes.
pub(super) fn key_attributes(allowed: &AllowedKey) -> Attributes {
    let mut attributes = Attributes::new();
    let access = match allowed.rights {
        Rights::ReadWrite => Access::ReadWrite,
        Rights::ReadOnly | Rights::None => Access::ReadOnly,
    };

    attributes
        .bytes(key_attr::PUBLIC, &allowed.key.0)
        .u32(key_attr::ACCESS, access.number());
    attributes
}

/// Tells the kernel to change who is let in to the export `name`.
fn tell(command: u8, name: &str, attributes: &Attributes, context: &mut Context<'_>) -> Result<()> {
    let exists = |kernel: &mut dyn crate::netlink::Kernel| {
        kernel.request(command::EXPORT_GET, &named(name)).is_ok()
    };
    let result = context.kernel.request(command, attributes);

    result.map(|_| ()).map_err(|error| {
        // What is not there may as well be the rule or the key.
        let is_there = exists(context.kernel);

        explain(
            &format!("cannot change export '{name}'"),
            error,
            |errno, _| match errno {
                libc::ENOENT if is_there => Some((
                    Cause::NoSuchObject,
                    "there is nothing to remove".into(),
                    Some(format!("dstctl export show {name} shows who is let in")),
                )),
                _ => missing("export", LIST, errno),
            },
        )
    })
}

/// Shows the export to programs.
fn show(name: &str, context: &mut Context<'_>) -> Result<()> {
    let export = get(name, context)?;

    output::json(context.out, &export)
}

#[cfg(test)]
#[path = "access_tests.rs"]
mod tests;
