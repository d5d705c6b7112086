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
    /// Pages and other requests in flight.
    pub in_flight: u64,
    /// Connections cut because their clients lost rights.
    pub revoked: u64,
}

impl Counters {
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
