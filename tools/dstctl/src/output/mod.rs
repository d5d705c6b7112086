// SPDX-License-Identifier: GPL-2.0

//! What people and programs read.

mod sheet;
mod table;
pub mod units;

pub use sheet::Sheet;
pub use table::{
    Align,
    Table, //
};

use crate::failure::Result;
use serde::Serialize;
use std::io::Write;

/// Writes `value` as JSON, indented.
///
/// # Errors
///
/// A failure to write.
pub fn json(out: &mut dyn Write, value: &impl Serialize) -> Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)?;
    Ok(())
}

/// Writes `value` as one line of JSON and makes sure that it is seen at once.
///
/// # Errors
///
/// A failure to write.
pub fn json_line(out: &mut dyn Write, value: &impl Serialize) -> Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)?;
    out.flush()?;
    Ok(())
}
