// SPDX-License-Identifier: GPL-2.0

//! What the commands do.

mod access;
mod change;
mod events;
mod explain;
mod export;
mod export_settings;
#[cfg(test)]
mod fake;
mod handed;
mod hints;
mod key;
mod pool;
mod server;
mod session;
mod sockets;
mod stats;
mod storage;
mod version;

use crate::cli::{
    Cli,
    Command, //
};
use crate::failure::Result;
use crate::input::identity::Sources;
use crate::netlink::Kernel;
use clap::CommandFactory;
use std::io::Write;

/// What commands work with.
pub struct Context<'a> {
    /// The kernel.
    pub kernel: &'a mut dyn Kernel,
    /// Where results go.
    pub out: &'a mut dyn Write,
    /// Where remarks go.
    pub err: &'a mut dyn Write,
    /// Whether results are JSON.
    pub json: bool,
    /// Where the identity of a disk comes from.
    pub sources: Sources,
}

/// Runs a command.
///
/// # Errors
///
/// The failure to be shown.
pub fn run(command: &Command, context: &mut Context<'_>) -> Result<()> {
    match command {
        Command::Add(args) => storage::add(args, context),
        Command::Set(args) => change::set(args, context),
        Command::Del { name, force } => storage::del(name, *force, context),
        Command::Suspend { name } => change::suspend(name, context),
        Command::Resume { name } => change::resume(name, context),
        Command::Migrate(args) => change::migrate(args, context),
        Command::List => storage::list(context),
        Command::Show { name } => storage::show(name, context),
        Command::Stats { name, period } => stats::storage(name, *period, context),
        Command::Export(command) => export::run(command, context),
        Command::Key(command) => key::run(command, context),
        Command::Sessions { export } => session::list(export.as_deref(), context),
        Command::Server(command) => server::run(command, context),
        Command::Pool(command) => pool::run(*command, context),
        Command::Events => events::follow(context),
        Command::Version => version::show(context),
        Command::Completions { shell } => {
            let mut script = vec![];

            clap_complete::generate(*shell, &mut Cli::command(), "dstctl", &mut script);
            Ok(context.out.write_all(&script)?)
        }
    }
}
