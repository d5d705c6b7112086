// SPDX-License-Identifier: GPL-2.0

//! The block device of an export and the two ways to it.
//!
//! The threads of the pool serve everybody, so none of them may wait for a device: they ask it to
//! refuse what it cannot take at once. That, and all requests for devices that cannot be asked so,
//! goes to a thread of the export's own, the submitter: it may wait as long as the device likes. So
//! do all discards: writeback throttling makes who submits them wait, whatever was asked for. The
//! submitter also writes zeroes to devices that do not know how to.

use kernel::{
    block::SECTOR_SHIFT,
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    },
    task::Task, //
};

use crate::abstractions::{
    bdev::{
        Device,
        Fua,
        Limits, //
    },
    bio_set::{
        Command,
        Owner as _,
        Set,
        Wait, //
    },
    block_status::BlockStatus,
    kthread::{
        Current,
        Thread, //
    },
    lock::{
        new_spinlock_irq,
        SpinLockIrq, //
    }, //
};

use crate::proto::status::Status;

use super::{
    chain::Queue,
    flushes::Failed,
    io::{
        Io,
        IoBox, //
    }, //
};

/// An open block device that requests are submitted to.
pub(super) struct Backend {
    /// Before the device: it uses it.
    _submitter: Thread,
    backlog: Arc<Backlog>,
    set: Arc<Set>,
    writable: bool,
    /// Whether clients are told that there is no volatile cache, and nothing is done before it is
    /// durable.
    write_through: bool,
    /// What the device could do when it was opened.
    limits: Limits,
}

impl Backend {
    /// Gets ready to submit requests to `device`, which was opened for writing if it is `writable`,
    /// on behalf of the export `name`. If `write_through`, nothing is done before it is durable.
    /// Process context.
    pub(super) fn new(
        device: Device,
        writable: bool,
        write_through: bool,
        name: &CStr,
    ) -> Result<Self> {
        let limits = device.limits();
        let number = device.number();
        let set = Arc::pin_init(Set::new(device), GFP_KERNEL)?;
        let backlog = Backlog::new(number, set.device().is_stacked())?;
        let submitter = {
            let set = set.clone();
            let backlog = backlog.clone();

            Thread::prepare(fmt!("dst-{}", name), None, move |current| {
                backlog.serve(&set, current);
            })?
        };

        backlog.waiting.lock().submitter = Some(submitter.task().clone());
        Ok(Self {
            _submitter: submitter.start(),
            backlog,
            set,
            writable,
            write_through,
            limits,
        })
    }

    /// Returns the device.
    pub(super) fn device(&self) -> &Device {
        self.set.device()
    }

    /// Returns what the device can do. Clients rely on what they were told about the operations
    /// that it supports, so that does not change when a device finds out that it cannot do all it
    /// has promised; its size may.
    pub(super) fn limits(&self) -> Limits {
        let now = self.device().limits();

        Limits {
            sectors: now.sectors,
            write_cache: now.write_cache && !self.write_through,
            read_only: now.read_only,
            ..self.limits
        }
    }

    /// Returns whether the device was opened for writing.
    pub(super) fn is_writable(&self) -> bool {
        self.writable
    }

    /// Returns where requests go that may have to wait.
    pub(super) fn backlog(&self) -> &Arc<Backlog> {
        &self.backlog
    }

    /// Returns the flushes of the device that have failed.
    pub(super) fn failed_flushes(&self) -> &Failed {
        self.backlog.failed_flushes()
    }

    /// Submits a request. Process context; does not wait for the device.
    pub(super) fn submit(&self, io: IoBox) {
        if io.command == Command::Discard || !self.device().can_fail_fast() {
            return self.backlog.push(io);
        }
        if let Err(io) = submit(&self.set, io, Wait::Never) {
            self.backlog.push(io);
        }
    }
}

/// Submits `io` to `set`.
fn submit(set: &Set, mut io: IoBox, wait: Wait) -> Result<(), IoBox> {
    if io.command == (Command::Write { fua: true }) {
        match set.device().fua() {
            Fua::Needless => io.command = Command::Write { fua: false },
            Fua::Offered => (),
            Fua::Missing => io.flush_after(),
        }
    }

    let command = io.command;
    let (sector, bytes) = io.place();

    set.submit(io, command, sector, bytes, wait)
}

/// Requests for the submitter, and what all requests of the device share.
#[pin_data]
pub(super) struct Backlog {
    /// Major and minor number of the device.
    number: (u32, u32),
    /// Whether it passes bios on to others.
    is_stacked: bool,
    failed: Failed,
    #[pin]
    waiting: SpinLockIrq<Waiting>,
}

/// What is under the lock of a [`Backlog`].
struct Waiting {
    ios: Queue,
    submitter: Option<ARef<Task>>,
}

impl Backlog {
    /// Returns an empty one for the device of this `number`, which may be stacked on others.
    fn new(number: (u32, u32), is_stacked: bool) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                number,
                is_stacked,
                failed: Failed::new(),
                waiting <- new_spinlock_irq!(
                    Waiting {
                        ios: Queue::new(),
                        submitter: None,
                    },
                    "Backlog::waiting"
                ),
            }),
            GFP_KERNEL,
        )
    }

    /// Returns the major and the minor number of the device.
    pub(super) fn device_number(&self) -> (u32, u32) {
        self.number
    }

    /// Returns the flushes of the device that have failed.
    pub(super) fn failed_flushes(&self) -> &Failed {
        &self.failed
    }

    /// Returns whether other writes than this one may be lost if the device has ended `command` with
    /// `status`. What is stacked says that it can make a single write durable even if what is below
    /// it has to be flushed for that.
    pub(super) fn may_have_lost(&self, command: Command, status: Status) -> bool {
        let flushes = match command {
            Command::Flush => true,
            Command::Write { fua } => fua && self.is_stacked,
            Command::Read | Command::Discard | Command::WriteZeroes { .. } => false,
        };

        // For want of memory no device was asked.
        flushes && !matches!(status, Status::Ok | Status::Resource)
    }

    /// Has the submitter submit `io`. Any context.
    pub(super) fn push(&self, io: IoBox) {
        let mut waiting = self.waiting.lock();

        waiting.ios.push(io);
        if let Some(submitter) = &waiting.submitter {
            submitter.wake_up();
        }
    }

    /// Takes the oldest request.
    fn pop(&self) -> Option<IoBox> {
        self.waiting.lock().ios.pop()
    }

    /// Submits what comes until the thread has to stop.
    fn serve(&self, set: &Set, current: &Current) {
        while !current.should_stop() {
            current.sleep_until(|| !self.waiting.lock().ios.is_empty());
            while let Some(io) = self.pop() {
                serve(set, io);
            }
        }
    }
}

/// Submits `io` to `set`, or does what the device cannot do itself.
fn serve(set: &Set, mut io: IoBox) {
    io.wait();
    if let (true, Command::WriteZeroes { no_unmap }) = (io.is_emulated(), io.command) {
        let (sector, bytes) = io.place();
        let zeroed = set
            .device()
            .zero_out(sector, bytes >> SECTOR_SHIFT, no_unmap);

        return Io::complete(io, zeroed.err().unwrap_or(BlockStatus::Ok));
    }
    if let Err(io) = submit(set, io, Wait::Allowed) {
        Io::complete(io, BlockStatus::Resource);
    }
}
