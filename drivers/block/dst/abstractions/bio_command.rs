// SPDX-License-Identifier: GPL-2.0

//! What bios ask a device for.
//!
//! C header: [`include/linux/blk_types.h`](srctree/include/linux/blk_types.h)

use super::bindings;

/// What to do with the device.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Command {
    /// Read into the pages.
    Read,
    /// Write from the pages.
    Write {
        /// Whether the data has to be durable at the end.
        fua: bool,
    },
    /// Make all that was written durable.
    Flush,
    /// The contents are not needed any more.
    Discard,
    /// Fill with zeroes.
    WriteZeroes {
        /// Whether the blocks have to stay allocated.
        no_unmap: bool,
    },
}

impl Command {
    /// Returns whether data is moved from or to the pages.
    pub(super) fn has_data(self) -> bool {
        match self {
            Self::Read | Self::Write { .. } => true,
            Self::Flush | Self::Discard | Self::WriteZeroes { .. } => false,
        }
    }

    /// Returns the operation and the flags for C.
    pub(super) fn opf(self) -> bindings::blk_opf_t {
        match self {
            Self::Read => bindings::req_op_REQ_OP_READ,
            Self::Write { fua } => {
                let durable = if fua { bindings::REQ_FUA } else { 0 };

                bindings::req_op_REQ_OP_WRITE | bindings::REQ_SYNC | durable
            }
            Self::Flush => bindings::req_op_REQ_OP_WRITE | bindings::REQ_PREFLUSH,
            Self::Discard => bindings::req_op_REQ_OP_DISCARD,
            Self::WriteZeroes { no_unmap } => {
                let keep = if no_unmap { bindings::REQ_NOUNMAP } else { 0 };

                bindings::req_op_REQ_OP_WRITE_ZEROES | keep
            }
        }
    }
}
