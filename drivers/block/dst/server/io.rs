// SPDX-License-Identifier: GPL-2.0

//! The requests that a server has accepted, from their arrival to their reply.
//!
//! An [`Io`] always has exactly one owner: the connection that receives its payload, the block
//! layer, the [`Mailbox`] of the connection, the queue of replies, or the connection's stock of
//! unused ones. It moves between them as an [`IoBox`] and needs no memory for that, because it is
//! itself a link of every list it can be in.

use kernel::{
    page::Page,
    prelude::*,
    sync::Arc,
    time::{
        Instant,
        Monotonic, //
    }, //
};

use crate::{
    abstractions::{
        bio_set::{
            Command,
            Operation,
            Owner, //
        },
        block_status::BlockStatus,
        iovec::{
            Gather,
            Scatter, //
        },
        lock::{
            new_spinlock_irq,
            SpinLockIrq, //
        },
        socket::Events, //
    },
    pool::Job,
    proto::{
        opcode::Opcode,
        request::{
            Reply,
            Request, //
        },
        run::Extent,
        status::Status,
        units::Handle, //
    },
    wire::inbox::Destination, //
};

use super::{
    backend::Backlog,
    chain::Chain,
    trace, //
};

/// An [`Io`] on its way from one owner to the next.
pub(super) type IoBox = KBox<Operation<Io>>;

/// A request of a client.
pub(super) struct Io {
    /// Name of the request.
    pub(super) handle: Handle,
    /// What the reply says it answers.
    pub(super) opcode: Opcode,
    /// What the reply says it covers.
    pub(super) extent: Option<Extent>,
    /// What to do with the device.
    pub(super) command: Command,
    /// Credits that the request took.
    pub(super) cost: u32,
    /// How it ended.
    pub(super) status: Status,
    /// Of how many failed flushes the reply tells the client, if of any.
    pub(super) tells: Option<u64>,
    /// When it was handed to the device.
    begun: Instant<Monotonic>,
    /// How many flushes of the device had failed by then.
    failed_before: u64,
    /// Nanoseconds that the device took, if it was handed to it.
    pub(super) took: Option<u64>,
    /// Where the data is, without gaps.
    pub(super) pages: KVec<Page>,
    /// Whether a flush has to follow, because the device has no better way to make it durable.
    flush: bool,
    /// Whether the device has to be spared the command, which it does not know.
    emulated: bool,
    /// Whether it was submitted in a way that may wait.
    patient: bool,
    /// Whether the device has done a part of it, and the connection has to submit the rest.
    unfinished: bool,
    /// The connection that gets it back from the block layer.
    mailbox: Arc<Mailbox>,
    /// Who submits it if that may have to wait.
    pub(super) backlog: Arc<Backlog>,
    /// The following one in a [`Chain`].
    pub(super) next: Option<IoBox>,
}

impl Io {
    /// Allocates one without waiting.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory at the moment.
    pub(super) fn new(mailbox: &Arc<Mailbox>, backlog: &Arc<Backlog>) -> Result<IoBox> {
        let io = Self {
            handle: Handle::NONE,
            opcode: Opcode::Flush,
            extent: None,
            command: Command::Flush,
            cost: 0,
            status: Status::Ok,
            tells: None,
            begun: Instant::now(),
            failed_before: 0,
            took: None,
            pages: KVec::new(),
            flush: false,
            emulated: false,
            patient: false,
            unfinished: false,
            mailbox: mailbox.clone(),
            backlog: backlog.clone(),
            next: None,
        };

        Ok(KBox::new(Operation::new(io), GFP_NOWAIT | __GFP_NOWARN)?)
    }

    /// Makes it the request `request` that the client calls `handle`. If `durable`, what it writes
    /// has to be durable when it is done.
    pub(super) fn accept(&mut self, handle: Handle, request: &Request, durable: bool) {
        self.handle = handle;
        self.opcode = request.opcode();
        self.extent = request.extent();
        self.command = command(request, durable);
        self.cost = request.cost();
        self.status = Status::Ok;
        self.took = None;
        self.emulated = false;
        self.patient = false;
        self.unfinished = false;
        self.flush = match request {
            Request::WriteZeroes { fua, .. } => *fua || durable,
            Request::Discard { .. } => durable,
            Request::Read { .. } | Request::Write { .. } | Request::Flush => false,
        };
    }

