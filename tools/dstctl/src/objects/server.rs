// SPDX-License-Identifier: GPL-2.0

//! What all exports of a network namespace have in common, as the kernel tells it.

use super::Suite;
use crate::netlink::{
    Malformed,
    Reader, //
};
use crate::uapi::{
    server as attr,
    walls, //
};
use dst_proto::secret::PublicKey;
use serde::Serialize;

/// A number for each wall: where it stands, what there is, or who ran into it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Walls {
    /// Connections.
    pub connections: Option<u64>,
    /// Connections of one source.
    pub source_connections: Option<u64>,
    /// Connections whose clients were not welcomed yet.
    pub unwelcomed: Option<u64>,
    /// Those of one source.
    pub source_unwelcomed: Option<u64>,
    /// Sessions.
    pub sessions: Option<u64>,
    /// Sessions of one source.
    pub source_sessions: Option<u64>,
    /// Pages of memory for clients.
    pub pages: Option<u64>,
    /// Pages of memory for the clients of one source.
    pub source_pages: Option<u64>,
    /// Handshakes per second.
    pub handshakes: Option<u64>,
    /// Handshakes per second that one source asks for.
    pub source_handshakes: Option<u64>,
}

impl Walls {
    /// Reads the numbers from attributes.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if one of them is no number.
    pub fn parse(attributes: Reader<'_>) -> Result<Self, Malformed> {
        let mut all = Self::default();

        for attribute in attributes {
            let attribute = attribute?;
            let field = match attribute.kind {
                walls::CONNECTIONS => &mut all.connections,
                walls::SOURCE_CONNECTIONS => &mut all.source_connections,
                walls::UNWELCOMED => &mut all.unwelcomed,
                walls::SOURCE_UNWELCOMED => &mut all.source_unwelcomed,
                walls::SESSIONS => &mut all.sessions,
                walls::SOURCE_SESSIONS => &mut all.source_sessions,
                walls::PAGES => &mut all.pages,
                walls::SOURCE_PAGES => &mut all.source_pages,
                walls::HANDSHAKES => &mut all.handshakes,
                walls::SOURCE_HANDSHAKES => &mut all.source_handshakes,
                _ => continue,
            };

            *field = Some(attribute.number()?);
        }
        Ok(all)
    }
}

/// The server of a network namespace.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Server {
    /// The public key that clients have to be told, in base64, if there is one.
    pub public_key: Option<String>,
    /// The only suite that clients may use, or any.
    pub suite: Option<Suite>,
    /// What clients may have.
    pub limits: Walls,
    /// What all of them have.
    pub held: Walls,
    /// How often there was not so much.
    pub refused: Walls,
    /// Sources that are remembered.
    pub sources: u32,
}

impl Server {
    /// Reads the server from its attributes.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if one of them is not what it should be.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut server = Self::default();

        for attribute in Reader::new(bytes) {
            let a = attribute?;

            match a.kind {
                attr::PUBLIC_KEY => {
                    server.public_key = Some(PublicKey(a.array()?).to_string());
                }
                attr::SUITE => server.suite = Some(a.u32()?.into()),
                attr::LIMITS => server.limits = Walls::parse(a.nested())?,
                attr::HELD => server.held = Walls::parse(a.nested())?,
                attr::REFUSED => server.refused = Walls::parse(a.nested())?,
                attr::SOURCES => server.sources = a.u32()?,
                _ => {}
            }
        }
        Ok(server)
    }
}
