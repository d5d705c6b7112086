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
    /// Returns whether the contents of the device are others afterwards.
    pub(crate) fn modifies(self) -> bool {
        match self {
            Self::Write { .. } | Self::Discard | Self::WriteZeroes { .. } => true,
            Self::Read | Self::Flush => false,
        }
    }

    /// Returns whether data is moved from or to the pages.
    pub(super) fn has_data(self) -> bool {
        match self {
            Self::Read | Self::Write { .. } => true,
            Self::Flush | Self::Discard | Self::WriteZeroes { .. } => false,
        }
    }

    /// Returns the operation and the flags for C.
    ///
    /// Writes and flushes have the flags of direct I/O: writeback throttling makes whoever submits
    /// any other write wait, also if that must not. It does the same with discards, whatever their
    /// flags are, so these must not be submitted by who cannot wait.
    pub(super) fn opf(self) -> bindings::blk_opf_t {
        const DIRECT: bindings::blk_opf_t =
            bindings::req_op_REQ_OP_WRITE | bindings::REQ_SYNC | bindings::REQ_IDLE;

        match self {
            Self::Read => bindings::req_op_REQ_OP_READ,
            Self::Write { fua } => {
                let durable = if fua { bindings::REQ_FUA } else { 0 };

                DIRECT | durable
            }
            Self::Flush => DIRECT | bindings::REQ_PREFLUSH,
            Self::Discard => bindings::req_op_REQ_OP_DISCARD,
            Self::WriteZeroes { no_unmap } => {
                let keep = if no_unmap { bindings::REQ_NOUNMAP } else { 0 };

                bindings::req_op_REQ_OP_WRITE_ZEROES | keep
            }
        }
    }
}
