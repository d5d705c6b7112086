// SPDX-License-Identifier: GPL-2.0

//! Commands for storages.

use super::{
    ChangedKeys,
    StorageKeys, //
};
use crate::input::duration;
use crate::input::endpoint::Endpoint;
use crate::input::name;
use crate::uapi::limit;
use clap::{
    ArgGroup,
    Args, //
};
use uuid::Uuid;

/// Reads how long to wait.
fn timeout(text: &str) -> Result<u32, String> {
    duration::milliseconds(text, limit::TIMEOUT_MAX)
}

/// Reads how long to wait, which has to be some time.
fn some_timeout(text: &str) -> Result<u32, String> {
    match timeout(text)? {
        0 => Err("there has to be some time".into()),
        milliseconds => Ok(milliseconds),
    }
}

/// Reads a number of connections.
fn connections() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=i64::from(limit::CONNECTIONS_MAX))
}

/// Attach an export.
#[derive(Args, Clone, Debug)]
pub struct StorageAdd {
    /// Name of the storage; its device is /dev/dst-NAME
    #[arg(value_parser = name::storage)]
    pub name: String,

    /// Address of the server: HOST, HOST:PORT, [IPV6]:PORT or unix:/PATH; the port is 7770 if none
    /// is given; several are tried in their order; each connection begins with another
    #[arg(required = true, value_name = "HOST:PORT", value_parser = Endpoint::parse)]
    pub servers: Vec<Endpoint>,

    /// Name of the export, if it is not that of the storage
    #[arg(long, value_name = "NAME", value_parser = name::export)]
    pub export: Option<String>,

    /// Only read
    #[arg(long)]
    pub read_only: bool,

    /// How long to wait for the first connection: seconds, or a number with ms, s, m or h; 0 does
    /// not wait at all
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = timeout)]
    pub timeout: u32,

    /// Connections to keep; without it two, or one on a machine with one processor
    #[arg(long, value_name = "NUMBER", value_parser = connections())]
    pub connections: Option<u32>,

    /// Fail all I/O when there was no connection for so long, until there is one again; without it
    /// I/O waits
    #[arg(long, value_name = "TIME|never", value_parser = duration::policy)]
    pub fail_after: Option<u32>,

    /// Fail I/O that takes longer than this with a timeout error; without it I/O waits
    #[arg(long, value_name = "TIME|never", value_parser = duration::policy)]
    pub io_timeout: Option<u32>,

    /// Have the data of every request and reply carry this digest: crc32c, xxhash64, sha256,
    /// sha512, hmac(sha256) or blake2b-256
    #[arg(long, value_name = "NAME", value_parser = name::digest, conflicts_with = "key")]
    pub digest: Option<String>,

    /// Accept only the export of this identity
    #[arg(long)]
    pub uuid: Option<Uuid>,

    /// What its connections are sealed with.
    #[command(flatten)]
    pub keys: StorageKeys,
}

/// Change a storage.
#[derive(Args, Clone, Debug)]
#[command(group = ArgGroup::new("change")
    .required(true)
    .multiple(true)
    .args([
        "servers",
        "connections",
        "fail_after",
        "io_timeout",
        "key",
        "server_key",
        "psk",
        "no_psk",
        "suite",
    ]))]
pub struct StorageSet {
    /// Name of the storage
    #[arg(value_parser = name::storage)]
    pub name: String,

    /// Address of the server for the connections made from now on; may be given several times
    #[arg(long = "server", value_name = "HOST:PORT", value_parser = Endpoint::parse)]
    pub servers: Vec<Endpoint>,

    /// Connections to keep
    #[arg(long, value_name = "NUMBER", value_parser = connections())]
    pub connections: Option<u32>,

    /// Fail all I/O when there was no connection for so long, until there is one again; without it
    /// I/O waits
    #[arg(long, value_name = "TIME|never", value_parser = duration::policy)]
    pub fail_after: Option<u32>,

    /// Fail I/O that takes longer than this with a timeout error; without it I/O waits
    #[arg(long, value_name = "TIME|never", value_parser = duration::policy)]
    pub io_timeout: Option<u32>,

    /// What its connections are sealed with.
    #[command(flatten)]
    pub keys: ChangedKeys,
}

/// Move a storage to another server.
#[derive(Args, Clone, Debug)]
pub struct StorageMigrate {
    /// Name of the storage
    #[arg(value_parser = name::storage)]
    pub name: String,

    /// Address of the other server, which has the same data
    #[arg(required = true, value_name = "HOST:PORT", value_parser = Endpoint::parse)]
    pub servers: Vec<Endpoint>,

    /// How long to try to reach it
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = some_timeout)]
    pub timeout: u32,

    /// What its connections are sealed with there.
    #[command(flatten)]
    pub keys: ChangedKeys,
}
