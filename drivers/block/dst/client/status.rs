// SPDX-License-Identifier: GPL-2.0

//! What the statuses of the protocol mean for whoever asked.

use crate::{
    abstractions::block_status::BlockStatus,
    proto::{
        opcode::Opcode,
        status::Status, //
    }, //
};

/// Returns how an operation ended that the server answered with `status`.
pub(super) fn block_status(opcode: Opcode, status: Status) -> BlockStatus {
    match status {
        // File systems do without a flush that is not supported, and take for durable what is not.
        Status::Unsupported if opcode == Opcode::Flush => BlockStatus::Io,
        Status::Ok => BlockStatus::Ok,
        Status::Medium => BlockStatus::Medium,
        Status::NoSpace => BlockStatus::NoSpace,
        Status::ReadOnly | Status::Denied => BlockStatus::Target,
        Status::Invalid => BlockStatus::Invalid,
        Status::Unsupported => BlockStatus::NotSupported,
        Status::Timeout => BlockStatus::Timeout,
        Status::Target => BlockStatus::Offline,
        Status::Protection => BlockStatus::Protection,
        Status::Gone => BlockStatus::Transport,
        Status::Io
        | Status::Range
        | Status::Resource
        | Status::Version
        | Status::Feature
        | Status::NoExport
        | Status::InUse
        | Status::Stale
        | Status::Identity => BlockStatus::Io,
    }
}
