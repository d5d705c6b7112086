// SPDX-License-Identifier: GPL-2.0

//! What can go wrong with receiving.

use crate::proto::frame::DecodeError;
use kernel::{
    fmt,
    prelude::*, //
};

/// Why nothing more can be received.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// The other side closed the connection.
    Closed,
    /// The socket failed.
    Socket(Error),
    /// What came is no frame.
    Frame(DecodeError),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("closed by the other side"),
            Self::Socket(error) => f.write_fmt(fmt!("error {}", -error.to_errno())),
            Self::Frame(error) => f.write_str(error.text()),
        }
    }
}

/// Turns what a call to receive returned into progress: [`None`] if there is nothing more now.
pub(crate) fn received(result: Result<usize>) -> Result<Option<usize>, Fault> {
    match result {
        Ok(0) => Err(Fault::Closed),
        Ok(len) => Ok(Some(len)),
        Err(error) if error == EAGAIN => Ok(None),
        Err(error) => Err(Fault::Socket(error)),
    }
}
