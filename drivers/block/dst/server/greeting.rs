// SPDX-License-Identifier: GPL-2.0

//! The time before the welcome: the client introduces itself, and has to wait if it has come back.

use kernel::prelude::*;

use crate::{
    abstractions::aead::TAG_SIZE,
    proto::{
        attribute::Attributes,
        frame::{
            Header,
            MAX_CONTROL_PAYLOAD, //
        },
        hello::Hello,
        opcode::Opcode,
        status::Status,
        units::{
            Handle,
            Stamp, //
        }, //
    }, //
};

use super::{
    channel::Channel,
    connection::{
        Connection,
        End, //
    },
    export::Export,
    handshake::{
        initiate,
        join,
        Proof, //
    },
    hello::{
        Admission,
        Denial, //
    },
    link::DRAINING_TICK, //
};

/// A client that introduces itself.
pub(super) struct Greeting {
    /// What it has shown in a handshake, if the connection is sealed.
    proof: Option<Proof>,
    receiving: Receiving,
}

/// What is being received.
enum Receiving {
    /// The header of a frame.
    Header,
    /// The payload of the frame with this header, so many bytes of which are there.
    Payload(Header, KVec<u8>, usize),
}

impl Greeting {
    /// Returns a greeting nothing of which was received.
    pub(super) fn new() -> Self {
        Self {
            proof: None,
            receiving: Receiving::Header,
        }
    }

    /// Returns the export whose client has got as far as the handshake, and no further.
    pub(super) fn half_way(&self) -> Option<&Export> {
        self.proof.as_ref().map(Proof::export)
    }

    /// Receives the hello, after a handshake if there is one, and decides about it; [`None`] if not
    /// all of it is there yet.
    #[inline(never)]
    pub(super) fn advance(
        &mut self,
        connection: &Connection,
        channel: &mut Channel,
    ) -> Result<Option<KBox<Admission>>, End> {
        loop {
            let Some((header, mut payload)) = self.receive(channel)? else {
                return Ok(None);
            };
            let payload = payload
                .get_mut(..header.payload as usize)
                .unwrap_or_default();

            match header.opcode {
                Opcode::Initiate => {
                    self.proof = Some(initiate(connection, channel, &header, payload)?);
                }
                Opcode::Join => {
                    self.proof = Some(join(connection, channel, &header, payload)?);
                }
                _ => return self.greeted(connection, channel, payload).map(Some),
            }
        }
    }

    /// Receives a frame that may come now; [`None`] if not all of it is there yet.
    fn receive(&mut self, channel: &mut Channel) -> Result<Option<(Header, KVec<u8>)>, End> {
        if let Receiving::Header = self.receiving {
            let Some(header) = channel.inbox.header(&channel.socket)? else {
                return Ok(None);
            };
            let is_expected = match header.opcode {
                Opcode::Hello => !header.reply,
                Opcode::Initiate | Opcode::Join => !header.reply && self.proof.is_none(),
                _ => false,
            };

            if !is_expected {
                return Err(End::Violation("does not introduce itself"));
            }

            // Bounded by the check of the header.
            let len = header.payload.min(MAX_CONTROL_PAYLOAD) as usize;
            let payload = KVec::from_elem(0, len + TAG_SIZE, GFP_KERNEL).map_err(|_| ENOMEM)?;

            self.receiving = Receiving::Payload(header, payload, 0);
        }

        let Receiving::Payload(header, payload, have) = &mut self.receiving else {
            return Ok(None);
        };

        loop {
            let len = header.payload as usize;

            match channel.inbox.payload(&channel.socket, payload, len, have)? {
                Some(true) => break,
                Some(false) => (),
                None => return Ok(None),
            }
        }
        match core::mem::replace(&mut self.receiving, Receiving::Header) {
            Receiving::Payload(header, payload, _) => Ok(Some((header, payload))),
            Receiving::Header => Ok(None),
        }
    }

    /// Decides about the hello in `payload`.
    fn greeted(
        &mut self,
        connection: &Connection,
        channel: &mut Channel,
        payload: &[u8],
    ) -> Result<KBox<Admission>, End> {
        let hello = Hello::decode(payload).map_err(|error| End::Violation(error.text()))?;

        if self.proof.as_ref().is_some_and(|it| !it.covers(&hello)) {
            return Err(End::Violation(
                "hello for something else than the handshake",
            ));
        }
        // A frame was opened: if there was a handshake it was the client itself, just now.
        admit(connection, &hello, self.proof.as_ref()).or_else(|denial| {
            refuse(channel, hello.stamp, &denial)?;
            Err(denial.into())
        })
    }
}

/// Decides about `hello` of a client that has shown what is in `proof`, if anything.
fn admit(
    connection: &Connection,
    hello: &Hello<'_>,
    proof: Option<&Proof>,
) -> Result<KBox<Admission>, Denial> {
    let registry = &connection.registry;
    let link = &connection.link;
    let export = registry
        .find_at(hello.export.as_bytes(), link.listener())
        .ok_or(Status::NoExport)?;

    // Before the client is let in, so that nothing can fail afterwards.
    let room = KBox::new_uninit(GFP_KERNEL).map_err(|_| Status::Resource)?;

    Ok(KBox::write(
        room,
        Admission::new(&export, hello, link, proof, registry.clock.now())?,
    ))
}

/// Tells the client that it is not let in.
pub(super) fn refuse(channel: &mut Channel, stamp: Stamp, denial: &Denial) -> Result<(), End> {
    let header = Header::answer(Opcode::Hello, Handle::NONE, stamp, denial.status);

    if denial.tell(|text| {
        channel.push(header, |buffer| {
            Attributes::message(text).write(buffer).ok()
        })
    }) {
        channel.send()?;
    }
    Ok(())
}

/// Lets the client wait for `left` of its older requests, and tells it so now and then; `told` is
/// when it was last told.
pub(super) fn wait(
    connection: &Connection,
    channel: &mut Channel,
    stamp: Stamp,
    left: u32,
    told: &mut u64,
) -> Result<(), End> {
    let now = connection.registry.clock.now();

    // It has nothing to say until it is welcomed, but it can go away.
    if let Some(header) = channel.inbox.header(&channel.socket)? {
        return Err(match header.opcode {
            Opcode::Bye => End::Bye,
            _ => End::Violation("request before the welcome"),
        });
    }
    if *told == 0 || now.saturating_sub(*told) >= DRAINING_TICK {
        *told = now.max(1);
        channel.push_bare(Header::draining(stamp, left));
    }
    channel.send()
}
