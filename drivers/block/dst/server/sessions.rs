// SPDX-License-Identifier: GPL-2.0

//! The sessions of an export: who is connected, since which epoch, and who has to be waited for.
//!
//! A connection is a *member* of its session from the moment its hello is admitted until all its
//! requests are done and it will accept no more. A session is forgotten with its last member.

use kernel::{
    prelude::*,
    str::CString,
    sync::Arc, //
};

use crate::proto::{
    access::Rights,
    fence::{
        KnownSession,
        Writer, //
    },
    handshake::keys::SessionKeys,
    hello::Hello,
    negotiate::MAX_CONNECTIONS,
    secret::PublicKey,
    status::Status,
    units::{
        Epoch,
        Generation,
        SessionId,
        Stamp, //
    }, //
};

use super::{
    config::{
        SessionInfo,
        SessionState, //
    },
    counters::Counters,
    door::Credentials,
    export::Export,
    flushes::Hearing,
    handshake::Proof,
    hello::Denial,
    link::{
        Cut,
        Link,
        Stage, //
    },
    walls::Share, //
};

/// Sessions that an export may have.
const MAX_SESSIONS: usize = 256;

/// Members that a session may have: each connection, and its predecessor that is being completed.
const MAX_MEMBERS: usize = 2 * MAX_CONNECTIONS as usize;

/// A connection of a session.
struct Member {
    link: Arc<Link>,
    /// Its number in the session.
    number: u16,
    stamp: Stamp,
}

/// A client that is attached.
pub(super) struct Session {
    id: SessionId,
    /// What its client has proved in its last whole handshake, if the export has keys. The key is
    /// that of the first connection: all others have to be made with the same one.
    credentials: Option<Credentials>,
    /// Whether it may write.
    write: bool,
    /// Whether its client was told that there is no volatile cache. It does not flush then, whatever
    /// becomes of the device, so all that it writes has to be durable when it is done.
    durable: bool,
    /// The highest epoch it has had.
    epoch: Epoch,
    /// The highest generation of each connection in that epoch.
    generations: [Generation; MAX_CONNECTIONS as usize],
    /// What the client calls itself.
    client: CString,
    /// When it began.
    began: u64,
    /// How many connections it would have, as the first one of its epoch has said.
    connections: u16,
    /// Pages it may have in flight.
    window: u32,
    counters: Arc<Counters>,
    /// What its client knows of flushes that have failed.
    hearing: Arc<Hearing>,
    /// What further connections can join with, from the same handshake. In memory of its own, which
    /// is wiped: this here moves about with the session.
    common: Option<Arc<SessionKeys>>,
    members: KVec<Member>,
    /// It is one of those that its client may have.
    _share: Share,
}

impl Session {
    /// Returns a session without members that begins with `hello` at the time `now`; `durable` if
    /// the client is told that there is no volatile cache. The client has heard of the first `heard`
    /// flushes that have failed.
    pub(super) fn new(
        hello: &Hello<'_>,
        client: CString,
        durable: bool,
        window: u32,
        heard: u64,
        share: Share,
        now: u64,
    ) -> Result<Self> {
        Ok(Self {
            id: hello.session,
            credentials: None,
            write: hello.write,
            durable,
            epoch: Epoch::default(),
            generations: [Generation::default(); MAX_CONNECTIONS as usize],
            client,
            began: now,
            connections: hello.connections,
            window,
            counters: Arc::new(Counters::default(), GFP_KERNEL)?,
            hearing: Hearing::new(heard)?,
            common: None,
            members: KVec::new(),
            _share: share,
        })
    }

    /// Returns what is known of it with regard to a hello of `stamp` for connection `number`.
    fn known(&self, number: u16, stamp: Stamp) -> KnownSession {
        let older = |member: &&Member| member.stamp.epoch < stamp.epoch;
        let earlier = |member: &&Member| {
            member.stamp.epoch == stamp.epoch
                && member.number == number
                && member.stamp.generation < stamp.generation
        };
        // A member that has no requests may still accept some until it has signed off.
        let left = |member: &Member| member.link.inflight().max(1);

        KnownSession {
            epoch: self.epoch,
            generation: self
                .generations
                .get(usize::from(number))
                .copied()
                .unwrap_or_default(),
            older_inflight: self.members.iter().filter(older).map(left).sum(),
            connection_inflight: self.members.iter().filter(earlier).map(left).sum(),
            write: self.write,
        }
    }

