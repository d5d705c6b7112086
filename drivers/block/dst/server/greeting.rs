// SPDX-License-Identifier: GPL-2.0

//! The time before the welcome: the client introduces itself, and has to wait if it has come back.

use kernel::{
    prelude::*,
    str::CString, //
};

use crate::{
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
    hello::{
        Admission,
        Denial, //
    },
    link::DRAINING_TICK, //
};

/// A hello that is being received.
pub(super) enum Greeting {
    /// Its header is awaited.
    Header,
    /// So many bytes of its payload are there.
    Payload(KVec<u8>, usize),
}

impl Greeting {
    /// Receives the hello and decides about it; [`None`] if not all of it is there yet.
    pub(super) fn advance(
        &mut self,
        connection: &Connection,
        channel: &mut Channel,
    ) -> Result<Option<Admission>, End> {
        if let Self::Header = self {
            let Some(header) = channel.inbox.header(&channel.socket)? else {
                return Ok(None);
            };

            if header.opcode != Opcode::Hello || header.reply {
                return Err(End::Violation("does not introduce itself"));
            }

            // Bounded by the check of the header.
            let len = header.payload.min(MAX_CONTROL_PAYLOAD) as usize;

            *self = Self::Payload(KVec::from_elem(0, len, GFP_KERNEL).map_err(|_| ENOMEM)?, 0);
        }

        let Self::Payload(payload, have) = self else {
            return Ok(None);
        };

        while let Some(rest) = payload.get_mut(*have..).filter(|rest| !rest.is_empty()) {
            match channel.inbox.bytes(&channel.socket, rest)? {
                Some(len) => *have += len,
                None => return Ok(None),
            }
        }

        let hello = Hello::decode(payload).map_err(|error| End::Violation(error.text()))?;

        match admit(connection, &hello) {
            Ok(admission) => Ok(Some(admission)),
            Err(denial) => {
                refuse(channel, hello.stamp, &denial)?;
                Err(denial.into())
            }
        }
    }
}

/// Decides about `hello`.
fn admit(connection: &Connection, hello: &Hello<'_>) -> Result<Admission, Denial> {
    let registry = &connection.registry;
    let link = &connection.link;
    let export = registry
        .find_at(hello.export.as_bytes(), link.listener())
        .ok_or(Status::NoExport)?;

    // A hello that comes in plain proves nothing.
    Admission::new(&export, hello, link, None, registry.clock.now())
}

/// Tells the client that it is not let in.
pub(super) fn refuse(channel: &mut Channel, stamp: Stamp, denial: &Denial) -> Result<(), End> {
    let header = Header::answer(Opcode::Hello, Handle::NONE, stamp, denial.status);
    let message = CString::try_from_fmt(fmt!("{}", denial.reason)).ok();
    let text = message.as_deref().and_then(|text| text.to_str().ok());

    if channel.push(header, |buffer| {
        Attributes::message(text.unwrap_or(denial.status.text()))
            .write(buffer)
            .ok()
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
