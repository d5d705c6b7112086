// SPDX-License-Identifier: GPL-2.0

//! Sockets that can break on one side only, and what travels through them.

use std::collections::VecDeque;

use dst_proto::status::Status;
use dst_proto::units::{
    Handle,
    Stamp, //
};

use crate::Random;

/// A write to one cell of the disk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Write {
    pub(crate) handle: Handle,
    pub(crate) cell: usize,
    pub(crate) value: u64,
}

/// What travels.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Frame {
    Hello { connection: u16, stamp: Stamp },
    Draining(u32),
    Welcome,
    Refusal(Status),
    Write(Write),
    Reply(Handle),
}

/// A connection of the network, in both directions.
#[derive(Debug, Default)]
pub(crate) struct Socket {
    pub(crate) to_server: VecDeque<Frame>,
    pub(crate) to_client: VecDeque<Frame>,
    pub(crate) client_gone: bool,
    pub(crate) server_gone: bool,
}

/// All connections that there ever were.
#[derive(Debug, Default)]
pub(crate) struct Sockets(pub(crate) Vec<Socket>);

impl Sockets {
    /// A new one.
    pub(crate) fn connect(&mut self) -> usize {
        self.0.push(Socket::default());
        self.0.len() - 1
    }

    /// Takes a frame out that the server gets next: what the client has sent arrives even after
    /// the client is gone.
    pub(crate) fn for_server(&mut self, random: &mut Random) -> Option<(usize, Frame)> {
        let ready: Vec<_> = (0..self.0.len())
            .filter(|socket| {
                let socket = &self.0[*socket];

                !socket.server_gone && !socket.to_server.is_empty()
            })
            .collect();
        let socket = *ready.get(random.below(ready.len().max(1)))?;

        self.0[socket].to_server.pop_front().map(|f| (socket, f))
    }

    /// Takes a frame out that the client gets next.
    pub(crate) fn for_client(&mut self, random: &mut Random) -> Option<(usize, Frame)> {
        let ready: Vec<_> = (0..self.0.len())
            .filter(|socket| {
                let socket = &self.0[*socket];

                !socket.client_gone && !socket.to_client.is_empty()
            })
            .collect();
        let socket = *ready.get(random.below(ready.len().max(1)))?;

        self.0[socket].to_client.pop_front().map(|f| (socket, f))
    }
}
