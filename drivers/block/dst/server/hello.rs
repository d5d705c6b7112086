// SPDX-License-Identifier: GPL-2.0

//! Who is let in: from the hello to the welcome.

use kernel::{
    fmt,
    prelude::*,
    str::CString,
    sync::Arc, //
};

use crate::{
    proto::{
        access::Rights,
        admission::Barred,
        credits::share,
        digest::{
            Digest,
            Digests, //
        },
        fence::{
            decide,
            Decision,
            Fence,
            FenceState,
            Writer, //
        },
        geometry::{
            DiskFlags,
            Geometry, //
        },
        handshake::HandshakeError,
        hello::{
            Hello,
            Welcome, //
        },
        negotiate::{
            Agreement,
            Features,
            HelloFault,
            Terms,
            Versions,
            MAX_CONNECTIONS, //
        },
        status::Status,
        suite::Suites,
        units::{
            BootId,
            SessionId,
            Stamp, //
        },
        walls::Stock, //
    },
    wire::text::printable, //
};

use super::{
    backend::Backend,
    counters::Counters,
    export::{
        Export,
        Inner, //
    },
    flushes::Hearing,
    handshake::Proof,
    link::Link,
    sessions::Session,
    walls::Share, //
};

/// Why a client is not let in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Denial {
    /// What the client is told.
    pub(super) status: Status,
    /// What people are told.
    pub(super) reason: Reason,
}

/// The session belongs to somebody else.
pub(super) const OTHER_KEY: Denial =
    Denial::new(Status::Denied, "the session was begun with another key");

/// Why a client is not let in, for people: prints as part of a sentence.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reason {
    /// This is it.
    Text(&'static str),
    /// The client wants a digest that is not one of these.
    Digest(Digests),
    /// The client allows none of these suites.
    Suite(Suites),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Digest(digests) if digests.is_empty() => f.write_str("the server has no digests"),
            // `fmt!` does not take types of code that knows nothing of the kernel.
            Self::Digest(digests) => f.write_fmt(format_args!(
                "the server does not have this digest: it has {digests}"
            )),
            Self::Suite(suites) if suites.is_empty() => f.write_str("this server has no cipher"),
            // Whatever is added to it on the way, it has to fit into the answer to a command.
            Self::Suite(suites) => {
                f.write_fmt(format_args!("this server seals only with {suites}"))
            }
        }
    }
}

impl Denial {
    /// Has `say` tell it.
    pub(super) fn tell<R>(&self, say: impl FnOnce(&str) -> R) -> R {
        let message = CString::try_from_fmt(fmt!("{}", self.reason)).ok();
        let text = message.as_deref().and_then(|text| text.to_str().ok());

        say(text.unwrap_or(self.status.text()))
    }

    /// A refusal of a client that allows none of `suites`.
    pub(super) fn no_suite(suites: Suites) -> Self {
        Self {
            status: HandshakeError::Suite.status(),
            reason: Reason::Suite(suites),
        }
    }

    /// A refusal with `status`, which `text` explains.
    pub(super) const fn new(status: Status, text: &'static str) -> Self {
        Self {
            status,
            reason: Reason::Text(text),
        }
    }
}

impl From<Error> for Denial {
    fn from(_: Error) -> Self {
        Status::Resource.into()
    }
}

impl From<Status> for Denial {
    fn from(status: Status) -> Self {
        Self::new(status, status.text())
    }
}

impl From<HandshakeError> for Denial {
    fn from(error: HandshakeError) -> Self {
        Self::new(error.status(), error.text())
    }
}

impl From<Barred> for Denial {
    fn from(barred: Barred) -> Self {
        Self::new(Status::Denied, barred.text())
    }
}

/// The membership of a connection in a session. It ends with [`Export::leave`].
pub(super) struct Admission {
    /// The export.
    pub(super) export: Arc<Export>,
    /// Its device.
    pub(super) backend: Arc<Backend>,
    /// Counters of the session.
    pub(super) counters: Arc<Counters>,
    /// What the client knows of flushes that have failed.
    pub(super) hearing: Arc<Hearing>,
    /// The session.
    pub(super) session: SessionId,
    /// Number of the connection in the session.
    number: u16,
    /// Its epoch and generation.
    pub(super) stamp: Stamp,
    /// What the client may do.
    pub(super) rights: Rights,
    /// Whether all that it writes has to be durable when it is done, see [`Session::is_durable`].
    pub(super) durable: bool,
    /// What was agreed on.
    agreement: Agreement,
    /// Pages that the connection may have in flight.
    pub(super) window: u32,
    /// The memory for that.
    _pages: Share,
    /// Milliseconds of silence that are death.
    pub(super) keepalive: u32,
    /// What has to be waited for before the welcome.
    fence: Option<Fence>,
}

