// SPDX-License-Identifier: GPL-2.0

//! Random numbers fit for cryptography.
//!
//! C header: [`include/linux/random.h`](srctree/include/linux/random.h)

use super::bindings;
use kernel::{
    error::to_result,
    prelude::*, //
};

/// Returns `N` random bytes.
///
/// It may be called in any context, but not before the generator was seeded, which it long is
/// when modules are loaded.
pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];

    // SAFETY: `bytes` is valid for writes of its length.
    unsafe { bindings::get_random_bytes(bytes.as_mut_ptr().cast(), bytes.len()) };
    bytes
}

/// Overwrites `bytes` with random ones, which never are anywhere else.
///
/// Process context: it waits until the generator was seeded, which may take a while early at boot.
///
/// # Errors
///
/// `ERESTARTSYS` if a signal came meanwhile.
pub(crate) fn fill_secret(bytes: &mut [u8]) -> Result {
    // SAFETY: This is process context by the rules of this function.
    to_result(unsafe { bindings::wait_for_random_bytes() })?;
    // SAFETY: `bytes` is valid for writes of its length.
    unsafe { bindings::get_random_bytes(bytes.as_mut_ptr().cast(), bytes.len()) };
    Ok(())
}
