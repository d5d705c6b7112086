// SPDX-License-Identifier: GPL-2.0

//! What protects the frames of a connection on their way.

use crate::abstractions::aead::TAG_SIZE;

use super::{
    digest::Digester,
    seal::{
        Opening,
        Sealing, //
    },
    staging::Staging, //
};

/// Protection of the frames that are sent.
pub(crate) enum Outgoing {
    /// The checksum of each header, and whatever the network does.
    Plain,
    /// The same, and a digest behind the data of a request or reply. Other payloads have none.
    Digest(Digester),
    /// Everything is sealed.
    Sealed(Sealing),
}

/// Protection of the frames that are received.
pub(crate) enum Incoming {
    /// As [`Outgoing::Plain`].
    Plain,
    /// As [`Outgoing::Digest`].
    Digest(Digester),
    /// As [`Outgoing::Sealed`].
    Sealed(Opening),
}

impl Incoming {
    /// Returns how many bytes follow the data of a frame.
    pub(super) fn trailer(&self) -> usize {
        match self {
            Self::Plain => 0,
            Self::Digest(digester) => digester.len(),
            Self::Sealed(_) => TAG_SIZE,
        }
    }

    /// Returns how many bytes follow a payload of `len` bytes that is no data.
    pub(super) fn tag(&self, len: usize) -> usize {
        match self {
            Self::Sealed(_) if len > 0 => TAG_SIZE,
            Self::Plain | Self::Digest(_) | Self::Sealed(_) => 0,
        }
    }
}

/// Where data is while it is protected.
pub(crate) enum Memory {
    /// Where it belongs: nobody else can change that meanwhile.
    Private,
    /// In memory of the connection's own, because others can get at where it belongs: what they do
    /// to it must not look like damage.
    Foreign(Staging),
}

impl Memory {
    /// Returns the memory of the connection's own.
    pub(super) fn staging(self) -> Option<Staging> {
        match self {
            Self::Private => None,
            Self::Foreign(staging) => Some(staging),
        }
    }
}
