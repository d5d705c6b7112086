// SPDX-License-Identifier: GPL-2.0

//! What can go wrong between this program and the kernel.

use super::Malformed;
use std::io;

/// Why the kernel did not do what it was asked for.
#[derive(Debug)]
pub enum KernelError {
    /// There is no such family: the module is not loaded.
    NoFamily,
    /// The kernel refused.
    Refused {
        /// Positive error number.
        errno: i32,
        /// Text of the extended acknowledgement.
        text: Option<String>,
    },
    /// Notifications came faster than they were read.
    Overrun,
    /// The socket failed.
    Socket(io::Error),
    /// The answer of the kernel cannot be understood.
    Malformed(Malformed),
}

impl From<Malformed> for KernelError {
    fn from(error: Malformed) -> Self {
        Self::Malformed(error)
    }
}

impl From<io::Error> for KernelError {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::ENOBUFS) => Self::Overrun,
            _ => Self::Socket(error),
        }
    }
}
