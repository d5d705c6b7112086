// SPDX-License-Identifier: GPL-2.0

//! A block device that clients may attach.
//!
//! Lock order: [`Export::inner`], then the locks of mailboxes and jobs. It is never held while the
//! device or the network is waited for.

use kernel::{
    fmt,
    new_condvar,
    new_mutex,
    prelude::*,
    str::CString,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        CondVar,
        CondVarTimeoutResult,
        Mutex, //
    },
    time::{
        delay::fsleep,
        msecs_to_jiffies,
        Delta, //
    }, //
};

use crate::{
    abstractions::namespace::Namespace,
    control::refusal::{
        Refusal,
        Result as Verdict, //
    },
    proto::{
        access::{
            self,
            Peer,
            Rights,
            Rule, //
        },
        geometry::Geometry,
        name,
        negotiate::KEEPALIVE_MS,
        units::{
            SessionId,
            Uuid, //
        }, //
    },
    wire::digest::Methods, //
};

use super::{
    backend::Backend,
    config::{
        ExportChange,
        ExportConfig,
        ExportInfo,
        ExportState,
        SessionInfo,
        Writers,
        MAX_WINDOW,
        MIN_WINDOW, //
    },
    counters::Counters,
    device,
    link::{
        Cut,
        Link, //
    },
    listener::{
        Listener,
        Listeners,
        Use, //
    },
    sessions::Sessions, //
};

/// An exported block device.
#[pin_data]
pub(crate) struct Export {
    pub(super) name: CString,
    /// Path of the device.
    path: CString,
    net: Namespace,
    pub(super) uuid: Uuid,
    share_device: bool,
    write_through: bool,
    /// Another one if writes may have been lost.
    pub(super) incarnation: u64,
    /// Size of the device in sectors, as clients know it or are going to.
    size: Atomic<u64>,
    /// Major and minor number of the device.
    number: (u32, u32),
    pub(super) counters: Counters,
    /// Digests that clients may ask for.
    pub(super) digests: Methods,
    #[pin]
    pub(super) inner: Mutex<Inner>,
    /// Notified when a session is forgotten.
    #[pin]
    left: CondVar,
}

/// What can change about an export.
pub(super) struct Inner {
    rules: KVec<Rule>,
    pub(super) access: Rights,
    writers: Writers,
    pub(super) window: u32,
    pub(super) keepalive: u32,
    /// Where it listens; nowhere any more when it is being removed.
    uses: KVec<Use>,
    /// Until it is removed.
    pub(super) backend: Option<Arc<Backend>>,
    pub(super) sessions: Sessions,
    pub(super) removing: bool,
    error: Option<CString>,
}

impl Inner {
    /// Returns what a client at `link` may do at most.
    pub(super) fn rights(&self, link: &Link) -> Rights {
        let peer = match link.peer().ip() {
            None => Peer::Local,
            Some(ip) => match access::address(&ip) {
                Some(ip) => Peer::Ip(ip),
                None => return Rights::None,
            },
        };

        access::rights(peer, &self.rules).min(self.access)
    }

    /// Returns whether several sessions may write.
    pub(super) fn is_shared(&self) -> bool {
        self.writers == Writers::Shared
    }

    /// Returns what clients are told about the device now.
    pub(super) fn geometry(&self) -> Option<Geometry> {
        let limits = self.backend.as_ref()?.limits();

        Some(device::geometry(&limits, self.access != Rights::ReadWrite))
    }

    /// Returns what the export is doing.
    fn state(&self) -> ExportState {
        match &self.backend {
            Some(backend) if !self.removing => match backend.device().is_live() {
                true => ExportState::Active,
                false => ExportState::Lost,
            },
            Some(_) | None => ExportState::Removing,
        }
    }
}

impl Export {
    /// Opens the device and starts to listen. Process context; sleeps.
    ///
    /// # Errors
    ///
    /// A refusal that says what is wrong.
    pub(super) fn new(
        config: ExportConfig,
        incarnation: u64,
        listeners: &Arc<Listeners>,
    ) -> Verdict<Arc<Self>> {
        name::export(config.name.to_bytes())
            .map_err(|error| Refusal::new(EINVAL, fmt!("Export: {}", error.text())))?;
        check_window(config.window)?;
        check_keepalive(config.keepalive)?;
        if config.uuid.is_any() {
            return Err(Refusal::new(EINVAL, fmt!("An export needs an identity")));
        }

        let read_only = config.access != Rights::ReadWrite;
        let device = device::open(&config.device, read_only, config.share_device)?;
        let number = device.number();
        let size = device.sectors();
        let backend = Backend::new(device, !read_only, config.write_through, &config.name)?;
        let backend = Arc::new(backend, GFP_KERNEL)?;
        let uses = listeners.open_all(&config.net, &config.listen)?;
        let digests = Methods::load()?;

        Ok(Arc::pin_init(
            try_pin_init!(Self {
                name: config.name,
                path: config.device,
                net: config.net,
                uuid: config.uuid,
                share_device: config.share_device,
                write_through: config.write_through,
                incarnation,
                size: Atomic::new(size),
                number,
                counters: Counters::default(),
                digests,
                inner <- new_mutex!(
                    Inner {
                        rules: config.rules,
                        access: config.access,
                        writers: config.writers,
                        window: config.window,
                        keepalive: config.keepalive,
                        uses,
                        backend: Some(backend),
                        sessions: Sessions::new(),
                        removing: false,
                        error: None,
                    },
                    "Export::inner"
                ),
                left <- new_condvar!("Export::left"),
            }),
            GFP_KERNEL,
        )?)
    }

