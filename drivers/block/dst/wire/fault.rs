// SPDX-License-Identifier: GPL-2.0

//! What can go wrong with receiving.

use crate::proto::frame::DecodeError;
use kernel::{
    fmt,
    prelude::*, //
};

/// What people are told of [`Fault::Digest`], as part of a sentence.
pub(crate) const DIGEST_MISMATCH: &str = "data was damaged on its way: digest mismatch";

/// What people are told of [`Fault::Seal`], as part of a sentence.
pub(crate) const NOT_AUTHENTIC: &str = "what came is not authentic";

/// Why nothing more can be received.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// The other side closed the connection.
    Closed,
    /// The socket failed.
    Socket(Error),
    /// What came is no frame.
    Frame(DecodeError),
    /// The digest of data that came is not the one that was sent with it.
    Digest,
    /// What came was not sealed by the other side, or not now.
    Seal,
    /// What came has no memory to go to.
    NoRoom,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("closed by the other side"),
            Self::Socket(error) => f.write_fmt(fmt!("error {}", -error.to_errno())),
            Self::Frame(error) => f.write_str(error.text()),
            Self::Digest => f.write_str(DIGEST_MISMATCH),
            Self::Seal => f.write_str(NOT_AUTHENTIC),
            Self::NoRoom => f.write_str("more data than asked for"),
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
