// SPDX-License-Identifier: GPL-2.0

//! Block devices, opened by the kernel itself.
//!
//! C header: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h)

use super::{
    bindings,
    block_status::BlockStatus, //
};
use core::{
    ffi::CStr,
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::{
    error::from_err_ptr,
    prelude::*, //
};

/// What a device is opened for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mode {
    /// Reading.
    ReadOnly,
    /// Reading and writing.
    ReadWrite,
}

/// Who else may have a device open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Sharing {
    /// Nobody who insists on being alone, such as a file system or an array.
    Exclusive,
    /// Anybody.
    Shared,
}

/// What a device can do, and how it likes to be used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Size in sectors of 512 bytes.
    pub(crate) sectors: u64,
    /// Smallest unit that can be addressed, in bytes.
    pub(crate) logical_block: u32,
    /// Smallest unit that is written without reading, in bytes.
    pub(crate) physical_block: u32,
    /// Preferred smallest unit, in bytes, or 0.
    pub(crate) io_min: u32,
    /// Preferred unit of long transfers, in bytes, or 0.
    pub(crate) io_opt: u32,
    /// Longest discard in sectors, 0 if there are none.
    pub(crate) max_discard_sectors: u32,
    /// Unit of discards in bytes.
    pub(crate) discard_granularity: u32,
    /// Longest zeroing in sectors, 0 if it cannot be done without writing zeroes.
    pub(crate) max_write_zeroes_sectors: u32,
    /// Whether it has a cache that loses its contents with the power.
    pub(crate) write_cache: bool,
    /// Whether it is a rotating disk.
    pub(crate) rotational: bool,
    /// Whether it cannot be written.
    pub(crate) read_only: bool,
    /// Whether it is written in zones, each from its beginning.
    pub(crate) zoned: bool,
}

/// What a write takes that has to be durable when it is done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fua {
    /// Nothing: the device has no cache that loses its contents with the power.
    Needless,
    /// The device makes the write durable if it is asked to.
    Offered,
    /// The device can only make everything durable, with a flush.
    Missing,
}

/// An open block device, or a partition of one.
///
/// # Invariants
///
/// `file` is the open file of the block device `bdev`, and owned by `self`; `bdev` is valid for as
/// long as it is open.
pub(crate) struct Device {
    file: NonNull<bindings::file>,
    bdev: NonNull<bindings::block_device>,
    /// Its address is what an exclusive open is known by.
    _holder: KBox<u8>,
}

// SAFETY: An open file and a block device are not tied to a thread.
unsafe impl Send for Device {}

// SAFETY: All that is done through a shared reference is to read fields that may change at any
// time, as the kernel itself does, and to pass the pointers to functions that may be called
// concurrently.
unsafe impl Sync for Device {}

impl Device {
    /// Opens the block device that `path` names for the current task. Process context; sleeps.
    ///
    /// # Errors
    ///
    /// `ENOENT` if there is no such file, `ENOTBLK` if it is no block device, `ENXIO` if there is
    /// no device behind it, `EBUSY` if somebody else has it for themselves, `EACCES` or `EROFS` if
    /// it is read-only and was to be written.
    pub(crate) fn open(path: &CStr, mode: Mode, sharing: Sharing) -> Result<Self> {
        let holder = KBox::new(0u8, GFP_KERNEL)?;
        let mode = match mode {
            Mode::ReadOnly => bindings::BLK_OPEN_READ,
            Mode::ReadWrite => bindings::BLK_OPEN_READ | bindings::BLK_OPEN_WRITE,
        };
        let owner: *const u8 = match sharing {
            Sharing::Exclusive => &*holder,
            Sharing::Shared => ptr::null(),
        };

        // SAFETY: `path` is a valid string. The holder is never dereferenced, only compared, and
        // its address belongs to this object alone for as long as the device is open.
        let file = from_err_ptr(unsafe {
            bindings::bdev_file_open_by_path(
                path.as_char_ptr(),
                mode,
                owner.cast_mut().cast(),
                ptr::null(),
            )
        })?;
        let file = NonNull::new(file).ok_or(ENXIO)?;
        // SAFETY: The file was opened by `bdev_file_open_by_path()`.
        let bdev = unsafe { bindings::file_bdev(file.as_ptr()) };

        match NonNull::new(bdev) {
            // INVARIANT: The file was just opened, nobody else has it, and this is its device.
            Some(bdev) => Ok(Self {
                file,
                bdev,
                _holder: holder,
            }),
            None => {
                // SAFETY: The file was just opened, and nobody else has it.
                unsafe { bindings::bdev_fput(file.as_ptr()) };
                Err(ENXIO)
            }
        }
    }

    /// Keeps the device open until the returned object is dropped, which then waits for its end.
    pub(crate) fn hold(&self) -> Hold {
        // SAFETY: By the type invariants, the file is open.
        unsafe { bindings::get_file(self.file.as_ptr()) };
        // INVARIANT: The reference was just taken.
        Hold(self.file)
    }

    /// Returns the pointer for a call into C.
    pub(super) fn as_ptr(&self) -> *mut bindings::block_device {
        self.bdev.as_ptr()
    }

    /// Returns the major and the minor number.
    pub(crate) fn number(&self) -> (u32, u32) {
        // SAFETY: By the type invariants, the device is valid; its number never changes.
        let dev = unsafe { (*self.as_ptr()).bd_dev };

        (
            dev >> bindings::MINORBITS,
            dev & ((1 << bindings::MINORBITS) - 1),
        )
    }

