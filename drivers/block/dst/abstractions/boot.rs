// SPDX-License-Identifier: GPL-2.0

//! Which boot of the machine this is, and what must be known until its end.
//!
//! C headers: [`include/linux/fs.h`](srctree/include/linux/fs.h),
//! [`include/linux/kobject.h`](srctree/include/linux/kobject.h)

use super::bindings;
use core::ptr::{
    self,
    NonNull, //
};
use kernel::{
    error::from_err_ptr,
    prelude::*, //
};

/// Where the kernel tells which boot this is. It has no function for that.
const BOOT_ID: &CStr = c"/proc/sys/kernel/random/boot_id";

/// Characters in an identity that is written with hyphens.
const TEXT: usize = 36;

/// Returns the identity of this boot, which is another one after each boot, and the same for all
/// who ask until then. Process context; sleeps.
///
/// The file is looked for as the calling task sees the system.
///
/// # Errors
///
/// Those of `open(2)` and `read(2)`, and `EINVAL` if the file contains something else.
pub(crate) fn boot_id() -> Result<[u8; 16]> {
    let mut text = [0; TEXT];
    let len = read(BOOT_ID, &mut text)?;

    parse(text.get(..len).unwrap_or_default()).ok_or(EINVAL)
}

/// Reads the beginning of the file at `path` into `buffer`; returns how many bytes were read.
fn read(path: &CStr, buffer: &mut [u8]) -> Result<usize> {
    let mut position = 0;

    // SAFETY: `path` is a valid string.
    let file = from_err_ptr(unsafe {
        bindings::filp_open(path.as_char_ptr(), bindings::O_RDONLY as c_int, 0)
    })?;

    // SAFETY: The file is open, and `buffer` is valid for writes of its length.
    let read = unsafe {
        bindings::kernel_read(
            file,
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            &mut position,
        )
    };

    // SAFETY: The file is open, and nobody uses it hereafter.
    unsafe { bindings::filp_close(file, ptr::null_mut()) };
    usize::try_from(read).map_err(|_| Error::from_errno(read as c_int))
}

/// Returns the bytes of the identity that `text` is, or [`None`] if it is none.
fn parse(text: &[u8]) -> Option<[u8; 16]> {
    let mut digits = text.iter().filter(|&&digit| digit != b'-');
    let mut id = [0; 16];
    let mut digit = || char::from(*digits.next()?).to_digit(16);

    for byte in &mut id {
        *byte = (digit()? << 4 | digit()?) as u8;
    }
    (text.len() == TEXT && id != [0; 16]).then_some(id)
}

/// Leaves a mark called `name`, an empty directory in `/sys/kernel`, until the machine is booted
/// again, also if the module is unloaded and loaded. Does nothing if it is there. Process context;
/// sleeps.
///
/// # Errors
///
/// `ENOMEM` if there is not enough memory.
pub(crate) fn leave_mark(name: &CStr) -> Result {
    if is_marked(name) {
        return Ok(());
    }

    // SAFETY: `kernel_kobj` is valid from the boot on, and `name` is a valid string. The object
    // belongs to the kernel; its reference is never given back, which is the purpose.
    let mark =
        unsafe { bindings::kobject_create_and_add(name.as_char_ptr(), bindings::kernel_kobj) };

    match mark.is_null() {
        true => Err(ENOMEM),
        false => Ok(()),
    }
}

/// Returns whether there is a mark called `name`. Process context; sleeps.
pub(crate) fn is_marked(name: &CStr) -> bool {
    // SAFETY: `kernel_kobj` is valid from the boot on and has a directory; `name` is a valid
    // string.
    let node = unsafe {
        bindings::kernfs_find_and_get_ns(
            (*bindings::kernel_kobj).sd,
            name.as_char_ptr(),
            ptr::null(),
        )
    };

    match NonNull::new(node) {
        Some(node) => {
            // SAFETY: The reference was taken above.
            unsafe { bindings::kernfs_put(node.as_ptr()) };
            true
        }
        None => false,
    }
}
