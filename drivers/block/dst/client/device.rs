// SPDX-License-Identifier: GPL-2.0

//! How the disk of a storage comes and goes.

use super::{
    config::StorageEvent,
    state::First,
    storage::Storage, //
};
use crate::{
    abstractions::{
        disk::{
            Disk,
            Limits, //
        },
        kthread::Thread,
        trace, //
    },
    control::{
        sysfs,
        Refusal, //
    },
    proto::geometry::{
        DiskFlags,
        Geometry, //
    }, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::Relaxed,
        Arc, //
    }, //
};

impl Storage {
    /// Takes the disk away from its users.
    pub(super) fn remove_disk(&self) {
        // Adding the disk reads from it. It ends: that works, or fails.
        let adder = self.adder.lock().take();
        drop(adder);
        let disk = self.disk.lock().take();
        drop(disk);
    }

    /// Has the disk added by a thread of its own, because that reads from it.
    pub(super) fn add_disk(self: &Arc<Self>, geometry: Geometry) {
        let storage = self.clone();
        let adder = Thread::new(fmt!("dst-add-{}", self.name()), None, move |_| {
            // Who hears that it is connected may use the disk.
            let (first, event) = match storage.try_add_disk(&geometry) {
                Ok(()) => (First::Up, StorageEvent::Connected),
                Err(error) => (
                    First::Failed(Refusal::new(
                        error,
                        fmt!("The disk could not be added (error {})", -error.to_errno()),
                    )),
                    StorageEvent::State,
                ),
            };
            storage.status.lock().first = first;
            storage.settled.notify_all();
            storage.observer.storage(&storage, event);
        });

        match adder {
            Ok(thread) => *self.adder.lock() = Some(thread),
            Err(error) => {
                self.status.lock().first = First::Failed(error.into());
                self.settled.notify_all();
                self.observer.storage(self, StorageEvent::State);
            }
        }
    }

    /// Adds the disk.
    fn try_add_disk(self: &Arc<Self>, geometry: &Geometry) -> Result {
        let limits = Limits {
            logical_block: geometry.logical_block,
            physical_block: geometry.physical_block,
            io_min: geometry.io_min,
            io_opt: geometry.io_opt,
            max_sectors: geometry.max_frame_sectors.0,
            max_discard_sectors: geometry.max_discard_sectors.0,
            discard_granularity: geometry.discard_granularity,
            max_write_zeroes_sectors: geometry.max_write_zeroes_sectors.0,
            write_cache: geometry.has_volatile_cache(),
            fua: geometry.flags.contains(DiskFlags::FUA),
            rotational: geometry.flags.contains(DiskFlags::ROTATIONAL),
            // What is written must not change between the digest and the network.
            stable_writes: self.digest().is_some() || self.is_sealed(),
        };
        let disk = Disk::new(
            self.table,
            fmt!("dst-{}", self.name()),
            &limits,
            geometry.sectors,
            self.read_only() || geometry.is_read_only(),
            sysfs::storage::attributes(),
            self.clone(),
        )?;

        self.device
            .store(trace::device(disk.device_number()), Relaxed);
        *self.disk.lock() = Some(disk);
        // It may have become another one meanwhile.
        let now = self.queue.lock().geometry;

        if now != *geometry {
            self.apply(&now);
        }
        Ok(())
    }

    /// Takes a new description of the disk, which was `old` so far. Process context.
    pub(super) fn described(&self, old: &Geometry, geometry: Geometry) {
        self.queue.lock().set_geometry(geometry);
        self.status.lock().geometry = Some(geometry);
        self.apply(&geometry);
        if old.sectors != geometry.sectors {
            self.observer.storage(self, StorageEvent::Resized);
        }
        if old.is_read_only() != geometry.is_read_only() {
            let (level, what) = match geometry.is_read_only() {
                true => ("read-only", "writes fail until it is not any more"),
                false => ("writable", "writes are possible again"),
            };

            if self.may_log() {
                pr_info!("{}: the export became {}: {}\n", self.name(), level, what);
            }
            self.observer.storage(self, StorageEvent::State);
        }
    }

    /// Has the disk look as `geometry` says, if there is one. Process context.
    pub(super) fn apply(&self, geometry: &Geometry) {
        if let Some(disk) = &*self.disk.lock() {
            disk.set_capacity(geometry.sectors);
            disk.set_read_only(self.read_only() || geometry.is_read_only());
        }
    }
}
