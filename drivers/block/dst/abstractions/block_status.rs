// SPDX-License-Identifier: GPL-2.0

//! How an operation of a block device ended.
//!
//! C header: [`include/linux/blk_types.h`](srctree/include/linux/blk_types.h)

use super::bindings;

/// The values of `blk_status_t` that drivers tell apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BlockStatus {
    /// It was done.
    Ok,
    /// The device cannot do it.
    NotSupported,
    /// It took too long.
    Timeout,
    /// There is no space left.
    NoSpace,
    /// The link to the device failed.
    Transport,
    /// The device is there, but refuses.
    Target,
    /// Somebody else has reserved the device.
    Reserved,
    /// The medium failed.
    Medium,
    /// The data does not match its checksum.
    Protection,
    /// There is no memory or other resource for it.
    Resource,
    /// It would have had to wait.
    Again,
    /// It makes no sense for the device.
    Invalid,
    /// The device is not there (any more).
    Offline,
    /// It failed for another reason.
    Io,
}

impl BlockStatus {
    /// Returns the value for C.
    pub(crate) fn to_raw(self) -> u8 {
        match self {
            Self::Ok => bindings::BLK_STS_OK,
            Self::NotSupported => bindings::BLK_STS_NOTSUPP,
            Self::Timeout => bindings::BLK_STS_TIMEOUT,
            Self::NoSpace => bindings::BLK_STS_NOSPC,
            Self::Transport => bindings::BLK_STS_TRANSPORT,
            Self::Target => bindings::BLK_STS_TARGET,
            Self::Reserved => bindings::BLK_STS_RESV_CONFLICT,
            Self::Medium => bindings::BLK_STS_MEDIUM,
            Self::Protection => bindings::BLK_STS_PROTECTION,
            Self::Resource => bindings::BLK_STS_RESOURCE,
            Self::Again => bindings::BLK_STS_AGAIN,
            Self::Invalid => bindings::BLK_STS_INVAL,
            Self::Offline => bindings::BLK_STS_OFFLINE,
            Self::Io => bindings::BLK_STS_IOERR,
        }
    }

    /// Takes the value from C; those that are not told apart become [`Self::Io`].
    pub(crate) fn from_raw(raw: u8) -> Self {
        const ALL: [BlockStatus; 14] = [
            BlockStatus::Ok,
            BlockStatus::NotSupported,
            BlockStatus::Timeout,
            BlockStatus::NoSpace,
            BlockStatus::Transport,
            BlockStatus::Target,
            BlockStatus::Reserved,
            BlockStatus::Medium,
            BlockStatus::Protection,
            BlockStatus::Resource,
            BlockStatus::Again,
            BlockStatus::Invalid,
            BlockStatus::Offline,
            BlockStatus::Io,
        ];

        ALL.into_iter()
            .find(|status| status.to_raw() == raw)
            .unwrap_or(Self::Io)
    }
}
