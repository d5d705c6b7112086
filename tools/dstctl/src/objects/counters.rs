// SPDX-License-Identifier: GPL-2.0

//! Counters of a storage, an export or a session.

use crate::netlink::{
    Malformed,
    Reader, //
};
use crate::uapi::counters as attr;
use serde::Serialize;

/// What an object has done since it was added.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Counters {
    /// Reads completed.
    pub reads: u64,
    /// Writes completed.
    pub writes: u64,
    /// Flushes completed.
    pub flushes: u64,
    /// Discards completed.
    pub discards: u64,
    /// Requests to write zeroes completed.
    pub write_zeroes: u64,
    /// Bytes read.
    pub bytes_read: u64,
    /// Bytes written.
    pub bytes_written: u64,
    /// Requests that failed.
    pub errors: u64,
    /// Pages sent again.
    pub resent: u64,
    /// Connections made in place of broken ones.
    pub reconnects: u64,
    /// Connections dropped because the peer broke the protocol.
    pub protocol_errors: u64,
    /// Connections dropped because data was damaged on its way.
    pub digest_errors: u64,
    /// Connections dropped because what came was not authentic.
    pub seal_errors: u64,
    /// Requests under way: of a storage, pieces of them that have a handle; of an export or a
    /// session, those that the device has not completed.
    pub in_flight: u64,
    /// Connections cut because their clients lost rights.
    pub revoked: u64,
}

impl Counters {
    /// Returns what was counted since `earlier`; what is in flight is what is so now.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            reads: self.reads.saturating_sub(earlier.reads),
            writes: self.writes.saturating_sub(earlier.writes),
            flushes: self.flushes.saturating_sub(earlier.flushes),
            discards: self.discards.saturating_sub(earlier.discards),
            write_zeroes: self.write_zeroes.saturating_sub(earlier.write_zeroes),
            bytes_read: self.bytes_read.saturating_sub(earlier.bytes_read),
            bytes_written: self.bytes_written.saturating_sub(earlier.bytes_written),
            errors: self.errors.saturating_sub(earlier.errors),
            resent: self.resent.saturating_sub(earlier.resent),
            reconnects: self.reconnects.saturating_sub(earlier.reconnects),
            protocol_errors: self.protocol_errors.saturating_sub(earlier.protocol_errors),
            digest_errors: self.digest_errors.saturating_sub(earlier.digest_errors),
            seal_errors: self.seal_errors.saturating_sub(earlier.seal_errors),
            in_flight: self.in_flight,
            revoked: self.revoked.saturating_sub(earlier.revoked),
        }
    }

    /// Reads the counters from attributes.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if one of them is no number.
    pub fn parse(attributes: Reader<'_>) -> Result<Self, Malformed> {
        let mut counters = Self::default();

        for attribute in attributes {
            let attribute = attribute?;
            let field = match attribute.kind {
                attr::READS => &mut counters.reads,
                attr::WRITES => &mut counters.writes,
                attr::FLUSHES => &mut counters.flushes,
                attr::DISCARDS => &mut counters.discards,
                attr::WRITE_ZEROES => &mut counters.write_zeroes,
                attr::BYTES_READ => &mut counters.bytes_read,
                attr::BYTES_WRITTEN => &mut counters.bytes_written,
                attr::ERRORS => &mut counters.errors,
                attr::RESENT => &mut counters.resent,
                attr::RECONNECTS => &mut counters.reconnects,
                attr::PROTOCOL_ERRORS => &mut counters.protocol_errors,
                attr::DIGEST_ERRORS => &mut counters.digest_errors,
                attr::SEAL_ERRORS => &mut counters.seal_errors,
                attr::IN_FLIGHT => &mut counters.in_flight,
                attr::REVOKED => &mut counters.revoked,
                _ => continue,
            };

            *field = attribute.number()?;
        }
        Ok(counters)
    }
}
