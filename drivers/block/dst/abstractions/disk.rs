// SPDX-License-Identifier: GPL-2.0

//! Disks that take bios, without a request queue in between.
//!
//! C header: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h)

use super::{
    attributes::{
        Groups,
        OfDisk, //
    },
    bindings,
    bio::Bio, //
};
use core::{
    marker::PhantomData,
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::{
    error::{
        from_err_ptr,
        to_result, //
    },
    fmt,
    prelude::*,
    static_lock_class,
    str::NullTerminatedFormatter,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        Arc, //
    },
    types::ScopeGuard, //
};

/// Disks that were added and for which `free_callback()` has not been called to its end.
static LEFT: Atomic<usize> = Atomic::new(0);

/// Returns whether C may still have something to do with the operations of disks.
///
/// It has, for instance, when a disk was dropped and who closes it has told the module so, but still
/// has a reference. When there are none left, somebody may still return from `free_callback()`.
pub(super) fn are_left() -> bool {
    LEFT.load(Acquire) != 0
}

/// What a disk does.
pub(crate) trait Operations: Send + Sync + Sized + 'static {
    /// Carries out `bio`, now or later.
    ///
    /// Called in process context by whoever submits it, possibly to write back memory that is
    /// needed. Must not wait, neither for other bios of this disk nor for memory: users may have
    /// asked for that, and are not told otherwise.
    fn submit(&self, bio: Bio);
}

/// What a disk can do and how it wants to be used. Sizes are bytes unless they say otherwise.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// Smallest unit that can be addressed.
    pub(crate) logical_block: u32,
    /// Smallest unit that can be written without reading first.
    pub(crate) physical_block: u32,
    /// Smallest size that does well, 0 if unknown.
    pub(crate) io_min: u32,
    /// Size that does best, 0 if unknown.
    pub(crate) io_opt: u32,
    /// Largest size that is carried out in one go, in sectors. Larger bios come all the same.
    pub(crate) max_sectors: u32,
    /// Largest discard in sectors, 0 if there are none.
    pub(crate) max_discard_sectors: u32,
    /// Unit that discards free.
    pub(crate) discard_granularity: u32,
    /// Largest write of zeroes in sectors, 0 if there are none.
    pub(crate) max_write_zeroes_sectors: u32,
    /// Writes are in a volatile cache when they end; flushes make them durable.
    pub(crate) write_cache: bool,
    /// Single writes can be made durable.
    pub(crate) fua: bool,
    /// Seeking costs time.
    pub(crate) rotational: bool,
    /// What is being written must not change meanwhile.
    pub(crate) stable_writes: bool,
}

impl Limits {
    fn to_raw(self) -> bindings::queue_limits {
        let mut raw: bindings::queue_limits = pin_init::zeroed();

        raw.logical_block_size = self.logical_block;
        raw.physical_block_size = self.physical_block;
        raw.io_min = self.io_min;
        raw.io_opt = self.io_opt;
        raw.max_hw_sectors = self.max_sectors;
        raw.max_segments = u16::MAX;
        raw.max_segment_size = u32::MAX;
        raw.max_hw_discard_sectors = self.max_discard_sectors;
        raw.max_discard_segments = 1;
        raw.discard_granularity = self.discard_granularity;
        raw.max_write_zeroes_sectors = self.max_write_zeroes_sectors;
        // By the rules of `Operations::submit()`.
        raw.features = bindings::BLK_FEAT_NOWAIT;
        for (wanted, feature) in [
            (self.write_cache, bindings::BLK_FEAT_WRITE_CACHE),
            (self.fua, bindings::BLK_FEAT_FUA),
            (self.rotational, bindings::BLK_FEAT_ROTATIONAL),
            (self.stable_writes, bindings::BLK_FEAT_STABLE_WRITES),
        ] {
            if wanted {
                raw.features |= feature;
            }
        }
        raw
    }
}

