// SPDX-License-Identifier: GPL-2.0

//! What statistics are about.

use crate::input::duration;
use crate::uapi::limit;
use clap::Args;

/// Reads how long to wait between two looks.
fn interval(text: &str) -> Result<u32, String> {
    match duration::milliseconds(text, limit::TIMEOUT_MAX)? {
        0 => Err("there has to be some time".into()),
        milliseconds => Ok(milliseconds),
    }
}

/// Which time they are about.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct Period {
    /// Show what is done in each interval of this length, until interrupted; without it, what was
    /// done since the object was added
    #[arg(long, value_name = "TIME", value_parser = interval)]
    pub interval: Option<u32>,

    /// End after so many intervals
    #[arg(long, value_name = "NUMBER", requires = "interval",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub count: Option<u32>,
}
