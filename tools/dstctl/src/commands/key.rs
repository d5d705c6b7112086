// SPDX-License-Identifier: GPL-2.0

//! Keys.

use super::Context;
use crate::cli::KeyCommand;
use crate::failure::Result;
use crate::input::secret::Secret;
use crate::output;
use std::path::Path;

/// Runs a command for keys.
pub(super) fn run(command: &KeyCommand, context: &mut Context<'_>) -> Result<()> {
    match command {
        KeyCommand::Generate { out: None } => print(&Secret::generate()?, "secret_key", context),
        KeyCommand::Generate { out: Some(file) } => {
            let secret = Secret::generate()?;

            secret.store(file)?;
            generated(&secret, file, context)
        }
        KeyCommand::Public { file } => {
            let public = Secret::read(file, context.err)?.public();

            match context.json {
                true => output::json(
                    context.out,
                    &serde_json::json!({ "public_key": public.to_string() }),
                ),
                false => Ok(writeln!(context.out, "{public}")?),
            }
        }
        KeyCommand::Preshared { out: None } => {
            print(&Secret::preshared()?, "preshared_key", context)
        }
        KeyCommand::Preshared { out: Some(file) } => {
            Secret::preshared()?.store(file)?;
            match context.json {
                true => output::json(context.out, &serde_json::json!({ "file": file })),
                false => Ok(writeln!(
                    context.out,
                    "Wrote a preshared key to {}: both sides need it, and nobody else",
                    file.display()
                )?),
            }
        }
    }
}

/// Prints a secret that was made just now, for programs as the member `name` of an object.
fn print(secret: &Secret, name: &str, context: &mut Context<'_>) -> Result<()> {
    if !context.json {
        return Ok(secret.print(context.out)?);
    }
    // Not by way of a value that would leave copies of it behind.
    write!(context.out, "{{\"{name}\":\"")?;
    secret.print_text(context.out)?;
    Ok(writeln!(context.out, "\"}}")?)
}

/// Says what was generated.
fn generated(secret: &Secret, file: &Path, context: &mut Context<'_>) -> Result<()> {
    let public = secret.public();

    match context.json {
        true => output::json(
            context.out,
            &serde_json::json!({ "file": file, "public_key": public.to_string() }),
        ),
        false => Ok(writeln!(
            context.out,
            "Wrote a secret key to {}. The public key that belongs to it:\n{public}",
            file.display()
        )?),
    }
}

#[cfg(test)]
#[path = "key_tests.rs"]
mod tests;