/// A disk that users see.
///
/// Dropping it takes it away from them: what they submit from then on fails. The data lives on
/// until the last of them has closed it.
///
/// # Invariants
///
/// `disk` is valid, was added, is counted in [`LEFT`], and `self` owns a reference to it. Its private
/// data is an [`Arc<T>`] that goes with it.
pub(crate) struct Disk<T: Operations> {
    disk: NonNull<bindings::gendisk>,
    _data: PhantomData<Arc<T>>,
}

// SAFETY: A disk is not tied to a thread, and its data may be used in all of them.
unsafe impl<T: Operations> Send for Disk<T> {}

// SAFETY: All that is called through a shared reference locks what it changes.
unsafe impl<T: Operations> Sync for Disk<T> {}

/// Operations of a disk with data of type `T`, which belong to one module.
#[repr(transparent)]
pub(crate) struct Table<T: Operations>(bindings::block_device_operations, PhantomData<T>);

impl<T: Operations> Table<T> {
    /// Returns the operations of the disks of `module`, which stays loaded while they are open, and
    /// after that for as long as its [`Unload`](super::unload::Unload) takes.
    pub(crate) fn new(module: &'static ThisModule) -> Self {
        Self(
            bindings::block_device_operations {
                owner: module.as_ptr(),
                submit_bio: Some(submit_callback::<T>),
                free_disk: Some(free_callback::<T>),
                ..pin_init::zeroed()
            },
            PhantomData,
        )
    }
}

// SAFETY: Nothing changes the table.
unsafe impl<T: Operations> Send for Table<T> {}

// SAFETY: As above.
unsafe impl<T: Operations> Sync for Table<T> {}

impl<T: Operations> Disk<T> {
    /// Adds a disk of `sectors` sectors called `name` to the system.
    ///
    /// Its device has `attributes` from the beginning. Partitions are looked for before this
    /// returns, so I/O has to work already. Process context.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the name has more than 31 bytes or the limits are impossible,
    /// otherwise what `device_add_disk()` returns.
    pub(crate) fn new(
        table: &'static Table<T>,
        name: fmt::Arguments<'_>,
        limits: &Limits,
        sectors: u64,
        read_only: bool,
        attributes: &'static Groups<OfDisk<T>>,
        data: Arc<T>,
    ) -> Result<Self> {
        let mut limits = limits.to_raw();

        // SAFETY: The limits are valid for the duration of the call, the lock class for ever.
        let disk = from_err_ptr(unsafe {
            bindings::__blk_alloc_disk(
                &mut limits,
                bindings::NUMA_NO_NODE,
                static_lock_class!().as_ptr(),
            )
        })?;
        let data = Arc::into_raw(data);

        // SAFETY: The disk is valid and nobody else has it.
        unsafe {
            (*disk).fops = &table.0;
            (*disk).private_data = data.cast_mut().cast();
        }
        let allocated = ScopeGuard::new_with_data(disk, |disk| {
            // SAFETY: The reference is ours. The disk was not added, or that failed: then nobody can
            // open it, its attributes are gone together with those who used them, and C does not
            // call `free_callback()`, whoever still refers to it. So nobody but us uses what came
            // from `Arc::into_raw()`.
            unsafe {
                bindings::put_disk(disk);
                drop(Arc::from_raw(data));
            }
        });

        // SAFETY: The disk is valid and nobody else has it.
        let disk_name = unsafe { &mut (*disk).disk_name };
        let mut writer = NullTerminatedFormatter::new(disk_name).ok_or(EINVAL)?;
        fmt::Write::write_fmt(&mut writer, name).map_err(|_| EINVAL)?;

        // SAFETY: The disk is valid; its reference is ours.
        unsafe {
            bindings::set_capacity(disk, sectors);
            bindings::set_disk_ro(disk, read_only);
            to_result(bindings::device_add_disk(
                ptr::null_mut(),
                disk,
                attributes.as_ptr(),
            ))?;
        }

        // From here on, the last reference to the disk drops the data.
        allocated.dismiss();
        LEFT.fetch_add(1, Relaxed);
        // INVARIANT: The disk was just added, and was counted.
        Ok(Self {
            disk: NonNull::new(disk).ok_or(ENOMEM)?,
            _data: PhantomData,
        })
    }

