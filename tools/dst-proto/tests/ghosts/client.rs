// SPDX-License-Identifier: GPL-2.0

//! The client of the simulation.

use dst_proto::connection::{
    Cause,
    Event,
    State, //
};
use dst_proto::inflight::{
    Slot,
    Table, //
};
use dst_proto::session::{
    Resend,
    Session,
    Start, //
};
use dst_proto::units::{
    Generation,
    Handle,
    SessionId,
    Stamp, //
};

use crate::wire::{
    Frame,
    Sockets,
    Write, //
};
use crate::{
    Random,
    Report, //
};

/// Connections of the session.
pub(crate) const CONNECTIONS: usize = 3;

/// Cells of the disk.
pub(crate) const CELLS: usize = 8;

/// A write that is not acknowledged.
#[derive(Clone, Copy, Debug)]
struct Pending {
    cell: usize,
    value: u64,
    /// Connection and stamp that it was sent with; nothing if it may be sent.
    sent: Option<(usize, Stamp)>,
    /// Whether it was ever sent.
    tried: bool,
}

/// One connection.
#[derive(Clone, Copy, Debug, Default)]
struct Connection {
    state: State,
    stamp: Stamp,
    socket: Option<usize>,
}

impl Connection {
    fn on(&mut self, event: Event) {
        self.state = self.state.on(event).expect("a step that cannot be");
    }
}

/// The client.
pub(crate) struct Client {
    session: Session,
    connections: [Connection; CONNECTIONS],
    writes: Table<Pending, Vec<Slot<Pending>>>,
    /// The newest value of each cell that a write was begun for.
    newest: [u64; CELLS],
}

impl Client {
    pub(crate) fn new() -> Self {
        Self {
            session: Session::new(SessionId([1; 16])),
            connections: Default::default(),
            writes: Table::new((0..CELLS).map(|_| Slot::new()).collect()),
            newest: [0; CELLS],
        }
    }

    pub(crate) fn newest(&self, cell: usize) -> u64 {
        self.newest[cell]
    }

    pub(crate) fn epoch(&self) -> u32 {
        self.session.epoch().0
    }

    /// The application writes a cell whose last write is acknowledged.
    pub(crate) fn issue(&mut self, random: &mut Random) {
        let cell = random.below(CELLS);

        if self.writes.iter().any(|(_, write)| write.cell == cell) {
            return;
        }
        self.newest[cell] += 1;
        self.writes
            .insert(Pending {
                cell,
                value: self.newest[cell],
                sent: None,
                tried: false,
            })
            .expect("a slot for each cell");
    }

    /// Sends something that may be sent over some live connection.
    pub(crate) fn send(&mut self, random: &mut Random, sockets: &mut Sockets) {
        let number = random.below(CONNECTIONS);
        let connection = self.connections[number];
        let ready: Vec<_> = self
            .writes
            .iter()
            .filter(|(_, write)| write.sent.is_none())
            .map(|(handle, _)| handle)
            .collect();

        if !connection.state.is_live() || ready.is_empty() {
            return;
        }

        let handle = self
            .writes
            .renew(ready[random.below(ready.len())])
            .expect("known");
        let write = self.writes.get_mut(handle).expect("known");

        write.sent = Some((number, connection.stamp));
        write.tried = true;
        sockets.0[connection.socket.expect("live")]
            .to_server
            .push_back(Frame::Write(Write {
                handle,
                cell: write.cell,
                value: write.value,
            }));
    }

    /// Lets an idle connection begin.
    pub(crate) fn connect(&mut self, random: &mut Random, sockets: &mut Sockets) {
        let number = random.below(CONNECTIONS);
        let connection = &mut self.connections[number];

        if connection.state != State::Idle {
            return;
        }

        let last: Generation = connection.stamp.generation;
        let Start::Hello(stamp) = self.session.start(last) else {
            return;
        };
        let socket = sockets.connect();

        assert!(stamp.generation > last);
        connection.on(Event::Connect);
        connection.on(Event::Connected);
        connection.stamp = stamp;
        connection.socket = Some(socket);
        sockets.0[socket].to_server.push_back(Frame::Hello {
            connection: number as u16,
            stamp,
        });
    }

    /// Takes in a frame.
    pub(crate) fn receive(
        &mut self,
        random: &mut Random,
        sockets: &mut Sockets,
        report: &mut Report,
    ) {
        let Some((socket, frame)) = sockets.for_client(random) else {
            return;
        };
        let number = self
            .connections
            .iter()
            .position(|connection| connection.socket == Some(socket))
            .expect("a socket that is not gone");

        match frame {
            Frame::Draining(left) => {
                report.waited += 1;
                self.connections[number].on(Event::Draining { left });
            }
            Frame::Refusal(status) => self.cut(number, Cause::Refused(status), sockets),
            Frame::Welcome => self.welcomed(number, sockets, report),
            Frame::Reply(handle) => self.acknowledged(handle, report),
            Frame::Hello { .. } | Frame::Write(_) => unreachable!("not for a client"),
        }
    }

    /// A connection breaks on the client's side only.
    pub(crate) fn lose(&mut self, random: &mut Random, sockets: &mut Sockets) {
        let number = random.below(CONNECTIONS);

        if self.connections[number].state != State::Idle {
            self.cut(number, Cause::Lost, sockets);
        }
    }

    fn welcomed(&mut self, number: usize, sockets: &mut Sockets, report: &mut Report) {
        let stamp = self.connections[number].stamp;
        let Ok(resend) = self.session.welcomed(stamp) else {
            self.cut(number, Cause::Unacceptable, sockets);
            return;
        };

        self.connections[number].on(Event::Welcomed);
        for (_, write) in self.writes.iter_mut() {
            let fenced = match (resend, write.sent) {
                (_, None) => false,
                (Resend::Session, Some((_, sent))) => {
                    assert!(sent.epoch < stamp.epoch);
                    true
                }
                (Resend::Connection, Some((over, sent))) => {
                    over == number && sent.generation < stamp.generation
                }
            };

            if fenced {
                write.sent = None;
                report.resent += 1;
            }
        }
    }

    fn acknowledged(&mut self, handle: Handle, report: &mut Report) {
        if let Some(write) = self.writes.remove(handle) {
            assert!(write.tried);
            report.acknowledged += 1;
        }
    }

    fn cut(&mut self, number: usize, cause: Cause, sockets: &mut Sockets) {
        let connection = &mut self.connections[number];

        match connection.state.is_live() {
            true => self.session.lost(connection.stamp),
            false => self.session.failed(connection.stamp),
        }
        connection.on(Event::Broken(cause));
        connection.on(Event::Released);
        if let Some(socket) = connection.socket.take() {
            sockets.0[socket].client_gone = true;
        }
    }
}
