// SPDX-License-Identifier: GPL-2.0

//! Commands for exports.

use super::Period;
use crate::input::duration;
use crate::input::endpoint::Endpoint;
use crate::input::key::{
    self,
    AllowedKey, //
};
use crate::input::name;
use crate::input::rule;
use crate::uapi::limit;
use clap::{
    ArgGroup,
    Args,
    Subcommand, //
};
use dst_proto::access::{
    Prefix,
    Rule, //
};
use dst_proto::negotiate::KEEPALIVE_MS;
use dst_proto::secret::PublicKey;
use std::path::PathBuf;
use uuid::Uuid;

/// What can be changed of an export.
const CHANGES: [&str; 11] = [
    "listen",
    "allow",
    "no_rules",
    "keys_only",
    "no_keys",
    "read_only",
    "read_write",
    "shared_writers",
    "exclusive_writers",
    "window",
    "keepalive",
];

/// Reads after which time a client counts as silent.
fn keepalive(text: &str) -> Result<u32, String> {
    let (min, max) = KEEPALIVE_MS.into_inner();

    match duration::milliseconds(text, max)? {
        milliseconds if milliseconds < min => Err(format!("shorter than {min}ms")),
        milliseconds => Ok(milliseconds),
    }
}

/// Reads the size of a window.
fn window() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(i64::from(limit::WINDOW_MIN)..=i64::from(limit::WINDOW_MAX))
}

/// What to do with exports.
#[derive(Clone, Debug, Subcommand)]
pub enum ExportCommand {
    /// Export a block device
    Add(ExportAdd),
    /// Change an export
    Set(ExportSet),
    /// Let more clients in, or change what they may do
    Allow(ExportAllow),
    /// Do not let clients in any more
    Disallow(ExportDisallow),
    /// Remove an export
    Del {
        /// Name of the export
        #[arg(value_parser = name::export)]
        name: String,
        /// Remove it though clients are attached; they are cut off
        #[arg(long)]
        force: bool,
    },
    /// List the exports
    List,
    /// Show all about an export
    Show {
        /// Name of the export
        #[arg(value_parser = name::export)]
        name: String,
    },
    /// Show what the device of an export does, and how long it takes
    Stats {
        /// Name of the export
        #[arg(value_parser = name::export)]
        name: String,
        /// Which time it is about.
        #[command(flatten)]
        period: Period,
    },
}

/// Export a block device.
#[derive(Args, Clone, Debug)]
pub struct ExportAdd {
    /// Name of the export, which clients ask for
    #[arg(value_parser = name::export)]
    pub name: String,

    /// The block device
    pub device: PathBuf,

    /// Address to listen on: ADDR:PORT, [::]:PORT for all addresses, or unix:/PATH; the port is
    /// 7770 if none is given; may be given several times
    #[arg(long, required = true, value_name = "ADDR:PORT", value_parser = Endpoint::parse)]
    pub listen: Vec<Endpoint>,

    /// Let in the clients with these addresses, to read (ro) or to read and write (rw); the longest
    /// prefix that fits decides; without any rule only this machine is let in
    #[arg(long, value_name = "PREFIX:ro|rw", value_parser = rule::parse)]
    pub allow: Vec<Rule>,

    /// Let in the client with this public key, to read (ro) or to read and write (rw), and nobody
    /// without a key; may be given several times
    #[arg(long, value_name = "KEY:ro|rw", value_parser = key::allowed)]
    pub allow_key: Vec<AllowedKey>,

    /// Let in nobody without a key, though no key is given yet
    #[arg(long)]
    pub keys_only: bool,

    /// Let nobody write
    #[arg(long)]
    pub read_only: bool,

    /// Export the device though others have it open or may open it later
    #[arg(long)]
    pub share_device: bool,

    /// Let several clients write at the same time, which only software made for it survives
    #[arg(long)]
    pub shared_writers: bool,

    /// Acknowledge no write before it is durable, so that a crash of this machine loses nothing
    #[arg(long)]
    pub write_through: bool,

    /// Identity of the data, if it is not to be derived from the device
    #[arg(long)]
    pub uuid: Option<Uuid>,

    /// Pages of 4 KiB that each client may have in flight
    #[arg(long, value_name = "PAGES", value_parser = window())]
    pub window: Option<u32>,