    /// Changes the size, tells users of it and sends a uevent. Process context.
    pub(crate) fn set_capacity(&self, sectors: u64) {
        // SAFETY: By the type invariants, the disk is valid.
        unsafe { bindings::set_capacity_and_notify(self.disk.as_ptr(), sectors) };
    }

    /// Lets nothing be written any more, or lets it again. If that is new, a uevent is sent. Process
    /// context.
    pub(crate) fn set_read_only(&self, read_only: bool) {
        // SAFETY: By the type invariants, the disk is valid and was added.
        unsafe { bindings::set_disk_ro(self.disk.as_ptr(), read_only) };
    }

    /// Returns how many have it open.
    pub(crate) fn openers(&self) -> u32 {
        // SAFETY: By the type invariants, the disk is valid.
        unsafe { bindings::disk_openers(self.disk.as_ptr()) }
    }

    /// Returns a reference to the disk, which does not keep it from being taken away.
    pub(crate) fn reference(&self) -> Reference {
        // SAFETY: By the type invariants, the disk is valid, and with it its device.
        unsafe { bindings::get_device(bindings::disk_to_dev(self.disk.as_ptr())) };
        // INVARIANT: The reference is the one that was just taken.
        Reference(self.disk)
    }

    /// Returns the numbers of the device, as `stat(2)` shows them.
    pub(crate) fn device_number(&self) -> (u32, u32) {
        // SAFETY: By the type invariants, the disk is valid and was added.
        unsafe {
            let disk = self.disk.as_ref();
            (disk.major as u32, disk.first_minor as u32)
        }
    }
}

impl<T: Operations> Drop for Disk<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the disk was added, and `self` owns a reference.
        unsafe {
            bindings::del_gendisk(self.disk.as_ptr());
            bindings::put_disk(self.disk.as_ptr());
        }
    }
}

/// A disk that may have been taken away from its users by now.
///
/// # Invariants
///
/// The disk is valid and was added, and `self` owns a reference to it.
pub(crate) struct Reference(NonNull<bindings::gendisk>);

impl Reference {
    /// Lets all that is submitted from now on fail, so that dropping the disk does not wait for
    /// dirty memory to be written back; waits for what is being written back already, and for the
    /// file system on it to shut down. Process context.
    pub(crate) fn mark_dead(&self) {
        // SAFETY: By the type invariants, the disk is valid and was added.
        unsafe { bindings::blk_mark_disk_dead(self.0.as_ptr()) };
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the reference is ours.
        unsafe { bindings::put_disk(self.0.as_ptr()) };
    }
}

/// Returns the data of `disk`.
///
/// # Safety
///
/// `disk` must be valid for `'a` and one that [`Disk::new`] made with data of type `T`.
pub(super) unsafe fn data<'a, T: Operations>(disk: *mut bindings::gendisk) -> &'a T {
    // SAFETY: By the requirements of this function, the private data is that of an `Arc<T>`, which
    // is dropped by `free_callback()` when the last reference to the disk is.
    unsafe { &*(*disk).private_data.cast::<T>() }
}

/// # Safety
///
/// Called by the block layer with a bio for a disk that [`Disk::new`] made with data of type `T`.
unsafe extern "C" fn submit_callback<T: Operations>(bio: *mut bindings::bio) {
    let Some(bio) = NonNull::new(bio) else {
        return;
    };
    // SAFETY: The bio is valid, and its device has a disk that stays until the call returns.
    let data = unsafe { data::<T>((*(*bio.as_ptr()).bi_bdev).bd_disk) };

    // SAFETY: The block layer gives us the bio to end it.
    data.submit(unsafe { Bio::from_raw(bio) });
}

/// # Safety
///
/// Called by the block layer when nobody refers any more to a disk that [`Disk::new`] made with
/// data of type `T`.
unsafe extern "C" fn free_callback<T: Operations>(disk: *mut bindings::gendisk) {
    // SAFETY: The private data came from `Arc::into_raw()`, and nobody uses it after this.
    drop(unsafe { Arc::from_raw((*disk).private_data.cast::<T>()) });
    // This must be the last: the module may begin to go.
    LEFT.fetch_sub(1, Release);
}