impl Admission {
    /// Lets the client in that said `hello` on the connection `link` and asked for `export`, or
    /// does not. `proof` is what the client has shown in the handshake of a sealed connection, which
    /// is over: a frame was opened. On others there is none.
    ///
    /// # Errors
    ///
    /// What the client is to be told.
    pub(super) fn new(
        export: &Arc<Export>,
        hello: &Hello<'_>,
        link: &Arc<Link>,
        proof: Option<&Proof>,
        now: u64,
    ) -> Result<Self, Denial> {
        let client = client_name(hello.client.unwrap_or_default()).map_err(|_| Status::Resource)?;
        let credentials = proof.map(|proof| &proof.credentials);
        let mut guard = export.inner.lock();
        let inner = &mut *guard;

        let Some(backend) = inner.backend.clone().filter(|_| !inner.removing) else {
            return Err(Status::Gone.into());
        };
        // Those who may do nothing learn nothing.
        let rights = inner.rights(link, credentials)?;
        let agreement = agree(export, inner, hello, credentials.is_some())?;
        let writer = match inner.is_shared() {
            true => Writer::Shared,
            false => inner.sessions.writer(),
        };

        if inner
            .sessions
            .is_of_another(hello.session, credentials.map(|it| &it.key))
        {
            return Err(OTHER_KEY);
        }

        let known = inner.sessions.known(hello);
        let fence = match decide(hello, known.as_ref(), writer, rights) {
            Decision::Accept => None,
            Decision::Fence(scope) => Some(Fence::new(hello.stamp, scope)),
            Decision::Refuse(status) => return Err(status.into()),
        };
        let geometry = inner.geometry().unwrap_or_default();
        let largest = geometry.max_cost();
        let connections = inner.sessions.connections(hello).min(MAX_CONNECTIONS);
        let window = share(inner.window, connections, hello.connection, largest);
        let visit = link.visit();
        let pages = visit.take(Stock::Pages, window).inspect_err(|_| {
            // There is room as soon as that is done which the client has given up.
            inner.sessions.supersede(hello);
        })?;
        let total = inner.window;
        let durable = !geometry.has_volatile_cache();
        let session = inner.sessions.join(hello, link, proof, || {
            let share = visit.take(Stock::Sessions, 1)?;

            let failed = backend.failed_flushes().count();
            let is_first = hello.stamp.epoch.is_first();
            let heard = inner.absent.heard_by(hello.session, is_first, failed);
            let session = Session::new(hello, client, durable, total, heard, share, now)?;

            export.changes.note();
            Ok(session)
        })?;

        Ok(Self {
            export: export.clone(),
            backend,
            counters: session.counters().clone(),
            hearing: session.hearing().clone(),
            durable: session.is_durable(),
            session: hello.session,
            number: hello.connection,
            stamp: hello.stamp,
            rights: match hello.write {
                true => rights,
                false => rights.min(Rights::ReadOnly),
            },
            agreement,
            window,
            _pages: pages,
            keepalive: inner.keepalive,
            fence,
        })
    }

    /// Returns whether the client has to wait until its older requests are done, and for how many
    /// of them.
    ///
    /// # Errors
    ///
    /// [`Status::Stale`] if it has come back yet another time meanwhile.
    pub(super) fn waits_for(&mut self) -> Result<Option<u32>, Denial> {
        let Some(fence) = &self.fence else {
            return Ok(None);
        };
        let known = self
            .export
            .inner
            .lock()
            .sessions
            .known_at(self.session, self.number, self.stamp)
            .ok_or(Status::Stale)?;

        match fence.state(&known) {
            FenceState::Draining(left) => Ok(Some(left)),
            FenceState::Superseded => Err(Status::Stale.into()),
            FenceState::Done => {
                self.fence = None;
                Ok(None)
            }
        }
    }

    /// Returns what the client is told about the device now. What it was told about the cache when
    /// its session began is the truth for as long as that lasts.
    pub(super) fn geometry(&self) -> Geometry {
        let geometry = self.export.inner.lock().geometry().unwrap_or_default();

        Geometry {
            flags: geometry
                .flags
                .without(DiskFlags::VOLATILE_CACHE)
                .with_if(DiskFlags::VOLATILE_CACHE, !self.durable),
            ..geometry
        }
    }

    /// Returns what follows the data of requests and replies, if anything.
    pub(super) fn digest(&self) -> Option<Digest> {
        self.agreement.digest
    }

    /// Returns the welcome for this connection, which tells of `geometry`.
    pub(super) fn welcome(&self, geometry: Geometry, boot_id: BootId) -> Welcome {
        Welcome {
            version: self.agreement.version,
            max_connections: MAX_CONNECTIONS,
            keepalive_ms: self.keepalive,
            features: self.agreement.features,
            session: self.session,
            uuid: self.export.uuid,
            boot_id,
            incarnation: self.export.incarnation,
            stamp: self.stamp,
            connection: self.number,
            window: self.window,
            geometry,
        }
    }
}

/// Checks everything about `hello` but the rights and the fence. The connection may be `sealed`.
fn agree(
    export: &Export,
    inner: &Inner,
    hello: &Hello<'_>,
    sealed: bool,
) -> Result<Agreement, Denial> {
    let digests = export.digests.digests();
    let features = match sealed {
        true => Features::SEALED,
        false => Features::NONE,
    };

    if sealed && hello.digest.is_some() {
        return Err(Denial::new(
            Status::Invalid,
            "a sealed connection needs no digest",
        ));
    }
    if !sealed && hello.features.contains(Features::SEALED) {
        return Err(Denial::new(
            Status::Invalid,
            "a hello that should be sealed is not",
        ));
    }
    Terms {
        versions: Versions::OURS,
        features,
        required: features,
        uuid: export.uuid,
        // Who was let in before is told so, and goes on to read.
        read_only: hello.stamp.epoch.is_first()
            && inner
                .geometry()
                .is_none_or(|geometry| geometry.is_read_only()),
        max_connections: MAX_CONNECTIONS,
        digests,
    }
    .check(hello)
    .map_err(|fault| match fault {
        HelloFault::Digest => Denial {
            status: fault.status(),
            reason: Reason::Digest(digests),
        },
        fault => Denial::new(fault.status(), fault.text()),
    })
}

/// Returns the name that a client gave itself, without what could confuse a log or a terminal.
fn client_name(name: &str) -> Result<CString> {
    let name = printable(name)?;

    CString::try_from_fmt(fmt!("{}", core::str::from_utf8(&name).unwrap_or_default()))
}
