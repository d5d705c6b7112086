// SPDX-License-Identifier: GPL-2.0

//! The program `dstctl`.

use clap::Parser;
use dstctl::cli::Cli;
use dstctl::commands::{
    self,
    Context, //
};
use dstctl::failure::Failure;
use dstctl::input::identity::Sources;
use dstctl::netlink::Family;
use std::env;
use std::io::{
    self,
    Write, //
};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misused(&error),
    };
    let mut context = Context {
        kernel: &mut Family::new(),
        out: &mut Pipe(io::stdout().lock()),
        err: &mut io::stderr(),
        json: cli.json,
        sources: Sources::default(),
    };

    match commands::run(&cli.command, &mut context) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if cli.json {
                eprintln!("{}", failure.to_json());
            } else {
                eprintln!("dstctl: {failure}");
            }
            ExitCode::from(failure.cause.exit_code())
        }
    }
}

/// Says what is wrong with the command line, or what was asked for instead of a command.
fn misused(error: &clap::Error) -> ExitCode {
    let json = env::args_os().any(|arg| arg == "--json");

    if !json || !error.use_stderr() {
        error.exit();
    }
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    // The message ends where the advice on how to use the program begins.
    let message = text.split("\n\nUsage:").next().unwrap_or(text);
    let message = message.split("\n\nFor more").next().unwrap_or(message);
    let failure = Failure::usage(message.trim());

    eprintln!("{}", failure.to_json());
    ExitCode::from(failure.cause.exit_code())
}

/// An output whose reader may go away, which ends the program without a complaint.
struct Pipe<W>(W);

impl<W> Pipe<W> {
    /// Ends the program if nobody reads any longer.
    fn checked<T>(result: io::Result<T>) -> io::Result<T> {
        match result {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
            result => result,
        }
    }
}

impl<W: Write> Write for Pipe<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Self::checked(self.0.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Self::checked(self.0.flush())
    }
}
