// SPDX-License-Identifier: GPL-2.0

//! Headers as they arrive, piece by piece.

use crate::{
    abstractions::{
        crc32c::crc32c,
        socket::Socket, //
    },
    proto::frame::{
        DecodeError,
        Header,
        HEADER_SIZE, //
    }, //
};
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

/// A header of which some bytes may have arrived.
pub(crate) struct Headers {
    bytes: [u8; HEADER_SIZE],
    have: usize,
}

impl Headers {
    /// Returns one of which nothing has arrived.
    pub(crate) const fn new() -> Self {
        Self {
            bytes: [0; HEADER_SIZE],
            have: 0,
        }
    }

    /// Receives the next header; [`None`] if not all of it is there yet. Process context.
    ///
    /// # Errors
    ///
    /// A [`Fault`] is final: nobody can tell where the next header would begin.
    pub(crate) fn next(&mut self, socket: &Socket) -> Result<Option<Header>, Fault> {
        while self.have < HEADER_SIZE {
            let Some(rest) = self.bytes.get_mut(self.have..) else {
                break;
            };
            match received(socket.receive_bytes(rest))? {
                Some(len) => self.have += len,
                None => return Ok(None),
            }
        }
        self.have = 0;
        Header::decode(&self.bytes, crc32c)
            .map(Some)
            .map_err(Fault::Frame)
    }
}
