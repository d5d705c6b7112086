// SPDX-License-Identifier: GPL-2.0

//! Kernel threads.
//!
//! C header: [`include/linux/kthread.h`](srctree/include/linux/kthread.h)

use super::bindings;
use kernel::{
    error::from_err_ptr,
    fmt,
    prelude::*,
    str::CString,
    sync::{
        aref::ARef,
        Arc, //
    },
    task::Task,
    time::Jiffies,
    types::NotThreadSafe, //
};

/// A kernel thread.
///
/// Dropping it asks the thread to stop and waits until its function has returned, so it may only
/// be dropped in process context and not by the thread itself.
///
/// # Invariants
///
/// `task` was created by `kthread_create_on_node()`, has not been stopped, and `self` owns a reference
/// to it. It was woken, unless this is in a [`Prepared`]. What `_main` refers to is what the thread was
/// given.
pub(crate) struct Thread {
    task: ARef<Task>,
    _main: Arc<dyn Main>,
}

/// What a thread does.
trait Main: Send + Sync {}

impl<T: Fn(&Current) + Send + Sync> Main for T {}

/// The thread that runs.
///
/// It is what a thread's function gets as a proof of being one.
pub(crate) struct Current(NotThreadSafe);

impl Thread {
    /// Starts a thread called `name` that runs `main`.
    ///
    /// The scheduler is asked to run it on `cpu` if it can. Threads have names of at most 15
    /// bytes, of longer ones the rest is cut off in some places. `main` has to return soon once
    /// [`Current::should_stop`] is true; it may also return earlier. If the thread is dropped at
    /// once, `main` may not be called at all.
    ///
    /// This sleeps.
    ///
    /// # Errors
    ///
    /// - `ENOMEM` if there is not enough memory.
    /// - `EINTR` if the calling task is being killed.
    pub(crate) fn new<F>(name: fmt::Arguments<'_>, cpu: Option<u32>, main: F) -> Result<Self>
    where
        F: Fn(&Current) + Send + Sync + 'static,
    {
        Self::prepare(name, cpu, main).map(Prepared::start)
    }

    /// Creates a thread like [`Thread::new`] but does not let it run yet.
    ///
    /// # Errors
    ///
    /// Those of [`Thread::new`].
    pub(crate) fn prepare<F>(
        name: fmt::Arguments<'_>,
        cpu: Option<u32>,
        main: F,
    ) -> Result<Prepared>
    where
        F: Fn(&Current) + Send + Sync + 'static,
    {
        let name = CString::try_from_fmt(name)?;
        let main = Arc::new(main, GFP_KERNEL)?;

        // SAFETY: The format consumes the one string that is passed. `entry::<F>` gets a pointer
        // to an `F` that is valid until the thread has been stopped: whoever has the task keeps
        // `main` until then.
        let task = from_err_ptr(unsafe {
            bindings::kthread_create_on_node(
                Some(entry::<F>),
                core::ptr::from_ref::<F>(&main).cast_mut().cast(),
                bindings::NUMA_NO_NODE,
                c"%s".as_char_ptr(),
                name.as_char_ptr(),
            )
        })?;

        // SAFETY: A thread that was created and not yet stopped has a valid task, and `Task` is
        // a transparent wrapper of it.
        let task = ARef::from(unsafe { &*task.cast::<Task>() });

        if let Some(cpu) = cpu {
            // The thread does without its preference if there is none to be had, be it because
            // there is no such processor.
            //
            // SAFETY: The thread has not been woken yet.
            unsafe { bindings::dstblk_kthread_prefer_cpu(task.as_ptr(), cpu) };
        }

        // INVARIANT: The thread was just created, and `main` is what it was given.
        Ok(Prepared {
            thread: Self { task, _main: main },
        })
    }

    /// Returns the task, with which others wake the thread.
    pub(crate) fn task(&self) -> &ARef<Task> {
        &self.task
    }

    /// Wakes the thread if it sleeps.
    ///
    /// It may be called in any context. See [`Current::sleep_until`] for what it takes not to
    /// miss it.
    pub(crate) fn wake(&self) {
        self.task.wake_up();
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the task is that of a thread that has not been stopped
        // yet, and `self.task` keeps it valid.
        unsafe { bindings::kthread_stop(self.task.as_ptr()) };
    }
}

/// A thread that exists but does not run yet.
#[must_use = "the thread goes away without ever having run"]
pub(crate) struct Prepared {
    thread: Thread,
}

impl Prepared {
    /// Returns the task, with which others wake the thread once it runs.
    pub(crate) fn task(&self) -> &ARef<Task> {
        self.thread.task()
    }