    /// Returns whether the hardware, or what stands for it, is still there.
    pub(crate) fn is_live(&self) -> bool {
        // SAFETY: By the type invariants, the device is valid, and so is its disk.
        unsafe { bindings::disk_live((*self.as_ptr()).bd_disk) }
    }

    /// Returns the size in sectors. It may be another one the next time.
    pub(crate) fn sectors(&self) -> u64 {
        // SAFETY: By the type invariants, the device is valid.
        unsafe { bindings::bdev_nr_sectors(self.as_ptr()) }
    }

    /// Returns whether a request can be made to fail rather than to wait for the device.
    ///
    /// All request-based devices say so of themselves, but some of their drivers sleep in whoever
    /// submits to them: network disks that wait for a socket, for example. These are told apart.
    /// Devices that pass bios on, such as those of device mapper, arrays and the heads of multipath
    /// NVMe, say what those below them say: what is below cannot be seen from here, and if it has
    /// such a driver, who submits may have to wait all the same.
    pub(crate) fn can_fail_fast(&self) -> bool {
        // SAFETY: By the type invariants, the device is valid, and so is its queue. C looks at what
        // belongs to the driver only while that cannot go.
        unsafe {
            bindings::bdev_nowait(self.as_ptr()) && !bindings::dstblk_bdev_may_block(self.as_ptr())
        }
    }

    /// Returns the longest request in sectors that needs not be split, and its most segments.
    pub(super) fn max_request(&self) -> (u32, u32) {
        // SAFETY: By the type invariants, the device is valid.
        unsafe {
            (
                bindings::dstblk_bdev_max_sectors(self.as_ptr()),
                bindings::bdev_max_segments(self.as_ptr()),
            )
        }
    }

    /// Fills `sectors` sectors from `sector` on with zeroes, if need be by writing them; `keep` has
    /// the blocks stay allocated. Process context; waits for the device.
    ///
    /// # Errors
    ///
    /// How it failed.
    pub(crate) fn zero_out(
        &self,
        sector: u64,
        sectors: u64,
        keep: bool,
    ) -> Result<(), BlockStatus> {
        let flags = match keep {
            true => bindings::BLKDEV_ZERO_NOUNMAP,
            false => 0,
        };

        // SAFETY: By the type invariants, the device is valid.
        done(unsafe {
            bindings::blkdev_issue_zeroout(
                self.as_ptr(),
                sector,
                sectors,
                bindings::GFP_NOIO,
                flags,
            )
        })
    }

    /// Makes all that was written durable. Process context; waits for the device.
    ///
    /// # Errors
    ///
    /// How it failed.
    pub(crate) fn flush(&self) -> Result<(), BlockStatus> {
        // SAFETY: By the type invariants, the device is valid.
        done(unsafe { bindings::blkdev_issue_flush(self.as_ptr()) })
    }

    /// Returns whether the device gets bios as they are, as those do that pass them on to others. Any
    /// context.
    pub(crate) fn is_stacked(&self) -> bool {
        // SAFETY: By the type invariants, the device is valid, and so is its queue.
        unsafe { !bindings::dstblk_bdev_has_queue(self.as_ptr()) }
    }

    /// Returns what a write takes that has to be durable when it is done. It may be something else
    /// the next time. Any context.
    pub(crate) fn fua(&self) -> Fua {
        let bdev = self.as_ptr();

        // SAFETY: By the type invariants, the device is valid.
        match unsafe { (bindings::bdev_write_cache(bdev), bindings::bdev_fua(bdev)) } {
            (false, _) => Fua::Needless,
            (true, true) => Fua::Offered,
            (true, false) => Fua::Missing,
        }
    }

    /// Returns what the device can do now. It may be something else the next time.
    pub(crate) fn limits(&self) -> Limits {
        let bdev = self.as_ptr();

        // SAFETY: By the type invariants, the device is valid.
        unsafe {
            Limits {
                sectors: bindings::bdev_nr_sectors(bdev),
                logical_block: bindings::bdev_logical_block_size(bdev),
                physical_block: bindings::bdev_physical_block_size(bdev),
                io_min: bindings::bdev_io_min(bdev),
                io_opt: bindings::bdev_io_opt(bdev),
                max_discard_sectors: bindings::bdev_max_discard_sectors(bdev),
                discard_granularity: bindings::bdev_discard_granularity(bdev),
                max_write_zeroes_sectors: bindings::bdev_write_zeroes_sectors(bdev),
                write_cache: bindings::bdev_write_cache(bdev),
                rotational: bindings::bdev_rot(bdev),
                read_only: bindings::bdev_read_only(bdev),
                zoned: bindings::bdev_is_zoned(bdev),
            }
        }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the file is owned by `self`.
        unsafe { bindings::bdev_fput(self.file.as_ptr()) };
    }
}

/// Keeps a device open, and is there when it is closed.
///
/// A kernel thread, or an interrupt, that lets go of a [`Device`] has somebody else close it some
/// time later. Who has to know that it is closed holds it meanwhile: dropping a hold that is the
/// last one closes the device at once. Process context; waits for the device.
///
/// # Invariants
///
/// `self` owns a reference to the file.
pub(crate) struct Hold(NonNull<bindings::file>);

impl Drop for Hold {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, there is a reference to give back. Whoever has a hold may
        // wait for the device, so this is no context that the file could not be closed in.
        unsafe { bindings::__fput_sync(self.0.as_ptr()) };
    }
}

/// Turns what a C function returned into how the device ended it.
fn done(ret: c_int) -> Result<(), BlockStatus> {
    // SAFETY: There are no requirements to call this.
    match BlockStatus::from_raw(unsafe { bindings::errno_to_blk_status(ret) }) {
        BlockStatus::Ok => Ok(()),
        status => Err(status),
    }
}
