// SPDX-License-Identifier: GPL-2.0

//! What to do next.

use crate::address::Address;
use crate::cli::ExportAdd;
use crate::input::endpoint::Endpoint;
use crate::input::name;
use crate::netlink::{
    Attributes,
    Kernel, //
};
use crate::objects::{
    Server,
    Storage, //
};
use crate::uapi::command;
use dst_proto::access::Rights;
use std::fs;
use std::net::IpAddr;

/// Says what to do with a storage that has just been attached.
pub(super) fn attached(storage: &Storage) -> String {
    let Some(device) = &storage.device else {
        return format!(
            "Its device will be /dev/dst-{0}. To see how it goes:\n  dstctl show {0}\n",
            storage.name
        );
    };

    format!(
        "To see what is on it, to mount it, to detach it:\n  \
         lsblk --fs {device}\n  \
         mount {device} /mnt\n  \
         dstctl del {}\n\
         To make a file system, which destroys what is on it:\n  \
         mkfs.ext4 {device}\n",
        storage.name
    )
}

/// Says how a client attaches an export that has just been added.
pub(super) fn exported(args: &ExportAdd, listen: &[Address]) -> String {
    let mut text = String::from("To attach it on a client:\n");
    let is_keyed = args.keys_only || !args.allow_key.is_empty();
    let only_read = args.read_only
        || args
            .allow
            .iter()
            .all(|rule| rule.rights == Rights::ReadOnly);

    for address in listen {
        text.push_str("  dstctl add ");
        if name::storage(&args.name).is_ok() {
            text.push_str(&format!("{} {}", args.name, reachable(address)));
        } else {
            // Names of storages are shorter than those of exports.
            text.push_str(&format!(
                "NAME {} --export {}",
                reachable(address),
                args.name
            ));
        }
        if is_keyed {
            text.push_str(" --key FILE --server-key KEY");
        }
        if only_read && (args.read_only || !args.allow.is_empty()) {
            text.push_str(" --read-only");
        }
        text.push('\n');
    }
    let from_elsewhere = listen
        .iter()
        .any(|address| matches!(address, Address::Ip(address) if !address.ip().is_loopback()));

    if args.allow_key.is_empty() && args.keys_only {
        text.push_str(&format!(
            "Nobody is let in yet. To let a client in:\n  \
             dstctl export allow {} --key KEY:rw\n",
            args.name
        ));
    } else if args.allow.is_empty() && from_elsewhere && !is_keyed {
        text.push_str(&format!(
            "Only this machine is let in. To let others in:\n  \
             dstctl export set {} --allow PREFIX:rw\n",
            args.name
        ));
    }
    text
}

/// Says which key clients need to know this machine by; nothing if it cannot be asked.
pub(super) fn server_key(kernel: &mut dyn Kernel) -> String {
    let Ok(replies) = kernel.request(command::SERVER_GET, &Attributes::new()) else {
        return String::new();
    };

    match Server::parse(replies.first().map_or(&[], Vec::as_slice)) {
        Ok(Server {
            public_key: Some(key),
            ..
        }) => format!("The key of this server, for --server-key of clients:\n  {key}\n"),
        Ok(Server {
            public_key: None, ..
        }) => "This server has no key yet, so nobody gets in. To set one:\n  \
             dstctl server set --key FILE\n"
            .into(),
        Err(_) => String::new(),
    }
}

/// Writes the address under which others reach this machine.
fn reachable(address: &Address) -> String {
    match address {
        Address::Ip(ip) if is_any(ip.ip()) => {
            let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
            let host = match host.trim() {
                "" | "localhost" | "(none)" => "HOST",
                host => host,
            };

            Endpoint::Host {
                host: host.to_owned(),
                port: ip.port(),
            }
            .to_string()
        }
        address => address.to_string(),
    }
}

/// Whether the address stands for all of this machine.
fn is_any(ip: IpAddr) -> bool {
    ip.to_canonical().is_unspecified()
}