    /// Makes it a request that is refused with `status` without being looked at any further.
    pub(super) fn refuse(
        &mut self,
        handle: Handle,
        opcode: Opcode,
        extent: Option<Extent>,
        cost: u32,
        status: Status,
    ) {
        self.handle = handle;
        self.opcode = opcode;
        self.extent = extent;
        self.cost = cost;
        self.status = status;
        self.took = None;
        self.flush = false;
        self.emulated = false;
        self.unfinished = false;
    }

    /// Notes that it is handed to the device.
    pub(super) fn begin(&mut self) {
        self.begun = Instant::now();
        self.failed_before = self.backlog.failed_flushes().count();
        trace::request(self);
    }

    /// Has the server flush the device when the write is done, in place of the block layer: if that
    /// fails, it is known that not only this write may be lost.
    pub(super) fn flush_after(&mut self) {
        self.command = Command::Write { fua: false };
        self.flush = true;
    }

    /// Returns the sector where the command begins on the disk, and its length in bytes.
    pub(super) fn place(&self) -> (u64, u64) {
        match self.extent {
            Some(extent) if self.command != Command::Flush => {
                (extent.start().0, extent.len().bytes())
            }
            Some(_) | None => (0, 0),
        }
    }

    /// Returns how much of the disk the request covers, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.extent.map_or(0, |extent| extent.len().bytes())
    }

    /// Returns whether the command has to be carried out without the help of the device.
    pub(super) fn is_emulated(&self) -> bool {
        self.emulated
    }

    /// Returns whether it has to be submitted once more, which is done then.
    pub(super) fn goes_on(&mut self) -> bool {
        core::mem::take(&mut self.unfinished)
    }

    /// Notes that it is submitted in a way that may wait.
    pub(super) fn wait(&mut self) {
        self.patient = true;
    }

    /// Changes the request to what the submitter has to do next, given how the device ended it;
    /// returns whether there is such a thing.
    fn retry(&mut self, status: BlockStatus) -> bool {
        let zeroes = matches!(self.command, Command::WriteZeroes { .. });

        match status {
            BlockStatus::Again if !self.patient => true,
            // Also what a device says that cannot be asked not to wait. It knows how to flush.
            BlockStatus::NotSupported if !self.patient && self.command != Command::Flush => true,
            BlockStatus::NotSupported if zeroes && !self.emulated => {
                self.emulated = true;
                true
            }
            _ => false,
        }
    }

    /// Returns whether other writes may be lost, given how it has ended.
    pub(super) fn has_lost(&self) -> bool {
        self.backlog.may_have_lost(self.command, self.status)
    }

    /// Takes note of how the device has ended it.
    fn end(&mut self, status: BlockStatus) {
        if status == BlockStatus::Ok && core::mem::take(&mut self.flush) {
            self.command = Command::Flush;
            self.patient = false;
            self.unfinished = true;
            return;
        }
        self.status = translate(status);

        let failed = self.backlog.failed_flushes();

        if self.has_lost() {
            failed.note(self.status);
        } else if self.status.is_ok()
            && self.backlog.may_have_lost(self.command, Status::Io)
            && failed.count() != self.failed_before
        {
            // Another flush has taken the error of what this one was to make durable.
            self.status = failed.status();
        }
        self.took = Some(self.begun.elapsed().as_nanos().unsigned_abs());
        trace::io_done(self);
    }

    /// Returns the bytes of data that the reply carries.
    pub(super) fn reply_payload(&self) -> usize {
        match self.opcode == Opcode::Read && self.status.is_ok() {
            // A run, so it is at most the size of the largest frame.
            true => self.bytes() as usize,
            false => 0,
        }
    }

    /// Adds all but the first `skip` bytes of the data of the reply to `list`; returns whether all
    /// of them had room.
    pub(super) fn gather<'a>(&'a self, skip: usize, list: &mut Gather<'a>) -> bool {
        let len = self.reply_payload().saturating_sub(skip);

        len == 0 || list.push_pages(&self.pages, skip, len)
    }

    /// Returns the reply, which gives `credits` back.
    pub(super) fn reply(&self, credits: u32) -> Reply {
        Reply {
            handle: self.handle,
            opcode: self.opcode,
            status: self.status,
            extent: self.extent,
            credits,
        }
    }
}

