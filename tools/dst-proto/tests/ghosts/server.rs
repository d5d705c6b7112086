// SPDX-License-Identifier: GPL-2.0

//! The server of the simulation.

use dst_proto::access::Rights;
use dst_proto::fence::{
    decide,
    Decision,
    Fence,
    FenceState,
    KnownSession,
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

use crate::client::CONNECTIONS;
use crate::wire::{
    Frame,
    Sockets,
    Write, //
};
use crate::{
    Fencing,
    Random, //
};

/// A connection that was accepted.
#[derive(Clone, Copy, Debug)]
struct Peer {
    socket: usize,
    connection: u16,
    stamp: Stamp,
    /// What it waits for; nothing once it is welcomed.
    fence: Option<Fence>,
}

/// A request that is not done.
#[derive(Clone, Copy, Debug)]
struct Inflight {
    socket: usize,
    connection: u16,
    stamp: Stamp,
    write: Write,
}

/// The server, which knows one session.
pub(crate) struct Server {
    fencing: Fencing,
    known: bool,
    epoch: Epoch,
    /// Highest generation of each connection in this epoch.
    generations: [Generation; CONNECTIONS],
    peers: Vec<Peer>,
    inflight: Vec<Inflight>,
    /// The stamps of all welcomes, which must rise.
    welcomed: [Stamp; CONNECTIONS],
}

impl Server {
    pub(crate) fn new(fencing: Fencing) -> Self {
        Self {
            fencing,
            known: false,
            epoch: Epoch(0),
            generations: [Generation(0); CONNECTIONS],
            peers: Vec::new(),
            inflight: Vec::new(),
            welcomed: [Stamp::default(); CONNECTIONS],
        }
    }

    /// Takes in a frame.
    pub(crate) fn receive(&mut self, random: &mut Random, sockets: &mut Sockets) {
        match sockets.for_server(random) {
            Some((socket, Frame::Hello { connection, stamp })) => {
                self.greeted(socket, connection, stamp, sockets);
            }
            Some((socket, Frame::Write(write))) => {
                let peer = self.peers.iter().find(|peer| peer.socket == socket);
                let peer = peer.expect("a write before the hello");

                assert_eq!(peer.fence, None, "a write before the welcome");
                self.inflight.push(Inflight {
                    socket,
                    connection: peer.connection,
                    stamp: peer.stamp,
                    write,
                });
            }
            Some((_, frame)) => unreachable!("not for a server: {frame:?}"),
            None => (),
        }
    }

    /// The disk is done with some request.
    pub(crate) fn execute(&mut self, random: &mut Random, sockets: &mut Sockets) -> Option<Write> {
        if self.inflight.is_empty() {
            return None;
        }

        // Now and then one request is forgotten by a sick disk for long.
        let number = match random.below(8) {
            0 => random.below(self.inflight.len()),
            _ => self.inflight.len() - 1,
        };
        let done = self.inflight.remove(number);

        sockets.0[done.socket]
            .to_client
            .push_back(Frame::Reply(done.write.handle));
        Some(done.write)
    }

    /// Looks whether somebody has waited long enough.
    pub(crate) fn look_at_fences(&mut self, random: &mut Random, sockets: &mut Sockets) {
        if self.peers.is_empty() {
            return;
        }

        let number = random.below(self.peers.len());
        let peer = self.peers[number];
        let Some(fence) = peer.fence else {
            return;
        };

        match fence.state(&self.known(peer.connection, peer.stamp)) {
            FenceState::Done => self.welcome(number, sockets),
            FenceState::Draining(left) => sockets.0[peer.socket]
                .to_client
                .push_back(Frame::Draining(left)),
            FenceState::Superseded => {
                self.peers.swap_remove(number);
                refuse(peer.socket, Status::Stale, sockets);
            }
        }
    }

    /// A connection breaks; the client does not notice, or only when it is told.
    pub(crate) fn lose(&mut self, random: &mut Random, sockets: &mut Sockets) {
        if !self.peers.is_empty() {
            let peer = self.peers.swap_remove(random.below(self.peers.len()));

            sockets.0[peer.socket].server_gone = true;
        }
    }

    /// What the server knows when a hello for this connection comes.
    fn known(&self, connection: u16, stamp: Stamp) -> KnownSession {
        let count = |older: &dyn Fn(&Inflight) -> bool| {
            self.inflight
                .iter()
                .filter(|request| older(request))
                .count() as u32
        };

        KnownSession {
            epoch: self.epoch,
            generation: self.generations[usize::from(connection)],
            older_inflight: count(&|request| request.stamp.epoch < self.epoch),
            connection_inflight: count(&|request| {
                request.stamp.epoch == self.epoch
                    && request.connection == connection
                    && request.stamp.generation < stamp.generation
            }),
            write: true,
        }
    }

    fn greeted(&mut self, socket: usize, connection: u16, stamp: Stamp, sockets: &mut Sockets) {
        let hello = Hello {
            versions: Versions::OURS,
            write: true,
            features: Features::NONE,
            session: SessionId([1; 16]),
            uuid: Uuid::ANY,
            stamp,
            connection,
            connections: CONNECTIONS as u16,
            export: "disk",
            client: None,
            digest: None,
        };
        let known = self.known.then(|| self.known(connection, stamp));
        let fence = match decide(&hello, known.as_ref(), Writer::Vacant, Rights::ReadWrite) {
            Decision::Accept => None,
            Decision::Fence(scope) => Some(Fence::new(stamp, scope)),
            Decision::Refuse(status) => return refuse(socket, status, sockets),
        };

        if stamp.epoch > self.epoch {
            self.generations = [Generation(0); CONNECTIONS];
        }
        self.known = true;
        self.epoch = stamp.epoch;
        self.generations[usize::from(connection)] = stamp.generation;

        // What is older accepts nothing any more; it was fenced by the new stamp.
        let (old, kept): (Vec<_>, Vec<_>) = self
            .peers
            .iter()
            .partition(|peer| peer.stamp.epoch < stamp.epoch || peer.connection == connection);

        self.peers = kept;
        for peer in old {
            sockets.0[peer.socket].server_gone = true;
        }

        self.peers.push(Peer {
            socket,
            connection,
            stamp,
            fence,
        });
        if fence.is_none() || self.fencing == Fencing::Off {
            self.welcome(self.peers.len() - 1, sockets);
        }
    }

    fn welcome(&mut self, number: usize, sockets: &mut Sockets) {
        let peer = &mut self.peers[number];
        let last = &mut self.welcomed[usize::from(peer.connection)];

        assert!(
            (last.epoch, last.generation) < (peer.stamp.epoch, peer.stamp.generation),
            "an older hello was welcomed"
        );
        *last = peer.stamp;
        peer.fence = None;
        sockets.0[peer.socket].to_client.push_back(Frame::Welcome);
    }
}

/// Refuses a hello, after which the socket is of no use.
fn refuse(socket: usize, status: Status, sockets: &mut Sockets) {
    sockets.0[socket].server_gone = true;
    sockets.0[socket]
        .to_client
        .push_back(Frame::Refusal(status));
}
