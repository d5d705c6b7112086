// SPDX-License-Identifier: GPL-2.0

//! Which devices can be exported, and what clients are told about them.

use kernel::{
    block::SECTOR_SHIFT,
    prelude::*, //
};

use crate::{
    abstractions::{
        bdev::{
            Device,
            Limits,
            Mode,
            Sharing, //
        },
        errno::EOPNOTSUPP, //
    },
    control::refusal::{
        Refusal,
        Result as Verdict, //
    },
    proto::{
        geometry::{
            DiskFlags,
            Geometry, //
        },
        units::{
            Sectors,
            MAX_FRAME_SECTORS,
            PAGE_SIZE,
            SECTOR_SIZE, //
        }, //
    }, //
};

/// Sectors that are filled with zeroes at once if the device cannot do it itself: 8 MiB.
const EMULATED_ZEROES: u32 = 8 << (20 - SECTOR_SHIFT);

/// The longest request without data in sectors: 1 GiB.
const LONGEST: u32 = 1 << (30 - SECTOR_SHIFT);

/// Opens the device `path` for an export. Process context; sleeps.
///
/// # Errors
///
/// A refusal that says what is wrong with the device.
pub(super) fn open(path: &CStr, read_only: bool, share: bool) -> Verdict<Device> {
    let mode = match read_only {
        true => Mode::ReadOnly,
        false => Mode::ReadWrite,
    };
    let sharing = match share {
        true => Sharing::Shared,
        false => Sharing::Exclusive,
    };
    let device = Device::open(path, mode, sharing).map_err(|error| explain(error, path))?;
    let limits = device.limits();

    if limits.zoned {
        return Err(refuse(EOPNOTSUPP.into(), path, "is a zoned device"));
    }
    if limits.sectors == 0 {
        return Err(refuse(ENXIO, path, "has no medium, its size is 0"));
    }
    geometry(&limits, read_only)
        .validate()
        .map_err(|error| Refusal::new(EOPNOTSUPP.into(), fmt!("{}: {}", path, error.text())))?;
    Ok(device)
}

/// Explains why a device could not be opened.
fn explain(error: Error, path: &CStr) -> Refusal {
    let text = if error == ENOENT {
        "no such file"
    } else if error == ENOTBLK {
        "is not a block device"
    } else if error == EBUSY {
        "is in use (a file system, an array, another export?)"
    } else if error == EACCES || error == EROFS || error == EPERM {
        "can only be read; export it read-only"
    } else if error == ENXIO || error == ENODEV {
        "there is no device behind it"
    } else {
        return Refusal::new(
            error,
            fmt!("{}: cannot be opened, error {}", path, -error.to_errno()),
        );
    };
    let error = match error == EACCES || error == EPERM {
        true => EROFS,
        false => error,
    };

    refuse(error, path, text)
}

/// Refuses a device.
fn refuse(error: Error, path: &CStr, text: &str) -> Refusal {
    Refusal::new(error, fmt!("{}: {}", path, text))
}

/// Returns what clients are told about a device with these limits.
pub(super) fn geometry(limits: &Limits, read_only: bool) -> Geometry {
    let block = limits.logical_block.max(SECTOR_SIZE);
    let block_sectors = block / SECTOR_SIZE;
    let physical = limits.physical_block;
    let whole = |sectors: u32| Sectors(sectors - sectors % block_sectors);
    let read_only = read_only || limits.read_only;
    let zeroes = match limits.max_write_zeroes_sectors {
        0 => EMULATED_ZEROES,
        sectors => sectors,
    };

    Geometry {
        sectors: limits.sectors - limits.sectors % u64::from(block_sectors),
        logical_block: block,
        physical_block: match physical.is_power_of_two() && physical >= block {
            true => physical,
            false => block,
        },
        io_min: limits.io_min,
        io_opt: limits.io_opt,
        // What the device cannot take at once, it gets in pieces.
        max_frame_sectors: Sectors(MAX_FRAME_SECTORS),
        max_discard_sectors: whole(limits.max_discard_sectors.min(LONGEST)),
        discard_granularity: limits.discard_granularity.max(block.min(PAGE_SIZE)),
        max_write_zeroes_sectors: whole(zeroes.min(LONGEST)),
        // What is durable by itself is so with FUA as well.
        flags: DiskFlags::FUA
            .with_if(DiskFlags::READ_ONLY, read_only)
            .with_if(DiskFlags::VOLATILE_CACHE, limits.write_cache)
            .with_if(DiskFlags::ROTATIONAL, limits.rotational),
    }
}
