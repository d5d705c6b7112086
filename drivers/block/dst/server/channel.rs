// SPDX-License-Identifier: GPL-2.0

//! What a connection receives from and sends into.

use kernel::prelude::*;

use crate::{
    abstractions::socket::Socket,
    proto::{
        digest::Digest,
        frame::Header,
        units::SessionId, //
    },
    wire::{
        fault::Fault,
        inbox::Inbox,
        outbox::Outbox,
        protection::{
            Incoming,
            Memory,
            Outgoing, //
        }, //
    }, //
};

use super::{
    connection::End,
    export::Export,
    reply::Data, //
};

/// Frames that may wait to be sent.
const OUTBOX_FRAMES: usize = 256;

/// Bytes of the largest payload that the server makes up itself, a refusal.
const MAX_OWN_PAYLOAD: usize = 1024;

/// The two directions of a connection.
pub(super) struct Channel {
    pub(super) socket: Socket,
    pub(super) inbox: Inbox,
    pub(super) outbox: Outbox<Data>,
}

impl Channel {
    /// Returns the channel over `socket`, on which nothing was sent or received yet. Process context.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory.
    pub(super) fn new(socket: Socket) -> Result<Self> {
        Ok(Self {
            socket,
            inbox: Inbox::new()?,
            outbox: Outbox::new(OUTBOX_FRAMES)?,
        })
    }

    /// Puts a frame of the server's own into the outbox: `header`, and what `payload` writes.
    ///
    /// Returns whether there was room.
    pub(super) fn push(
        &mut self,
        header: Header,
        payload: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) -> bool {
        let mut buffer = [0; MAX_OWN_PAYLOAD];
        let Some(payload) = payload(&mut buffer).and_then(|len| buffer.get(..len)) else {
            return false;
        };
        let header = Header {
            // No more than `MAX_OWN_PAYLOAD`.
            payload: payload.len() as u32,
            ..header
        };

        self.outbox.push(&header, payload, None).is_ok()
    }

    /// Has what follows in both directions carry `digest`, which `export` has agreed to.
    pub(super) fn protect(
        &mut self,
        export: &Export,
        digest: Digest,
        session: SessionId,
    ) -> Result {
        let method = export.digests.get(digest).ok_or(EINVAL)?;

        let incoming = Incoming::Digest(method.prepare(session)?);
        let outgoing = Outgoing::Digest(method.prepare(session)?);

        self.inbox.protect(incoming, Memory::Private);
        self.outbox.protect(outgoing, Memory::Private);
        Ok(())
    }

    /// Puts a frame without payload into the outbox; returns whether there was room.
    pub(super) fn push_bare(&mut self, header: Header) -> bool {
        self.outbox.push(&header, &[], None).is_ok()
    }

    /// Sends what there is room for; what has a body is thrown away.
    pub(super) fn send(&mut self) -> Result<(), End> {
        self.outbox
            .send(&self.socket, false, drop, || ())
            .map(|_| ())
            .map_err(|error| End::Fault(Fault::Socket(error)))
    }
}
