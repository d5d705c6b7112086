// SPDX-License-Identifier: GPL-2.0

//! Files that tasks hand over by their descriptors.
//!
//! C headers: [`include/linux/fs.h`](srctree/include/linux/fs.h),
//! [`include/linux/shmem_fs.h`](srctree/include/linux/shmem_fs.h)

use super::bindings;
use kernel::{
    fs::LocalFile,
    prelude::*,
    sync::aref::ARef, //
};

/// A file in memory that is open for reading, such as `memfd_create()` makes.
///
/// Reading it waits for no network and no task that plays a file system; for a device only if some of
/// it was swapped out, and then for that one.
///
/// # Invariants
///
/// The file is open for reading and has pages of shared memory.
pub(crate) struct MemoryFile(ARef<LocalFile>);

impl MemoryFile {
    /// Returns the file that is descriptor `fd` of the current task.
    ///
    /// # Errors
    ///
    /// - `EBADF` if there is no such descriptor.
    /// - `EINVAL` if it is another kind of file, or not open for reading.
    pub(crate) fn get(fd: u32) -> Result<Self> {
        let file = LocalFile::fget(fd)?;

        // SAFETY: The file is valid as long as there is a reference.
        match unsafe { bindings::dstblk_is_readable_shmem_file(file.as_ptr()) } {
            // INVARIANT: That was just checked, and does not change.
            true => Ok(Self(file)),
            false => Err(EINVAL),
        }
    }

    /// Reads from `position` on as much as there is and `buffer` has room for; returns how many
    /// bytes that are. The position of the descriptor is neither used nor changed. This sleeps.
    ///
    /// # Errors
    ///
    /// - `EINTR` if the task is being killed.
    /// - `ENOMEM` if there is not enough memory, `EIO` if it is broken.
    /// - Whatever a security module says.
    pub(crate) fn read(&self, position: u32, buffer: &mut [u8]) -> Result<usize> {
        let mut position = position.into();

        // SAFETY: By the type invariants, the file is open for reading. `buffer` is valid for
        // writes of its length.
        let read = unsafe {
            bindings::kernel_read(
                self.0.as_ptr(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                &mut position,
            )
        };

        usize::try_from(read).map_err(|_| Error::from_errno(read as c_int))
    }
}
