// SPDX-License-Identifier: GPL-2.0

//! The checksum CRC-32C.
//!
//! C header: [`include/linux/crc32.h`](srctree/include/linux/crc32.h)

use super::bindings;

/// Returns the CRC-32C of `data` as RFC 3720 and others define it.
///
/// The C function inverts neither the initial nor the final value, this one does both: the
/// checksum of `123456789` is `0xe3069283`. It may be called in any context.
pub(crate) fn crc32c(data: &[u8]) -> u32 {
    // SAFETY: `data` is valid for reads of its length.
    !unsafe { bindings::crc32c(!0, data.as_ptr().cast(), data.len()) }
}
