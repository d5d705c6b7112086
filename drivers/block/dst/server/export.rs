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
        Mutex, //
    }, //
};

use crate::{
    abstractions::{
        memory::NoIoScope,
        namespace::Namespace, //
    },
    control::{
        changes::Changes,
        refusal::{
            Refusal,
            Result as Verdict, //
        }, //
    },
    histogram::Timings,
    log::Clock,
    proto::{
        access::Rights,
        admission::Barred,
        geometry::Geometry,
        name,
        units::{
            SessionId,
            Uuid, //
        }, //
    },
    wire::digest::Methods, //
};

use super::{
    backend::Backend,
    change::{
        check_keepalive,
        check_window, //
    },
    config::{
        ExportConfig,
        ExportInfo,
        ExportState,
        SessionInfo,
        Writers, //
    },
    counters::Counters,
    device,
    door::{
        Credentials,
        Door, //
    },
    flushes::Absent,
    link::{
        Link,
        Stage, //
    },
    listener::{
        Listener,
        Listeners,
        Use, //
    },
    sessions::Sessions,
};

/// An exported block device.
#[pin_data]
pub(crate) struct Export {
    pub(super) name: CString,
    /// Path of the device.
    path: CString,
    pub(super) net: Namespace,
    pub(super) uuid: Uuid,
    share_device: bool,
    write_through: bool,
    /// Another one if writes may have been lost.
    pub(super) incarnation: u64,
    /// Size of the device in sectors, as clients know it or are going to.
    size: Atomic<u64>,
    /// Whether nothing can be written, likewise.
    read_only: Atomic<bool>,
    /// Major and minor number of the device.
    number: (u32, u32),
    pub(super) counters: Counters,
    /// From when a request is handed to the device until that is done with it.
    pub(super) timings: Timings,
    clock: Clock,
    /// Where it is noted that it or a session comes or goes.
    pub(super) changes: Arc<Changes>,
    /// Digests that clients may ask for.
    pub(super) digests: Methods,
    #[pin]
    pub(super) inner: Mutex<Inner>,
    /// Taken by who adds it, before all other locks, until all who listen were told.
    #[pin]
    pub(super) announcing: Mutex<()>,
    /// Notified when a session is forgotten.
    #[pin]
    pub(super) left: CondVar,
}

/// What a look at the device of an export has found to be other than at the last one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// It has another size.
    pub(super) is_resized: bool,
    /// It can be written where it could not, or the reverse.
    pub(super) is_other: bool,
}

/// What can change about an export.
pub(super) struct Inner {
    pub(super) door: Door,
    pub(super) access: Rights,
    pub(super) writers: Writers,
    pub(super) window: u32,
    pub(super) keepalive: u32,
    /// Where it listens; nowhere any more when it is being removed.
    pub(super) uses: KVec<Use>,
    /// Until it is removed.
    pub(super) backend: Option<Arc<Backend>>,
    pub(super) sessions: Sessions,
    /// Those that may come back.
    pub(super) absent: Absent,
    pub(super) removing: bool,
    /// Whether the device is closed, and nothing is left to be done.
    pub(super) gone: bool,
    error: Option<CString>,
}

