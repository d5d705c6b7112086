// SPDX-License-Identifier: GPL-2.0

//! What protects the frames of a connection on their way.

use super::digest::Digester;

/// Protection of the frames that go in one direction.
pub(crate) enum Protection {
    /// The checksum of each header, and whatever the network does.
    Plain,
    /// The same, and a digest behind the data of a request or reply. Other payloads have none.
    Digest(Digester),
}

impl Protection {
    /// Returns how many bytes follow the data of a frame.
    pub(super) fn trailer(&self) -> usize {
        match self {
            Self::Plain => 0,
            Self::Digest(digester) => digester.len(),
        }
    }
}