    /// Returns its name.
    pub(crate) fn name(&self) -> &CStr {
        &self.name
    }

    /// Returns whether clients that come in at `listener` may ask for it. While it is being removed
    /// it does not know any more, and they may: they are told so.
    pub(super) fn listens_at(&self, listener: &Arc<Listener>) -> bool {
        let inner = self.inner.lock();

        inner.removing
            || inner
                .uses
                .iter()
                .any(|place| Arc::ptr_eq(place.listener(), listener))
    }

    /// Returns the size of the device in sectors, as of the last look at it.
    pub(super) fn size(&self) -> u64 {
        self.size.load(Relaxed)
    }

    /// Returns whether the device has another size than at the last look. The connections are
    /// woken then.
    pub(super) fn has_new_size(&self) -> bool {
        let inner = self.inner.lock();
        let Some(backend) = &inner.backend else {
            return false;
        };
        let size = backend.device().sectors();

        if self.size.xchg(size, Relaxed) == size {
            return false;
        }
        inner.sessions.wake();
        true
    }

    /// Notes the last thing that went wrong.
    pub(super) fn note_error(&self, text: fmt::Arguments<'_>) {
        let error = CString::try_from_fmt(text).ok();
        let old = core::mem::replace(&mut self.inner.lock().error, error);

        drop(old);
    }

    /// Ends the membership of `link`, see [`Sessions::leave`]; returns what there was to say about
    /// the session if it ended with it, at the time `now`.
    pub(super) fn leave(&self, link: &Arc<Link>, now: u64) -> Option<SessionInfo> {
        let session = self.inner.lock().sessions.leave(link)?;

        self.left.notify_all();
        session.info(&self.name, now).ok()
    }

    /// Changes what `change` says. Process context; sleeps.
    ///
    /// # Errors
    ///
    /// A refusal that says what is wrong; nothing was changed then.
    pub(super) fn change(&self, change: ExportChange, listeners: &Arc<Listeners>) -> Verdict {
        change.window.map_or(Ok(()), check_window)?;
        change.keepalive.map_or(Ok(()), check_keepalive)?;

        let uses = match &change.listen {
            Some(addresses) => Some(listeners.open_all(&self.net, addresses)?),
            None => None,
        };
        let mut inner = self.inner.lock();

        if inner.removing {
            drop(inner);
            return Err(self.refuse(ENOENT, "is being removed"));
        }
        if let Some(access) = change.access {
            let read_only = inner
                .backend
                .as_ref()
                .is_none_or(|backend| !backend.is_writable());

            if access == Rights::ReadWrite && read_only {
                drop(inner);
                return Err(self.refuse(EROFS, "was opened for reading only; add it again"));
            }
            inner.access = access;
        }
        if let Some(rules) = change.rules {
            inner.rules = rules;
        }
        inner.writers = change.writers.unwrap_or(inner.writers);
        inner.window = change.window.unwrap_or(inner.window);
        inner.keepalive = change.keepalive.unwrap_or(inner.keepalive);

        // Those who are in although they would not be let in any more.
        let needs = |write: bool| match write {
            true => Rights::ReadWrite,
            false => Rights::ReadOnly,
        };

        inner
            .sessions
            .cut(Cut::Denied, |link, write| inner.rights(link) < needs(write));

        // What is not used any more is closed without the lock: that waits for a job.
        let old = uses.map(|uses| core::mem::replace(&mut inner.uses, uses));

        drop(inner);
        drop(old);
        Ok(())
    }

    /// Refuses something about this export.
    pub(super) fn refuse(&self, error: Error, text: &str) -> Refusal {
        Refusal::new(error, fmt!("Export {}: {}", &*self.name, text))
    }

