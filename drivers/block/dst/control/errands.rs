// SPDX-License-Identifier: GPL-2.0

//! Commands that take long are done by threads of their own, so that nobody waits for them but
//! who gave them.

use super::refusal::{
    Refusal,
    Result as Verdict, //
};
use crate::abstractions::{
    kthread::Thread,
    memory::NoIoScope, //
};
use kernel::{
    new_condvar,
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Release, //
        },
        Arc,
        CondVar,
        CondVarTimeoutResult,
        Mutex, //
    },
    time::msecs_to_jiffies, //
};

/// Commands that are being done at the same time: each takes a thread, which belongs to nobody whose
/// threads are counted.
const MAX_ERRANDS: usize = 1024;

/// The commands that are being done.
#[pin_data]
pub(super) struct Errands {
    #[pin]
    inner: Mutex<Inner>,
}

/// What is under the lock of [`Errands`].
struct Inner {
    /// Whether no more are taken.
    closed: bool,
    errands: KVec<Errand>,
}

/// A command that is being done, or was.
struct Errand {
    done: Arc<Atomic<bool>>,
    /// Dropping it waits for it.
    _thread: Thread,
}

impl Errand {
    /// Returns whether it is done.
    fn is_done(&self) -> bool {
        self.done.load(Acquire)
    }
}

impl Errands {
    /// No commands.
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            inner <- new_mutex!(
                Inner {
                    closed: false,
                    errands: KVec::new(),
                },
                "Errands::inner"
            ),
        })
    }

    /// Has a thread do `errand`. Process context; sleeps, but not until it is done.
    ///
    /// # Errors
    ///
    /// `ENODEV` after [`Errands::close`], `EBUSY` if very many commands are being done, `ENOMEM` if
    /// there is not enough memory, `EINTR` if the calling task is being killed. Nothing is done
    /// then.
    pub(super) fn run(&self, errand: impl FnOnce() + Send + Unpin + 'static) -> Verdict {
        let done = Arc::new(Atomic::new(false), GFP_KERNEL)?;
        let errand = Arc::pin_init(new_mutex!(Some(errand), "Errands::run"), GFP_KERNEL)?;
        let mut inner = self.inner.lock();

        if inner.closed {
            return Err(Refusal::new(ENODEV, fmt!("The module is being unloaded")));
        }
        inner.errands.retain(|errand| !errand.is_done());
        if inner.errands.len() >= MAX_ERRANDS {
            return Err(Refusal::new(
                EBUSY,
                fmt!("{MAX_ERRANDS} commands are being done: try again when some have ended"),
            ));
        }
        inner.errands.reserve(1, GFP_KERNEL)?;

        let thread = {
            let done = done.clone();

            Thread::new(fmt!("dst-errand"), None, move |_| {
                // Commands take locks that I/O may have to wait for.
                let _noio = NoIoScope::new();
                let errand = errand.lock().take();

                if let Some(errand) = errand {
                    errand();
                }
                done.store(true, Release);
            })?
        };

        inner.errands.push(
            Errand {
                done,
                _thread: thread,
            },
            GFP_KERNEL,
        )?;
        Ok(())
    }

    /// Takes no more commands. Process context.
    pub(super) fn close(&self) {
        self.inner.lock().closed = true;
    }

    /// Returns whether all commands are done, and nothing is left of what they knew of. Process
    /// context.
    pub(super) fn are_done(&self) -> bool {
        self.inner.lock().errands.iter().all(Errand::is_done)
    }
}

/// How a command ended, for who waits for that.
#[pin_data]
pub(super) struct Outcome {
    #[pin]
    result: Mutex<Option<Verdict>>,
    /// Notified when there is a result.
    #[pin]
    known: CondVar,
}

impl Outcome {
    /// Nobody knows yet. Process context.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is not enough memory.
    pub(super) fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                result <- new_mutex!(None, "Outcome::result"),
                known <- new_condvar!("Outcome::known"),
            }),
            GFP_KERNEL,
        )
    }

    /// It ended like this. Process context.
    pub(super) fn set(&self, result: Verdict) {
        *self.result.lock() = Some(result);
        self.known.notify_all();
    }

    /// Waits for the end, but no longer than `limit_ms` milliseconds: then it is `late`. Process
    /// context, of a thread without signals.
    pub(super) fn wait(&self, limit_ms: u32, late: Refusal) -> Verdict {
        let mut left = msecs_to_jiffies(limit_ms);
        let mut result = self.result.lock();

        loop {
            if let Some(result) = result.take() {
                return result;
            }
            match self.known.wait_interruptible_timeout(&mut result, left) {
                CondVarTimeoutResult::Woken { jiffies } => left = jiffies,
                CondVarTimeoutResult::Timeout | CondVarTimeoutResult::Signal { .. } => {
                    return result.take().unwrap_or(Err(late));
                }
            }
        }
    }
}