    /// Makes the connection that said `hello`, whose client has shown what is in `proof`, a member,
    /// records its stamp and cuts what is older.
    fn join(
        &mut self,
        link: &Arc<Link>,
        hello: &Hello<'_>,
        proof: Option<&Proof>,
    ) -> Result<(), Denial> {
        let (number, stamp) = (hello.connection, hello.stamp);

        if self.members.len() >= MAX_MEMBERS {
            return Err(Denial::new(
                Status::Resource,
                "too many connections of this session",
            ));
        }
        self.members
            .reserve(1, GFP_KERNEL)
            .map_err(|_| Status::Resource)?;
        // There is room for it.
        let _ = self.members.push_within_capacity(Member {
            link: link.clone(),
            number,
            stamp,
        });

        if stamp.epoch > self.epoch {
            self.epoch = stamp.epoch;
            self.connections = hello.connections;
            self.generations = [Generation::default(); MAX_CONNECTIONS as usize];
        }
        if let Some(generation) = self.generations.get_mut(usize::from(number)) {
            *generation = stamp.generation;
        }
        if let Some(proof) = proof {
            self.learn(proof);
        }
        self.cut_older(number, stamp);
        Ok(())
    }

    /// Notes what is in `proof`, if that comes from a whole handshake: what further connections can
    /// join with and what it proves belong together. Who has joined may have done so before they
    /// changed.
    fn learn(&mut self, proof: &Proof) {
        if proof.keys.is_some() {
            self.common = proof.keys.clone();
        }
        if proof.keys.is_some() || self.credentials.is_none() {
            self.credentials = Some(proof.credentials.clone());
        }
    }

    /// Cuts what is older than the connection `number` of `stamp`.
    fn cut_older(&self, number: u16, stamp: Stamp) {
        for member in &self.members {
            let older = member.stamp.epoch < stamp.epoch;
            let earlier = member.number == number && member.stamp.generation < stamp.generation;

            if older || earlier {
                member.link.cut(Cut::Superseded);
            }
        }
    }

    /// Returns its counters.
    pub(super) fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Returns what its client knows of flushes that have failed.
    pub(super) fn hearing(&self) -> &Arc<Hearing> {
        &self.hearing
    }

    /// Returns what has to be known if it comes back: who it is, and of how many failed flushes its
    /// client has heard. What does not write has nothing to lose.
    pub(super) fn legacy(&self) -> Option<(SessionId, u64)> {
        self.write.then(|| (self.id, self.hearing.heard()))
    }

    /// Returns whether all that it writes has to be durable when it is done.
    pub(super) fn is_durable(&self) -> bool {
        self.durable
    }

    /// Returns what its client has proved, if anything.
    pub(super) fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// Returns the key that it began with, if any.
    fn key(&self) -> Option<&PublicKey> {
        self.credentials().map(|credentials| &credentials.key)
    }

    /// Returns what it has to be allowed.
    pub(super) fn needs(&self) -> Rights {
        match self.write {
            true => Rights::ReadWrite,
            false => Rights::ReadOnly,
        }
    }

    /// Returns the requests of all its members.
    fn inflight(&self) -> u32 {
        self.members
            .iter()
            .map(|member| member.link.inflight())
            .sum()
    }

    /// Returns whether some member is at `stage`.
    fn has_member_at(&self, stage: Stage) -> bool {
        self.members.iter().any(|member| member.link.is_at(stage))
    }

    /// Tells about the session of `export` at the time `now`.
    pub(super) fn info(&self, export: &Export, now: u64) -> Result<SessionInfo> {
        let newest = self
            .members
            .iter()
            .max_by_key(|member| member.stamp.generation.0);
        let state = if self.has_member_at(Stage::Fenced) {
            SessionState::Draining
        } else if self.has_member_at(Stage::Serving) {
            SessionState::Active
        } else {
            SessionState::Idle
        };

        Ok(SessionInfo {
            net: export.net().clone(),
            export: CString::try_from(export.name())?,
            id: self.id,
            state,
            peer: newest.map(|member| member.link.peer().clone()),
            key: self.key().copied(),
            client: CString::try_from(&*self.client)?,
            access: self.needs(),
            epoch: self.epoch,
            connections: self
                .members
                .iter()
                .filter(|member| member.link.is_at(Stage::Serving))
                .count() as u32,
            window: self.window,
            age_ms: now.saturating_sub(self.began),
            counts: self.counters.counts(self.inflight()),
        })
    }
}

/// All sessions of an export.
pub(super) struct Sessions(KVec<Session>);

impl Sessions {
    /// Returns no sessions.
    pub(super) const fn new() -> Self {
        Self(KVec::new())
    }

    /// Returns how many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the session with this identity.
    fn get(&self, id: SessionId) -> Option<&Session> {
        self.0.iter().find(|session| session.id == id)
    }

    /// Returns what further connections of the session `id` can join with, and what that proves, if
    /// there is something.
    pub(super) fn keys(&self, id: SessionId) -> Option<(Arc<SessionKeys>, Credentials)> {
        let session = self.get(id)?;

        Some((session.common.clone()?, session.credentials()?.clone()))
    }

    /// Returns what is known of the session of `hello`.
    pub(super) fn known(&self, hello: &Hello<'_>) -> Option<KnownSession> {
        self.known_at(hello.session, hello.connection, hello.stamp)
    }

    /// Returns what is known of the session `id` with regard to a hello of `stamp` for its
    /// connection `number`.
    pub(super) fn known_at(
        &self,
        id: SessionId,
        number: u16,
        stamp: Stamp,
    ) -> Option<KnownSession> {
        Some(self.get(id)?.known(number, stamp))
    }

