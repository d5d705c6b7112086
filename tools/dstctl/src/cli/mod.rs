// SPDX-License-Identifier: GPL-2.0

//! The command line.

mod export;
mod key;
mod server;
mod stats;
mod storage;

pub use export::{
    ExportAdd,
    ExportAllow,
    ExportCommand,
    ExportDisallow,
    ExportSet, //
};
pub use key::{
    ChangedKeys,
    KeyCommand,
    StorageKeys,
    Suite, //
};
pub use server::{
    ServerCommand,
    ServerSet, //
};
pub use stats::Period;
pub use storage::{
    StorageAdd,
    StorageMigrate,
    StorageSet, //
};

use crate::input::name;
use crate::uapi::limit;
use clap::{
    Parser,
    Subcommand, //
};
use clap_complete::Shell;

/// What is below the list of commands.
const AFTER_HELP: &str = "\
A server exports a block device, a client attaches it:

  server# dstctl export add disk /dev/vdb --listen [::]:7770 --allow 10.0.0.0/24:rw
  client# dstctl add disk server:7770
  client# mkfs.ext4 /dev/dst-disk && mount /dev/dst-disk /mnt

Exit codes: 0 done, 1 other failure, 2 wrong command line, 3 no such object or device,
4 name taken or in use, 5 no privilege, 6 server not reached, 7 refused by the server,
8 module not loaded or too old, 9 device or address cannot be used.";

/// Configures the DST network block device.
#[derive(Clone, Debug, Parser)]
#[command(name = "dstctl", version, after_help = AFTER_HELP, max_term_width = 100)]
pub struct Cli {
    /// Write JSON; failures too, to the standard error output
    #[arg(long, global = true)]
    pub json: bool,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Attach an export of a server as /dev/dst-NAME
    Add(StorageAdd),
    /// Change a storage
    Set(StorageSet),
    /// Detach a storage
    Del {
        /// Name of the storage
        #[arg(value_parser = name::storage)]
        name: String,
        /// Detach it though it is in use; what is outstanding fails
        #[arg(long)]
        force: bool,
    },
    /// Have the I/O of a storage wait
    Suspend {
        /// Name of the storage
        #[arg(value_parser = name::storage)]
        name: String,
    },
    /// Let the I/O of a suspended storage go on
    Resume {
        /// Name of the storage
        #[arg(value_parser = name::storage)]
        name: String,
    },
    /// Move a storage to another server that has the same data, while it is in use
    Migrate(StorageMigrate),
    /// List the storages
    List,
    /// Show all about a storage
    Show {
        /// Name of the storage
        #[arg(value_parser = name::storage)]
        name: String,
    },
    /// Show what a storage does, and how long it takes
    Stats {
        /// Name of the storage
        #[arg(value_parser = name::storage)]
        name: String,
        /// Which time it is about.
        #[command(flatten)]
        period: Period,
    },
    /// Export block devices of this machine
    #[command(subcommand)]
    Export(ExportCommand),
    /// Show or change what all exports have in common
    #[command(subcommand)]
    Server(ServerCommand),
    /// Make keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// List the clients that are attached to exports
    Sessions {
        /// Only those of this export
        #[arg(value_parser = name::export)]
        export: Option<String>,
    },
    /// Show or change the number of kernel threads
    #[command(subcommand)]
    Pool(PoolCommand),
    /// Show what happens to storages, exports and sessions, as it happens
    Events,
    /// Show the versions of this program and of the module
    Version,
    /// Write the completions for a shell
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
}

/// What to do with the pool of threads.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum PoolCommand {
    /// Show the threads and their work
    Show,
    /// Change the number of threads
    Set {
        /// Threads
        #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(limit::THREADS_MAX)))]
        threads: u32,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }
}