    /// Has the thread wait until the task that runs where it is woken has had its time, or goes to
    /// sleep. Others do not get more of the processors by that, only later. This sleeps.
    pub(crate) fn never_preempt(&self) {
        // SAFETY: The task is that of a thread that was not stopped, and valid.
        unsafe { bindings::dstblk_kthread_never_preempt(self.thread.task.as_ptr()) };
    }

    /// Lets the thread run.
    pub(crate) fn start(self) -> Thread {
        self.thread.wake();
        self.thread
    }
}

impl Current {
    /// Returns whether the thread was asked to return.
    pub(crate) fn should_stop(&self) -> bool {
        // SAFETY: The existence of `self` proves that this is a kernel thread.
        unsafe { bindings::kthread_should_stop() }
    }

    /// Lets other tasks run if they have waited long enough.
    pub(crate) fn give_way(&self) {
        // SAFETY: There are no requirements to call this in process context.
        unsafe { bindings::cond_resched() };
    }

    /// Sleeps until `ready` returns true or the thread is asked to return.
    ///
    /// Whoever makes the condition true has to wake the thread afterwards. The condition is only
    /// looked at when the thread is woken; it must not sleep. A thread that sleeps here does not
    /// count as load.
    pub(crate) fn sleep_until(&self, ready: impl Fn() -> bool) {
        self.sleep(ready, || {
            // SAFETY: There are no requirements to call this in process context.
            unsafe { bindings::schedule() };
            true
        });
    }

    /// Sleeps like [`Current::sleep_until`], but for no longer than `timeout`.
    ///
    /// Returns the time that was left.
    pub(crate) fn sleep_until_timeout(
        &self,
        timeout: Jiffies,
        ready: impl Fn() -> bool,
    ) -> Jiffies {
        let mut left = c_long::try_from(timeout).unwrap_or(c_long::MAX);

        self.sleep(ready, || {
            // SAFETY: There are no requirements to call this in process context.
            left = unsafe { bindings::schedule_timeout(left) };
            left != 0
        });
        Jiffies::try_from(left).unwrap_or(0)
    }

    /// Calls `schedule` until it returns false, `ready` returns true or the thread has to return.
    fn sleep(&self, ready: impl Fn() -> bool, mut schedule: impl FnMut() -> bool) {
        loop {
            // A wake-up from here on makes the task runnable again, so that one which comes
            // between the look at the condition and going to sleep is not missed.
            //
            // SAFETY: There are no requirements to call this.
            unsafe { bindings::set_current_state(bindings::TASK_IDLE) };
            if self.should_stop() || ready() || !schedule() {
                break;
            }
        }

        // SAFETY: There are no requirements to call this.
        unsafe { bindings::set_current_state(bindings::TASK_RUNNING) };
    }
}

/// Returns whether `task` has a processor, or waits for nothing else. It may be otherwise already.
pub(crate) fn is_runnable(task: &Task) -> bool {
    // SAFETY: The task is valid.
    unsafe { bindings::task_is_running(task.as_ptr()) }
}

/// Returns whether this processor had nothing to do until an interrupt came, which is what calls
/// this then.
///
/// It may be called in any context.
pub(crate) fn is_processor_idle() -> bool {
    // SAFETY: There is always a current task, and it is valid.
    unsafe { bindings::is_idle_task(Task::current_raw()) }
}

/// The function that all threads start in.
///
/// # Safety
///
/// `main` must point to an `F` that is valid until the function returns, and the caller must be
/// a kernel thread.
unsafe extern "C" fn entry<F: Fn(&Current)>(main: *mut c_void) -> c_int {
    // SAFETY: By the requirements of this function.
    let main = unsafe { &*main.cast::<F>() };

    main(&Current(NotThreadSafe));
    0
}
