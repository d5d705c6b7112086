// SPDX-License-Identifier: GPL-2.0

//! Versions.

use super::explain::explain;
use super::Context;
use crate::failure::Result;
use crate::netlink::KernelError;
use crate::output;
use std::fs;

/// Where the module tells its version.
const MODULE_VERSION: &str = "module/dst/version";

/// Shows the versions of this program and of the module.
pub(super) fn show(context: &mut Context<'_>) -> Result<()> {
    let program = env!("CARGO_PKG_VERSION");
    let family = match context.kernel.version() {
        Ok(version) => Some(version),
        Err(KernelError::NoFamily) => None,
        Err(error) => return Err(explain("cannot ask the module", error, |_, _| None)),
    };
    let module = fs::read_to_string(context.sources.sysfs.join(MODULE_VERSION))
        .ok()
        .map(|version| version.trim().to_owned());

    if context.json {
        return output::json(
            context.out,
            &serde_json::json!({
                "dstctl": program,
                "module": module,
                "netlink": family,
            }),
        );
    }
    writeln!(context.out, "dstctl {program}")?;
    match (family, module) {
        (None, _) => writeln!(context.out, "module not loaded")?,
        (Some(family), None) => writeln!(context.out, "module, netlink version {family}")?,
        (Some(family), Some(module)) => {
            writeln!(context.out, "module {module}, netlink version {family}")?;
        }
    }
    Ok(())
}