impl Inner {
    /// Returns what a client at `link` may do that has proved `credentials`, if any, apart from
    /// writing when nobody can.
    pub(super) fn rights(
        &self,
        link: &Link,
        credentials: Option<&Credentials>,
    ) -> Result<Rights, Barred> {
        match self.access {
            Rights::None => Ok(Rights::None),
            Rights::ReadOnly | Rights::ReadWrite => self.door.admit(link, credentials),
        }
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

    /// Returns whether nothing can be written now.
    fn is_read_only(&self) -> bool {
        self.geometry()
            .is_none_or(|geometry| geometry.is_read_only())
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
        changes: Arc<Changes>,
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
        let door = Door::new(config.rules, config.keyed, config.keys)?;
        let device = device::open(&config.device, read_only, config.share_device)?;
        let number = device.number();
        let size = device.sectors();
        let limits = device.limits();
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
                read_only: Atomic::new(read_only || limits.read_only),
                number,
                counters: Counters::default(),
                timings: Timings::new()?,
                clock: Clock::new(),
                changes,
                digests,
                inner <- new_mutex!(
                    Inner {
                        door,
                        access: config.access,
                        writers: config.writers,
                        window: config.window,
                        keepalive: config.keepalive,
                        uses,
                        backend: Some(backend),
                        sessions: Sessions::new(),
                        absent: Absent::new()?,
                        removing: false,
                        gone: false,
                        error: None,
                    },
                    "Export::inner"
                ),
                announcing <- new_mutex!((), "Export::announcing"),
                left <- new_condvar!("Export::left"),
            }),
            GFP_KERNEL,
        )?)
    }

    /// Returns its name.
    pub(crate) fn name(&self) -> &CStr {
        &self.name
    }

    /// Returns the network namespace that it belongs to.
    pub(crate) fn net(&self) -> &Namespace {
        &self.net
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

    /// Returns whether it is being removed.
    pub(crate) fn is_leaving(&self) -> bool {
        self.inner.lock().removing
    }

    /// Waits until it is announced, so that whatever is told after that comes later. Process context;
    /// sleeps, but not for long.
    pub(crate) fn await_announcement(&self) {
        drop(self.announcing.lock());
    }

    /// Returns the size of the device in sectors, as of the last look at it.
    pub(super) fn size(&self) -> u64 {
        self.size.load(Relaxed)
    }

    /// Returns whether nothing can be written, as of the last look at the device.
    pub(super) fn is_read_only(&self) -> bool {
        self.read_only.load(Relaxed)
    }

    /// Returns whether the device has another size than at the last look, or can be written where
    /// it could not, or the reverse. The connections are woken then.
    pub(super) fn has_changed(&self) -> bool {
        let seen = self.look(&self.inner.lock());

        seen.is_resized || seen.is_other
    }

    /// See [`Self::has_changed`]; returns what of it is the case.
    pub(super) fn look(&self, inner: &Inner) -> Seen {
        let Some(backend) = &inner.backend else {
            return Seen::default();
        };
        let size = backend.device().sectors();
        let read_only = inner.is_read_only();
        let is_resized = self.size.xchg(size, Relaxed) != size;
        let is_other = self.read_only.load(Relaxed) != read_only;

        self.read_only.store(read_only, Relaxed);
        if is_resized || is_other {
            inner.sessions.wake();
        }
        Seen {
            is_resized,
            is_other,
        }
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
        let session = {
            let mut inner = self.inner.lock();
            let session = inner.sessions.leave(link)?;

            if let Some((id, heard)) = session.legacy() {
                inner.absent.add(id, heard);
            }

            self.changes.note();
            session
        };

        self.left.notify_all();
        session.info(self, now).ok()
    }

    /// Refuses something about this export.
    pub(super) fn refuse(&self, error: Error, text: &str) -> Refusal {
        Refusal::new(error, fmt!("Export {}: {}", &*self.name, text))
    }

    /// Tells about the export.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory for the copies.
    pub(crate) fn info(&self) -> Result<ExportInfo> {
        // Jobs of the pool take the lock, and some of them may have to get memory written back.
        let _noio = NoIoScope::new();
        let inner = self.inner.lock();
        let geometry = inner.geometry().unwrap_or_default();
        let (connections, in_flight) = inner.sessions.load();
        let mut listen = KVec::with_capacity(inner.uses.len(), GFP_KERNEL)?;

        for place in &inner.uses {
            listen.push(place.listener().address().clone(), GFP_KERNEL)?;
        }
        Ok(ExportInfo {
            net: self.net.clone(),
            name: CString::try_from(&*self.name)?,
            device: CString::try_from(&*self.path)?,
            listen,
            rules: inner.door.copy_rules()?,
            keys: inner.door.key_infos()?,
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

    /// Returns how long the device has taken for what it was asked for.
    pub(crate) fn timings(&self) -> &Timings {
        &self.timings
    }

    /// Returns how long ago it was added, in nanoseconds.
    pub(crate) fn age_ns(&self) -> u64 {
        self.clock.nanoseconds()
    }

    /// Tells about its sessions, given the time `now`.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory for the copies.
    pub(super) fn sessions(&self, now: u64) -> Result<KVec<SessionInfo>> {
        self.inner.lock().sessions.info(self, now)
    }

    /// Has `link` serve the session `id` from now on; returns what there is to say about that, given
    /// the time `now`, if no other connection does.
    pub(super) fn begin_serving(
        &self,
        link: &Link,
        id: SessionId,
        now: u64,
    ) -> Option<SessionInfo> {
        let inner = self.inner.lock();

        // Of several that begin at the same time, one is the first.
        link.set_stage(Stage::Serving);
        inner
            .sessions
            .info_of(id, self, now)
            .filter(|info| info.connections == 1)
    }
}
