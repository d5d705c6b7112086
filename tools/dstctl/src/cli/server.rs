// SPDX-License-Identifier: GPL-2.0

//! Commands for what all exports have in common.

use super::Suite;
use clap::{
    ArgGroup,
    Args,
    Subcommand, //
};
use std::path::PathBuf;

/// Names of all arguments that change something.
const CHANGES: [&str; 12] = [
    "key",
    "suite",
    "connections",
    "source_connections",
    "unwelcomed",
    "source_unwelcomed",
    "sessions",
    "source_sessions",
    "pages",
    "source_pages",
    "handshakes",
    "source_handshakes",
];

/// Reads a limit.
fn limit() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..)
}

/// What to do with the server.
#[derive(Clone, Debug, Subcommand)]
pub enum ServerCommand {
    /// Show the public key that clients need, the suite, the limits, what clients have of them, and
    /// how often they were refused
    Show,
    /// Set the key, the suite or limits; who has more than a limit keeps it
    Set(ServerSet),
}

/// Change the server.
///
/// A source is an IPv4 address, an IPv6 network of 64 bits, or a user who comes through a UNIX-domain
/// socket.
#[derive(Args, Clone, Debug)]
#[command(group = ArgGroup::new("change")
    .required(true)
    .multiple(true)
    .args(CHANGES))]
pub struct ServerSet {
    /// File of the secret key; clients need its public key, see dstctl key public
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,

    /// Only cipher that clients may use from now on, or any if it is up to this server
    #[arg(long, value_name = "NAME")]
    pub suite: Option<Suite>,

    /// Connections of all clients
    #[arg(long, value_name = "NUMBER", value_parser = limit())]
    pub connections: Option<u32>,

    /// Connections of each source
    #[arg(long = "connections-per-source", value_name = "NUMBER", value_parser = limit())]
    pub source_connections: Option<u32>,

    /// Connections that have not said yet what they want; the oldest makes room for the next
    #[arg(long, value_name = "NUMBER", value_parser = limit())]
    pub unwelcomed: Option<u32>,

    /// Such connections of each source
    #[arg(long = "unwelcomed-per-source", value_name = "NUMBER", value_parser = limit())]
    pub source_unwelcomed: Option<u32>,

    /// Sessions of all clients
    #[arg(long, value_name = "NUMBER", value_parser = limit())]
    pub sessions: Option<u32>,

    /// Sessions of each source
    #[arg(long = "sessions-per-source", value_name = "NUMBER", value_parser = limit())]
    pub source_sessions: Option<u32>,

    /// Pages of 4 KiB that all clients may have in flight
    #[arg(long, value_name = "NUMBER", value_parser = limit())]
    pub pages: Option<u32>,

    /// Pages of 4 KiB that the clients of each source may have in flight
    #[arg(long = "pages-per-source", value_name = "NUMBER", value_parser = limit())]
    pub source_pages: Option<u32>,

    /// Handshakes of sealed connections per second
    #[arg(long, value_name = "NUMBER", value_parser = limit())]
    pub handshakes: Option<u32>,

    /// Such handshakes of each source
    #[arg(long = "handshakes-per-source", value_name = "NUMBER", value_parser = limit())]
    pub source_handshakes: Option<u32>,
}
