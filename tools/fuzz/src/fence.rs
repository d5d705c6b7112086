// SPDX-License-Identifier: GPL-2.0

//! The server's fence against clients that say what they like: nobody is welcomed while something
//! older can still land, and nothing old is let in again.

use arbitrary::Arbitrary;
use dst_proto::access::Rights;
use dst_proto::fence::{
    decide,
    Decision,
    Fence,
    FenceState,
    KnownSession,
    Scope,
    Writer, //
};
use dst_proto::hello::Hello;
use dst_proto::negotiate::{
    Features,
    Versions, //
};
use dst_proto::status::Status;
use dst_proto::units::{
    Epoch,
    Generation,
    SessionId,
    Stamp,
    Uuid, //
};

use crate::stamp;

/// Sessions, and connections of each.
const SESSIONS: usize = 3;
const CONNECTIONS: usize = 3;

/// Something that happens to the server.
#[derive(Arbitrary, Debug)]
pub enum Step {
    /// A hello comes.
    Hello {
        /// Which session.
        session: u8,
        /// Which connection of it.
        connection: u8,
        /// Counted from what the session is in, minus four.
        epoch: u8,
        /// Counted from that of the connection, minus four.
        generation: u8,
        /// Whether the client wants to write.
        write: bool,
        /// What it may do.
        rights: u8,
    },
    /// A request comes over some connection.
    Request(u8),
    /// The disk is done with some request.
    Complete(u8),
    /// Looks whether somebody has waited long enough.
    Look(u8),
    /// A connection breaks.
    Lose(u8),
    /// A session that has nothing left is forgotten.
    Forget(u8),
}

/// What the server remembers of a session.
#[derive(Clone, Copy, Debug, Default)]
struct Memory {
    epoch: Epoch,
    generations: [Generation; CONNECTIONS],
    write: bool,
    /// The stamps of the last welcomes.
    welcomed: [Stamp; CONNECTIONS],
}

/// A connection that is there, or a request of one.
#[derive(Clone, Copy, Debug)]
struct Party {
    session: usize,
    connection: usize,
    stamp: Stamp,
    fence: Option<Fence>,
}

/// The server.
#[derive(Default)]
struct Server {
    sessions: [Option<Memory>; SESSIONS],
    peers: Vec<Party>,
    requests: Vec<Party>,
}

/// Does all steps; `exclusive` lets only one session write.
pub fn fuzz(exclusive: bool, steps: &[Step]) {
    let mut server = Server::default();

    for step in steps {
        server.take(exclusive, step);
    }
}

/// The n-th of so many, if there are any.
fn pick(number: u8, count: usize) -> Option<usize> {
    usize::from(number).checked_rem(count)
}

impl Server {
    fn take(&mut self, exclusive: bool, step: &Step) {
        match *step {
            Step::Hello {
                session,
                connection,
                epoch,
                generation,
                write,
                rights,
            } => {
                let session = usize::from(session) % SESSIONS;
                let connection = usize::from(connection) % CONNECTIONS;
                let memory = self.sessions[session].unwrap_or_default();
                let near = |base: u32, distance: u8| {
                    base.saturating_sub(4)
                        .saturating_add(u32::from(distance))
                        .max(1)
                };
                let stamp = stamp(
                    near(memory.epoch.0, epoch),
                    near(memory.generations[connection].0, generation),
                );
                let party = Party {
                    session,
                    connection,
                    stamp,
                    fence: None,
                };
                let rights =
                    [Rights::None, Rights::ReadOnly, Rights::ReadWrite][usize::from(rights) % 3];

                self.greeted(exclusive, party, write, rights);
            }
            Step::Request(number) => {
                if let Some(number) = pick(number, self.peers.len()) {
                    let peer = self.peers[number];

                    if peer.fence.is_none() && self.requests.len() < 16 {
                        self.requests.push(peer);
                    }
                }
            }
            Step::Complete(number) => {
                if let Some(number) = pick(number, self.requests.len()) {
                    let done = self.requests.remove(number);

                    self.landed(&done);
                }
            }
            Step::Look(number) => {
                if let Some(number) = pick(number, self.peers.len()) {
                    self.look(number);
                }
            }
            Step::Lose(number) => {
                if let Some(number) = pick(number, self.peers.len()) {
                    self.peers.remove(number);
                }
            }
            Step::Forget(session) => {
                let session = usize::from(session) % SESSIONS;

                if self.is_idle(session) {
                    self.sessions[session] = None;
                }
            }
        }
    }

    /// Whether a session has neither connections nor requests.
    fn is_idle(&self, session: usize) -> bool {
        let mut parties = self.peers.iter().chain(&self.requests);

        !parties.any(|party| party.session == session)
    }

    /// Who writes, if that is one at most.
    fn writer(&self, exclusive: bool) -> Writer {
        if !exclusive {
            return Writer::Shared;
        }

        let mut writers = (0..SESSIONS).filter(|session| {
            self.sessions[*session].is_some_and(|memory| memory.write) && !self.is_idle(*session)
        });
        let writer = writers.next();

        assert_eq!(writers.next(), None, "two writers");
        writer.map_or(Writer::Vacant, |session| Writer::Held(identity(session)))
    }

