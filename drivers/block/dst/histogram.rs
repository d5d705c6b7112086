// SPDX-License-Identifier: GPL-2.0

//! How often something happened, and how long it took.

use crate::proto::{
    latency::{
        Bucket,
        BUCKETS, //
    },
    opcode::Opcode, //
};
use kernel::{
    cpu::{
        nr_cpu_ids,
        CpuId, //
    },
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

/// What a block device is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Kind {
    /// Reads.
    Read = 1,
    /// Writes.
    Write,
    /// Flushes.
    Flush,
    /// Discards.
    Discard,
    /// Writes of zeroes that are not sent.
    WriteZeroes,
}

impl Kind {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [
        Self::Read,
        Self::Write,
        Self::Flush,
        Self::Discard,
        Self::WriteZeroes,
    ];

    /// Returns the kind of an operation; [`None`] if that is none of a block device.
    pub(crate) fn of(opcode: Opcode) -> Option<Self> {
        match opcode {
            Opcode::Read => Some(Self::Read),
            Opcode::Write => Some(Self::Write),
            Opcode::Flush => Some(Self::Flush),
            Opcode::Discard => Some(Self::Discard),
            Opcode::WriteZeroes => Some(Self::WriteZeroes),
            Opcode::Hello
            | Opcode::Draining
            | Opcode::Ping
            | Opcode::Bye
            | Opcode::Event
            | Opcode::Initiate
            | Opcode::Join
            | Opcode::Rekey => None,
        }
    }

    /// Returns its number, as `enum dst_operation` has it.
    pub(crate) fn number(self) -> u32 {
        self as u32
    }
}

/// How long each kind of operation took.
pub(crate) struct Timings {
    read: Histogram,
    write: Histogram,
    flush: Histogram,
    discard: Histogram,
    write_zeroes: Histogram,
}

impl Timings {
    /// Returns empty ones. Process context.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is not enough memory.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            read: Histogram::frequent()?,
            write: Histogram::frequent()?,
            flush: Histogram::rare()?,
            discard: Histogram::rare()?,
            write_zeroes: Histogram::rare()?,
        })
    }

    /// Returns those of one kind.
    pub(crate) fn of(&self, kind: Kind) -> &Histogram {
        match kind {
            Kind::Read => &self.read,
            Kind::Write => &self.write,
            Kind::Flush => &self.flush,
            Kind::Discard => &self.discard,
            Kind::WriteZeroes => &self.write_zeroes,
        }
    }
}

/// Where in a row the sum of bytes is: behind the buckets.
const BYTES: usize = BUCKETS;

/// Where in a row the longest time is.
const LONGEST: usize = BYTES + 1;

/// Cells of a row, which end where a cache line does.
const ROW: usize = (LONGEST + 1).next_multiple_of(8);

/// The most rows that there are: more processors than that share them.
const ROWS_MAX: u32 = 16;

/// Counts of times.
///
/// What happens often is counted by each processor in a row of its own, so that they do not take
/// cache lines away from each other.
pub(crate) struct Histogram {
    cells: KVVec<Atomic<u64>>,
    /// The number of rows, a power of two, less one.
    mask: u32,
}

impl Histogram {
    /// Returns an empty one for what happens often, everywhere. Process context.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is not enough memory.
    fn frequent() -> Result<Self> {
        Self::new(nr_cpu_ids().clamp(1, ROWS_MAX).next_power_of_two())
    }

    /// Returns an empty one for what happens seldom. Process context.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is not enough memory.
    fn rare() -> Result<Self> {
        Self::new(1)
    }

    /// Returns an empty one with so many `rows`.
    fn new(rows: u32) -> Result<Self> {
        let len = rows as usize * ROW;
        let mut cells = KVVec::with_capacity(len, GFP_KERNEL)?;

        for _ in 0..len {
            cells.push(Atomic::new(0), GFP_KERNEL)?;
        }
        Ok(Self {
            cells,
            mask: rows - 1,
        })
    }

    /// Counts something that took so many `nanoseconds` and was about so many `bytes`. Any context.
    pub(crate) fn add(&self, nanoseconds: u64, bytes: u64) {
        // It does not matter if it goes on somewhere else: all of them count.
        let row = (CpuId::current().as_u32() & self.mask) as usize * ROW;
        let cell = |index| self.cells.get(row + index);

        if let Some(count) = cell(Bucket::of(nanoseconds).index()) {
            count.add(1, Relaxed);
        }
        if let (Some(sum), true) = (cell(BYTES), bytes > 0) {
            sum.add(bytes, Relaxed);
        }
        if let Some(longest) = cell(LONGEST) {
            let mut known = longest.load(Relaxed);

            while known < nanoseconds {
                match longest.cmpxchg(known, nanoseconds, Relaxed) {
                    Ok(_) => break,
                    Err(now) => known = now,
                }
            }
        }
    }

    /// Returns what the cells in this place of all rows say.
    fn column(&self, index: usize) -> impl Iterator<Item = u64> + '_ {
        self.cells
            .iter()
            .skip(index)
            .step_by(ROW)
            .map(|cell| cell.load(Relaxed))
    }

    /// Returns how often it happened.
    pub(crate) fn count(&self) -> u64 {
        self.buckets().map(|(_, count)| count).sum()
    }

    /// Returns how many bytes it was about.
    pub(crate) fn bytes(&self) -> u64 {
        self.column(BYTES).sum()
    }

    /// Returns how long it has taken at most, in nanoseconds.
    pub(crate) fn longest(&self) -> u64 {
        self.column(LONGEST).max().unwrap_or(0)
    }

    /// Returns how often it has taken about how long; buckets for which that was never are left out.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = (Bucket, u64)> + '_ {
        Bucket::all()
            .map(|bucket| (bucket, self.column(bucket.index()).sum()))
            .filter(|(_, count)| *count > 0)
    }
}
