// SPDX-License-Identifier: GPL-2.0

//! What the statuses of the protocol mean for whoever asked.

use crate::{
    abstractions::block_status::BlockStatus,
    proto::status::Status, //
};

/// Returns how an operation ended that the server answered with `status`.
pub(crate) fn block_status(status: Status) -> BlockStatus {
    match status {
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