    /// Requests of the session that are older than all of this epoch, and those of earlier
    /// generations of the connection.
    fn older(&self, party: &Party, epoch: Epoch) -> [u32; 2] {
        let count = |older: &dyn Fn(&Party) -> bool| {
            self.requests
                .iter()
                .filter(|request| request.session == party.session && older(request))
                .count() as u32
        };

        [
            count(&|request| request.stamp.epoch < epoch),
            count(&|request| {
                request.stamp.epoch == epoch
                    && request.connection == party.connection
                    && request.stamp.generation < party.stamp.generation
            }),
        ]
    }

    fn known(&self, party: &Party) -> Option<KnownSession> {
        let memory = self.sessions[party.session]?;
        let [older_inflight, connection_inflight] = self.older(party, memory.epoch);

        Some(KnownSession {
            epoch: memory.epoch,
            generation: memory.generations[party.connection],
            older_inflight,
            connection_inflight,
            write: memory.write,
        })
    }

    fn greeted(&mut self, exclusive: bool, party: Party, write: bool, rights: Rights) {
        let hello = Hello {
            versions: Versions::OURS,
            write,
            features: Features::NONE,
            session: identity(party.session),
            uuid: Uuid::ANY,
            stamp: party.stamp,
            connection: party.connection as u16,
            connections: CONNECTIONS as u16,
            export: "disk",
            client: None,
            digest: None,
        };
        let writer = self.writer(exclusive);
        let known = self.known(&party);
        let memory = self.sessions[party.session];
        let last = memory.map(|memory| (memory.epoch, memory.generations[party.connection]));
        let newer = last.is_none_or(|(epoch, generation)| {
            party.stamp.epoch > epoch
                || party.stamp.epoch == epoch && party.stamp.generation > generation
        });
        let permitted = rights == Rights::ReadWrite || rights == Rights::ReadOnly && !write;
        let free = !write || !matches!(writer, Writer::Held(held) if held != hello.session);
        let constant = memory.is_none_or(|memory| memory.write == write);
        let decision = decide(&hello, known.as_ref(), writer, rights);

        match decision {
            Decision::Refuse(status) => {
                let reason = match status {
                    Status::Denied => !permitted,
                    Status::InUse => !free,
                    Status::Invalid => !constant,
                    Status::Stale => !newer,
                    _ => false,
                };

                return assert!(reason, "refused with {status:?}");
            }
            Decision::Accept | Decision::Fence(_) => {
                assert!(permitted && free && constant, "let in without the right");
                assert!(newer, "an old epoch or generation was let in");
            }
        }
        self.settle(party, write, decision);
    }

    /// Records the stamp of a hello that was not refused, and cuts what is older.
    fn settle(&mut self, party: Party, write: bool, decision: Decision) {
        let memory = self.sessions[party.session].get_or_insert(Memory {
            write,
            ..Memory::default()
        });

        if party.stamp.epoch > memory.epoch {
            memory.generations = Default::default();
        }
        memory.epoch = party.stamp.epoch;
        memory.generations[party.connection] = party.stamp.generation;
        self.peers.retain(|peer| {
            peer.session != party.session
                || peer.stamp.epoch == party.stamp.epoch && peer.connection != party.connection
        });
        self.peers.push(Party {
            fence: match decision {
                Decision::Fence(scope) => Some(Fence::new(party.stamp, scope)),
                Decision::Accept | Decision::Refuse(_) => None,
            },
            ..party
        });
        if let Decision::Fence(Scope::Connection(connection)) = decision {
            assert_eq!(usize::from(connection), party.connection);
        }
        if decision == Decision::Accept {
            self.welcome(self.peers.len() - 1);
        }
    }

    fn look(&mut self, number: usize) {
        let peer = self.peers[number];
        let (Some(fence), Some(known)) = (peer.fence, self.known(&peer)) else {
            return;
        };
        let [session, connection] = self.older(&peer, peer.stamp.epoch);

        match fence.state(&known) {
            FenceState::Done => self.welcome(number),
            FenceState::Draining(left) => assert_eq!(left, session + connection),
            // Who was overtaken was cut at once.
            FenceState::Superseded => unreachable!("nobody has overtaken"),
        }
    }

    fn welcome(&mut self, number: usize) {
        let peer = &mut self.peers[number];

        peer.fence = None;

        let peer = *peer;
        let left = self.older(&peer, peer.stamp.epoch);

        assert_eq!(left, [0, 0], "welcomed before what is older was done");

        let memory = self.sessions[peer.session].as_mut().expect("known");
        let last = &mut memory.welcomed[peer.connection];

        assert!(
            (last.epoch, last.generation) < (peer.stamp.epoch, peer.stamp.generation),
            "an older hello was welcomed"
        );
        *last = peer.stamp;
    }

    /// A request is done: nothing newer may have been welcomed before.
    fn landed(&self, request: &Party) {
        let Some(memory) = self.sessions[request.session] else {
            return;
        };

        for (connection, welcomed) in memory.welcomed.iter().enumerate() {
            assert!(
                welcomed.epoch <= request.stamp.epoch,
                "a ghost of an older epoch"
            );
            assert!(
                connection != request.connection
                    || welcomed.epoch < request.stamp.epoch
                    || welcomed.generation <= request.stamp.generation,
                "a ghost of an older connection"
            );
        }
    }
}

/// The identity of a session.
fn identity(session: usize) -> SessionId {
    SessionId([session as u8; 16])
}
