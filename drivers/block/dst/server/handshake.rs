// SPDX-License-Identifier: GPL-2.0

//! How a sealed connection begins: the client shows which key it owns, before it says anything else.
//!
//! What is sent here is not sealed and believed by nobody but who checks it. A handshake is refused
//! with a BYE, which the client takes for no more than a hint.

use kernel::{
    prelude::*,
    sync::{
        Arc,
        UniqueArc, //
    }, //
};

use crate::{
    abstractions::{
        crc32c::crc32c,
        random::random_bytes, //
    },
    crypto::{
        new_secret,
        KernelPrimitives, //
    },
    proto::{
        admission::Barred,
        attribute::Attributes,
        frame::Header,
        handshake::{
            full::Initiated,
            join::JoinRequest,
            keys::{
                next_key,
                SessionKeys,
                SessionSecret, //
            },
            Binding,
            Established,
            HandshakeError, //
        },
        hello::Hello,
        secret::{
            without_trace,
            PublicKey,
            Secret,
            HANDSHAKE_STACK, //
        },
        status::Status,
        units::{
            Epoch,
            Stamp, //
        }, //
    },
    rekey_bytes,
    wire::{
        protection::{
            Incoming,
            Memory,
            Outgoing, //
        },
        seal::{
            Opening,
            Sealing, //
        }, //
    }, //
};

use super::{
    channel::Channel,
    connection::{
        Connection,
        End, //
    },
    door::Credentials,
    export::Export,
    hello::{
        Denial,
        OTHER_KEY, //
    },
    settings::Identity, //
};

/// What a client has shown in a handshake. Whether it was not merely somebody who has recorded one
/// is known when the first sealed frame was opened.
pub(super) struct Proof {
    /// The key that it owns, and the preshared key.
    pub(super) credentials: Credentials,
    /// The connection that this is about.
    binding: Binding,
    /// The export that it is about.
    export: Arc<Export>,
    /// What the session has in common from now on, if this is new.
    pub(super) keys: Option<Arc<SessionKeys>>,
}

impl Proof {
    /// Returns the export that the handshake was about.
    pub(super) fn export(&self) -> &Export {
        &self.export
    }

    /// Returns whether `hello` is about what the handshake was about.
    pub(super) fn covers(&self, hello: &Hello<'_>) -> bool {
        let Binding {
            session,
            connection,
            stamp,
        } = self.binding;

        hello.session == session
            && hello.connection == connection
            && hello.stamp == stamp
            && hello.export.as_bytes() == self.export.name.to_bytes()
    }
}

/// Answers the INITIATE that came with `header` and `payload`, and seals what follows.
///
/// # Errors
///
/// Why the client is not let in, which it was told.
#[inline(never)]
pub(super) fn initiate(
    connection: &Connection,
    channel: &mut Channel,
    header: &Header,
    payload: &mut [u8],
) -> Result<Proof, End> {
    refusing(channel, header.stamp, |channel| {
        let registry = &connection.registry;
        let link = &connection.link;
        let identity = afford(connection)?;
        let (initiated, offer) =
            Initiated::<KernelPrimitives>::new(identity.keys.pair(), header, payload, crc32c)?;
        let client = *initiated.client();
        let export = registry
            .find_at(offer.export.as_bytes(), link.listener())
            .ok_or(Refusal::Unwelcome(Status::NoExport.into()))?;
        let credentials = {
            let inner = export.inner.lock();

            if inner
                .sessions
                .is_of_another(offer.binding.session, Some(&client))
            {
                return Err(OTHER_KEY.into());
            }
            inner.door.demand(link, &client)?
        };
        let preshared = credentials
            .psk
            .as_deref()
            .map_or(Secret::zero(), Secret::duplicate);
        let suite = registry.choose(link.listener().net(), &identity, offer.suites)?;
        let binding = offer.binding;
        let ephemeral = new_secret().map_err(|_| Status::Resource)?;
        let (frame, established, secret) =
            initiated.respond(ephemeral, &preshared, suite, crc32c)?;
        let keys = keep(binding.stamp.epoch, client, &secret)?;

        begin(&identity, channel, frame.as_bytes(), &established)?;
        Ok(Proof {
            credentials,
            binding,
            export,
            keys: Some(keys),
        })
    })
}

/// Returns what a session keeps of the handshake that its `client` has begun `epoch` with, in memory
/// of its own.
fn keep(epoch: Epoch, client: PublicKey, secret: &SessionSecret) -> Result<Arc<SessionKeys>> {
    let keys = SessionKeys {
        epoch,
        secret: SessionSecret::empty(),
        client,
    };
    let mut keys = UniqueArc::new(keys, GFP_KERNEL)?;

    keys.secret.copy(secret);
    Ok(keys.into())
}