    /// Begins to remove the export: nobody is let in any more, and who is in is cut off.
    ///
    /// # Errors
    ///
    /// `EBUSY` if clients are attached and `force` is not given, or if that was done already.
    pub(super) fn begin_removal(&self, force: bool) -> Verdict {
        let mut inner = self.inner.lock();

        if inner.removing {
            drop(inner);
            return Err(self.refuse(EBUSY, "is being removed already"));
        }
        if !force && !inner.sessions.is_empty() {
            let clients = inner.sessions.len();

            drop(inner);
            return Err(Refusal::new(
                EBUSY,
                fmt!("Export {}: {} clients are attached", &*self.name, clients),
            ));
        }
        inner.removing = true;
        inner.sessions.cut(Cut::Gone, |_, _| true);

        let uses = core::mem::replace(&mut inner.uses, KVec::new());

        drop(inner);
        drop(uses);
        Ok(())
    }

    /// Waits until all requests of clients are done, makes what they wrote durable and closes the
    /// device; returns whether that is durable. Process context.
    ///
    /// It waits for the device, but never for the network.
    ///
    /// # Errors
    ///
    /// `EINTR` if there is a signal, unless `patient`. The removal can be taken up again then.
    pub(super) fn finish_removal(&self, patient: bool) -> Result<bool> {
        let mut inner = self.inner.lock();

        while !inner.sessions.is_empty() {
            let timeout = msecs_to_jiffies(1_000);

            if let CondVarTimeoutResult::Signal { .. } =
                self.left.wait_interruptible_timeout(&mut inner, timeout)
            {
                if !patient {
                    return Err(EINTR);
                }
                // The signal stays; do not spin.
                drop(inner);
                fsleep(Delta::from_millis(50));
                inner = self.inner.lock();
            }
        }

        let backend = inner.backend.take();

        drop(inner);
        Ok(match backend {
            Some(backend) if backend.is_writable() => backend.device().flush().is_ok(),
            Some(_) | None => true,
        })
    }

    /// Tells about the export.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory for the copies.
    pub(crate) fn info(&self) -> Result<ExportInfo> {
        let inner = self.inner.lock();
        let geometry = inner.geometry().unwrap_or_default();
        let (connections, in_flight) = inner.sessions.load();
        let mut listen = KVec::with_capacity(inner.uses.len(), GFP_KERNEL)?;
        let mut rules = KVec::with_capacity(inner.rules.len(), GFP_KERNEL)?;

        for place in &inner.uses {
            listen.push(place.listener().address().clone(), GFP_KERNEL)?;
        }
        rules.extend_from_slice(&inner.rules, GFP_KERNEL)?;
        Ok(ExportInfo {
            name: CString::try_from(&*self.name)?,
            device: CString::try_from(&*self.path)?,
            listen,
            rules,
            uuid: self.uuid,
            access: inner.access,
            writers: inner.writers,
            share_device: self.share_device,
            write_through: self.write_through,
            window: inner.window,
            keepalive: inner.keepalive,
            state: inner.state(),
            major: self.number.0,
            minor: self.number.1,
            size: geometry.sectors.saturating_mul(512),
            logical_block: geometry.logical_block,
            physical_block: geometry.physical_block,
            sessions: inner.sessions.len() as u32,
            connections,
            error: match &inner.error {
                Some(error) => Some(CString::try_from(&**error)?),
                None => None,
            },
            counts: self.counters.counts(in_flight),
        })
    }

    /// Tells about its sessions, given the time `now`.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory for the copies.
    pub(super) fn sessions(&self, now: u64) -> Result<KVec<SessionInfo>> {
        self.inner.lock().sessions.info(&self.name, now)
    }

    /// Tells about the session `id`, given the time `now`, if it exists.
    pub(super) fn session(&self, id: SessionId, now: u64) -> Option<SessionInfo> {
        self.inner.lock().sessions.info_of(id, &self.name, now)
    }
}

/// Refuses a window that is too small or too large.
fn check_window(window: u32) -> Verdict {
    match (MIN_WINDOW..=MAX_WINDOW).contains(&window) {
        true => Ok(()),
        false => Err(Refusal::new(
            ERANGE,
            fmt!("The window has to be {MIN_WINDOW} to {MAX_WINDOW} pages"),
        )),
    }
}

/// Refuses a keepalive time that is too short or too long.
fn check_keepalive(keepalive: u32) -> Verdict {
    let (min, max) = (KEEPALIVE_MS.start(), KEEPALIVE_MS.end());

    match KEEPALIVE_MS.contains(&keepalive) {
        true => Ok(()),
        false => Err(Refusal::new(
            ERANGE,
            fmt!("The keepalive time has to be {min} to {max} ms"),
        )),
    }
}