    /// Returns whether the session `id` belongs to somebody else than who owns `key`, if any.
    pub(super) fn is_of_another(&self, id: SessionId, key: Option<&PublicKey>) -> bool {
        self.get(id).is_some_and(|session| session.key() != key)
    }

    /// Returns how many connections the session of `hello` shares its pages among. That is what the
    /// first one of an epoch says, or each could have the others get less than itself.
    pub(super) fn connections(&self, hello: &Hello<'_>) -> u16 {
        self.get(hello.session)
            .filter(|session| session.epoch == hello.stamp.epoch)
            .map_or(hello.connections, |session| session.connections)
    }

    /// Returns who writes to an export with a single writer.
    pub(super) fn writer(&self) -> Writer {
        self.0
            .iter()
            .find(|session| session.write)
            .map_or(Writer::Vacant, |session| Writer::Held(session.id))
    }

    /// Makes the connection that said `hello`, whose client has shown `proof`, a member of its
    /// session, which is `new` if it is not known yet, and cuts what is older. Returns the session.
    ///
    /// # Errors
    ///
    /// What the client is to be told if there are too many sessions or members, or there is no
    /// memory, and what `new` returns.
    pub(super) fn join(
        &mut self,
        hello: &Hello<'_>,
        link: &Arc<Link>,
        proof: Option<&Proof>,
        new: impl FnOnce() -> Result<Session, Denial>,
    ) -> Result<&Session, Denial> {
        let known = self.0.iter().position(|it| it.id == hello.session);
        let index = match known.and_then(|index| Some((index, self.0.get_mut(index)?))) {
            Some((index, session)) => {
                session.join(link, hello, proof)?;
                index
            }
            None => {
                if self.0.len() >= MAX_SESSIONS {
                    return Err(Denial::new(
                        Status::Resource,
                        "too many sessions of this export",
                    ));
                }

                let mut session = new()?;

                session.join(link, hello, proof)?;
                self.0
                    .push(session, GFP_KERNEL)
                    .map_err(|_| Status::Resource)?;
                self.0.len() - 1
            }
        };

        Ok(self.0.get(index).ok_or(Status::Resource)?)
    }

    /// Cuts what the client that said `hello` has given up by coming back, though it does not get in.
    pub(super) fn supersede(&self, hello: &Hello<'_>) {
        if let Some(session) = self.get(hello.session) {
            session.cut_older(hello.connection, hello.stamp);
        }
    }

    /// Ends the membership of `link`, which has no requests and accepts no more, and wakes those
    /// who may have waited for that. Returns the session if it ended with it.
    pub(super) fn leave(&mut self, link: &Arc<Link>) -> Option<Session> {
        let is_link = |member: &Member| Arc::ptr_eq(&member.link, link);
        let index = self
            .0
            .iter()
            .position(|session| session.members.iter().any(is_link))?;
        let session = self.0.get_mut(index)?;

        session.members.retain(|member| !is_link(member));
        for member in &session.members {
            if member.link.is_at(Stage::Fenced) {
                member.link.mailbox().wake();
            }
        }
        match session.members.is_empty() {
            true => self.0.remove(index).ok(),
            false => None,
        }
    }

    /// Cuts the members that `doomed` says, given their session, because of `why`. Returns how many
    /// of them were not cut before.
    pub(super) fn cut(&self, why: Cut, doomed: impl Fn(&Link, &Session) -> bool) -> u64 {
        let mut cut = 0;

        for session in &self.0 {
            for member in &session.members {
                if doomed(&member.link, session) {
                    cut += u64::from(member.link.is_cut().is_none());
                    member.link.cut(why);
                }
            }
        }
        cut
    }

    /// Wakes all members.
    pub(super) fn wake(&self) {
        for session in &self.0 {
            for member in &session.members {
                member.link.mailbox().wake();
            }
        }
    }

    /// Returns how many connections are served, and how many requests all of them have.
    pub(super) fn load(&self) -> (u32, u32) {
        let members = || self.0.iter().flat_map(|session| session.members.iter());

        (
            members()
                .filter(|member| member.link.is_at(Stage::Serving))
                .count() as u32,
            members().map(|member| member.link.inflight()).sum(),
        )
    }

    /// Tells about all sessions of `export` at the time `now`.
    pub(super) fn info(&self, export: &Export, now: u64) -> Result<KVec<SessionInfo>> {
        let mut infos = KVec::with_capacity(self.0.len(), GFP_KERNEL)?;

        for session in &self.0 {
            infos.push(session.info(export, now)?, GFP_KERNEL)?;
        }
        Ok(infos)
    }

    /// Tells about the session `id`, see [`Self::info`].
    pub(super) fn info_of(&self, id: SessionId, export: &Export, now: u64) -> Option<SessionInfo> {
        self.get(id)?.info(export, now).ok()
    }
}
