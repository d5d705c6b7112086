// SPDX-License-Identifier: GPL-2.0

//! Writing to pages.
//!
//! C header: [`include/linux/highmem.h`](srctree/include/linux/highmem.h)

use super::bindings;
use kernel::{
    page::{
        Page,
        PAGE_SIZE, //
    },
    prelude::*, //
};

/// Copies `bytes` to the memory that `pages` make up, from `offset` on.
///
/// # Errors
///
/// `EINVAL` if there are not enough pages.
pub(crate) fn write(pages: &mut [Page], offset: usize, bytes: &[u8]) -> Result {
    let mut at = offset;
    let mut left = bytes;

    while !left.is_empty() {
        let page = pages.get(at / PAGE_SIZE).ok_or(EINVAL)?;
        let start = at % PAGE_SIZE;
        let (now, rest) = left.split_at(left.len().min(PAGE_SIZE - start));

        // SAFETY: The page is valid and the range inside of it; `now` is valid for reads of its
        // length. `Page` gives out no references to its bytes.
        unsafe {
            bindings::memcpy_to_page(page.as_ptr(), start, now.as_ptr().cast(), now.len());
        }
        at += now.len();
        left = rest;
    }
    Ok(())
}