    /// Time after which a silent client is dropped
    #[arg(long, value_name = "TIME", value_parser = keepalive)]
    pub keepalive: Option<u32>,
}

/// Change an export.
#[derive(Args, Clone, Debug)]
#[command(group = ArgGroup::new("change")
    .required(true)
    .multiple(true)
    .args(CHANGES))]
pub struct ExportSet {
    /// Name of the export
    #[arg(value_parser = name::export)]
    pub name: String,

    /// Address to listen on instead of all others; may be given several times
    #[arg(long, value_name = "ADDR:PORT", value_parser = Endpoint::parse)]
    pub listen: Vec<Endpoint>,

    /// Rule that replaces all others; may be given several times; clients that are not let in any
    /// longer are cut off
    #[arg(long, value_name = "PREFIX:ro|rw", value_parser = rule::parse)]
    pub allow: Vec<Rule>,

    /// Remove all rules: this machine is let in, or if the export has keys, every address
    #[arg(long, conflicts_with = "allow")]
    pub no_rules: bool,

    /// Let in nobody without a key, though no key is given yet
    #[arg(long, conflicts_with = "no_keys")]
    pub keys_only: bool,

    /// Forget all keys and let clients in by their address again, unauthenticated and in plain
    #[arg(long)]
    pub no_keys: bool,

    /// Let nobody write
    #[arg(long, conflicts_with = "read_write")]
    pub read_only: bool,

    /// Let clients write
    #[arg(long)]
    pub read_write: bool,

    /// Let several clients write at the same time
    #[arg(long, conflicts_with = "exclusive_writers")]
    pub shared_writers: bool,

    /// Let one client write at a time
    #[arg(long)]
    pub exclusive_writers: bool,

    /// Pages of 4 KiB that each client may have in flight, for connections made from now on
    #[arg(long, value_name = "PAGES", value_parser = window())]
    pub window: Option<u32>,

    /// Time after which a silent client is dropped, for connections made from now on
    #[arg(long, value_name = "TIME", value_parser = keepalive)]
    pub keepalive: Option<u32>,
}

/// Let clients in.
#[derive(Args, Clone, Debug)]
#[command(group = ArgGroup::new("clients")
    .required(true)
    .multiple(true)
    .args(["key", "from"]))]
pub struct ExportAllow {
    /// Name of the export
    #[arg(value_parser = name::export)]
    pub name: String,

    /// Public key of a client, and what it may do; may be given several times
    #[arg(long, value_name = "KEY:ro|rw", value_parser = key::allowed)]
    pub key: Vec<AllowedKey>,

    /// File of a preshared key, which the owner of the one key has to know, too
    #[arg(long, value_name = "FILE", requires = "key")]
    pub psk: Option<PathBuf>,

    /// Have no preshared key for these keys
    #[arg(long, conflicts_with = "psk", requires = "key")]
    pub no_psk: bool,

    /// Addresses of clients, and what they may do; may be given several times
    #[arg(long, value_name = "PREFIX:ro|rw", value_parser = rule::parse)]
    pub from: Vec<Rule>,
}

/// Do not let clients in any more.
#[derive(Args, Clone, Debug)]
#[command(group = ArgGroup::new("clients")
    .required(true)
    .multiple(true)
    .args(["key", "from"]))]
pub struct ExportDisallow {
    /// Name of the export
    #[arg(value_parser = name::export)]
    pub name: String,

    /// Public key of a client; may be given several times
    #[arg(long, value_name = "KEY", value_parser = key::public)]
    pub key: Vec<PublicKey>,

    /// Prefix of a rule; may be given several times
    #[arg(long, value_name = "PREFIX", value_parser = rule::prefix)]
    pub from: Vec<Prefix>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keepalive_times_are_those_of_the_protocol() {
        let (min, max) = KEEPALIVE_MS.into_inner();

        assert_eq!((min, max), (limit::KEEPALIVE_MIN, limit::KEEPALIVE_MAX));
        for milliseconds in [min, max] {
            assert_eq!(keepalive(&format!("{milliseconds}ms")), Ok(milliseconds));
        }
        assert_eq!(
            keepalive(&format!("{}ms", min - 1)),
            Err("shorter than 300ms".into())
        );
        assert_eq!(
            keepalive(&format!("{}ms", max + 1)),
            Err("longer than 10m".into())
        );
    }
}