impl Destination for Io {
    fn len(&self) -> usize {
        // A run, so it is at most the size of the largest frame.
        self.bytes() as usize
    }

    fn scatter<'a>(&'a self, skip: usize, list: &mut Scatter<'a>) {
        // There are pages for all of it; if not, too little is received rather than too much.
        list.push_pages(
            &self.pages,
            skip,
            Destination::len(self).saturating_sub(skip),
        );
    }
}

impl Owner for Io {
    fn pages(&self) -> &[Page] {
        &self.pages
    }

    fn complete(mut io: IoBox, status: BlockStatus) {
        if io.retry(status) {
            let backlog = io.backlog.clone();

            return backlog.push(io);
        }
        io.end(status);

        let mailbox = io.mailbox.clone();

        mailbox.put(io);
    }
}

/// Returns what a request means for the device; if `durable`, all that is written has to be.
fn command(request: &Request, durable: bool) -> Command {
    match *request {
        Request::Read { .. } => Command::Read,
        Request::Write { fua, .. } => Command::Write {
            fua: fua || durable,
        },
        Request::Flush => Command::Flush,
        Request::Discard { .. } => Command::Discard,
        Request::WriteZeroes { nounmap, .. } => Command::WriteZeroes { no_unmap: nounmap },
    }
}

/// Returns what the client is told when the device says `status`.
fn translate(status: BlockStatus) -> Status {
    match status {
        BlockStatus::Ok => Status::Ok,
        BlockStatus::NotSupported => Status::Unsupported,
        BlockStatus::Timeout => Status::Timeout,
        BlockStatus::NoSpace => Status::NoSpace,
        BlockStatus::Transport | BlockStatus::Target | BlockStatus::Offline => Status::Target,
        BlockStatus::Reserved => Status::Denied,
        BlockStatus::Medium => Status::Medium,
        BlockStatus::Protection => Status::Protection,
        BlockStatus::Resource | BlockStatus::Again => Status::Resource,
        BlockStatus::Invalid => Status::Invalid,
        BlockStatus::Io => Status::Io,
    }
}

/// Where a connection gets its requests back from the block layer, and by which it is woken.
///
/// It may be used in any context.
#[pin_data]
pub(super) struct Mailbox {
    #[pin]
    inner: SpinLockIrq<Inner>,
    job: Arc<Job>,
}

/// What is under the lock of a [`Mailbox`].
struct Inner {
    done: Chain,
    /// Whether the connection is at work and will look again before it rests.
    attended: bool,
}

impl Mailbox {
    /// Returns an empty one that wakes `job`.
    pub(super) fn new(job: Arc<Job>) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                inner <- new_spinlock_irq!(
                    Inner {
                        done: Chain::new(),
                        attended: false,
                    },
                    "Mailbox::inner"
                ),
                job,
            }),
            GFP_KERNEL,
        )
    }

    /// Puts a request in and wakes the connection, unless that will look by itself.
    pub(super) fn put(&self, io: IoBox) {
        let attended = {
            let mut inner = self.inner.lock();

            inner.done.push(io);
            inner.attended
        };

        if !attended {
            self.job.schedule();
        }
    }

    /// Takes all requests, the oldest on top.
    pub(super) fn take(&self) -> Chain {
        let mut done = core::mem::replace(&mut self.inner.lock().done, Chain::new());

        done.take_reversed()
    }

    /// Notes that the connection is at work: what is put in does not wake it.
    pub(super) fn attend(&self) {
        self.inner.lock().attended = true;
    }

    /// Ends what [`Self::attend`] began; returns whether there are requests to be taken.
    pub(super) fn leave(&self) -> bool {
        let mut inner = self.inner.lock();

        inner.attended = false;
        !inner.done.is_empty()
    }

    /// Wakes the connection.
    pub(super) fn wake(&self) {
        self.job.schedule();
    }

    /// Returns the job of the connection.
    pub(super) fn job(&self) -> &Arc<Job> {
        &self.job
    }
}

impl Events for Mailbox {
    fn readable(&self) {
        self.wake();
    }

    fn writable(&self) {
        self.wake();
    }

    fn changed(&self) {
        self.wake();
    }
}