/// Returns what a whole handshake takes, if it may be spent on the other side of `connection`, who
/// may be anybody. All that is expensive about a handshake comes after this.
///
/// # Errors
///
/// Why there is no handshake.
fn afford(connection: &Connection) -> Result<Arc<Identity>, Denial> {
    let registry = &connection.registry;
    let link = &connection.link;
    let identity = registry
        .identity(link.listener().net())
        .ok_or(Denial::new(Status::Denied, "this server has no key"))?;

    link.visit()
        .may_handshake(registry.clock.now())
        .map_err(|wall| Denial::new(Status::Resource, wall.text()))?;
    Ok(identity)
}

/// Answers the JOIN that came with `header` and `payload`, and seals what follows.
///
/// # Errors
///
/// Why the client is not let in, which it was told.
#[inline(never)]
pub(super) fn join(
    connection: &Connection,
    channel: &mut Channel,
    header: &Header,
    payload: &[u8],
) -> Result<Proof, End> {
    refusing(channel, header.stamp, |channel| {
        let registry = &connection.registry;
        let link = &connection.link;
        let identity = registry
            .identity(link.listener().net())
            .ok_or(Status::Stale)?;
        let request = JoinRequest::new(header, payload, crc32c)?;
        let (export, keys, credentials) = registry
            .find_keys(request.session(), link.listener())
            .ok_or(Status::Stale)?;
        let joined = request.verify::<KernelPrimitives>(&keys)?;

        // It may have been taken back since the session began.
        export.inner.lock().door.admit(link, Some(&credentials))?;

        let suite = registry.choose(link.listener().net(), &identity, joined.suites())?;
        let binding = *joined.binding();
        let (frame, established) =
            joined.answer::<KernelPrimitives>(suite, random_bytes(), crc32c)?;

        begin(&identity, channel, frame.as_bytes(), &established)?;
        Ok(Proof {
            credentials,
            binding,
            export,
            keys: None,
        })
    })
}

/// Sends `answer`, the last frame in plain, and seals what follows.
#[inline(never)]
fn begin(
    identity: &Identity,
    channel: &mut Channel,
    answer: &[u8],
    established: &Established,
) -> Result<(), Refusal> {
    let cipher = identity
        .ciphers
        .get(established.suite)
        .ok_or(HandshakeError::Suite)?;
    let derive = next_key::<KernelPrimitives>;
    let keys = &established.keys;
    let opening = Opening::new(cipher, &keys.client_to_server, derive)?;
    let sealing = Sealing::new(cipher, &keys.server_to_client, derive, rekey_bytes())?;

    if !channel.outbox.push_ready(answer) {
        return Err(ENOMEM.into());
    }
    channel.send()?;
    // All memory that data is received into, or sent from, is the connection's own.
    channel
        .inbox
        .protect(Incoming::Sealed(opening), Memory::Private);
    channel
        .outbox
        .protect(Outgoing::Sealed(sealing), Memory::Private);
    Ok(())
}

/// What those are told who have a key of their own and nothing else: there is no difference between
/// an export that they may not use and none.
const UNWELCOME: Denial = Denial::new(Status::Denied, "this key is not permitted here");

/// Why there is no handshake.
enum Refusal {
    /// The client is told.
    Denial(Denial),
    /// The client is told [`UNWELCOME`], and the log why.
    Unwelcome(Denial),
    /// The connection cannot go on.
    End(End),
}

impl From<Denial> for Refusal {
    fn from(denial: Denial) -> Self {
        Self::Denial(denial)
    }
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Self::Denial(status.into())
    }
}

impl From<Barred> for Refusal {
    fn from(barred: Barred) -> Self {
        Self::Unwelcome(barred.into())
    }
}

impl From<HandshakeError> for Refusal {
    fn from(error: HandshakeError) -> Self {
        Self::Denial(error.into())
    }
}

impl From<End> for Refusal {
    fn from(end: End) -> Self {
        Self::End(end)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::End(error.into())
    }
}

/// Does `what`, which leaves no secrets on the stack, and tells the client if that is refused.
fn refusing<R>(
    channel: &mut Channel,
    stamp: Stamp,
    what: impl FnOnce(&mut Channel) -> Result<R, Refusal>,
) -> Result<R, End> {
    without_trace::<HANDSHAKE_STACK, _>(|| what(channel)).map_err(|refusal| {
        let (told, why) = match refusal {
            Refusal::Denial(denial) => (denial, denial),
            Refusal::Unwelcome(denial) => (UNWELCOME, denial),
            Refusal::End(end) => return end,
        };

        // If this does not reach it, it finds out by itself.
        let _ = farewell(channel, stamp, &told);
        why.into()
    })
}

/// Says goodbye instead of answering a handshake.
fn farewell(channel: &mut Channel, stamp: Stamp, denial: &Denial) -> Result<(), End> {
    denial.tell(|text| {
        channel.push(Header::bye(stamp, denial.status, 0), |buffer| {
            Attributes::message(text).write(buffer).ok()
        })
    });
    channel.send()
}
