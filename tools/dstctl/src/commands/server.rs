// SPDX-License-Identifier: GPL-2.0

//! What all exports have in common.

use super::explain::explain;
use super::handed::{
    self,
    Handed, //
};
use super::Context;
use crate::cli::{
    ServerCommand,
    ServerSet, //
};
use crate::failure::Result;
use crate::netlink::Attributes;
use crate::objects::{
    Server,
    Walls, //
};
use crate::output::{
    self,
    Align,
    Table, //
};
use crate::uapi::{
    command,
    server as attr,
    walls, //
};

/// Runs a command for the server.
pub(super) fn run(command: &ServerCommand, context: &mut Context<'_>) -> Result<()> {
    if let ServerCommand::Set(args) = command {
        let mut handed = Handed::default();
        let mut attributes = change(args);

        if let Some(key) = &args.key {
            handed.put(&mut attributes, attr::KEY_FD, key, context.err)?;
        }
        context
            .kernel
            .request(command::SERVER_SET, &attributes)
            .map_err(|error| explain("cannot change the server", error, |_, _| None))?;
        drop(handed);
    }
    show(context)
}

/// Returns the request for a change of the suite and of limits.
fn change(args: &ServerSet) -> Attributes {
    let mut limits = Attributes::new();
    let mut all = Attributes::new();

    for (kind, number) in [
        (walls::CONNECTIONS, args.connections),
        (walls::SOURCE_CONNECTIONS, args.source_connections),
        (walls::UNWELCOMED, args.unwelcomed),
        (walls::SOURCE_UNWELCOMED, args.source_unwelcomed),
        (walls::SESSIONS, args.sessions),
        (walls::SOURCE_SESSIONS, args.source_sessions),
        (walls::PAGES, args.pages),
        (walls::SOURCE_PAGES, args.source_pages),
        (walls::HANDSHAKES, args.handshakes),
        (walls::SOURCE_HANDSHAKES, args.source_handshakes),
    ] {
        if let Some(number) = number {
            limits.u32(kind, number);
        }
    }
    if !limits.as_bytes().is_empty() {
        all.nest(attr::LIMITS, &limits);
    }
    if let Some(suite) = args.suite {
        all.u32(attr::SUITE, handed::number(suite));
    }
    all
}

/// Shows the server.
fn show(context: &mut Context<'_>) -> Result<()> {
    let refused = |error| explain("cannot show the server", error, |_, _| None);
    let replies = context
        .kernel
        .request(command::SERVER_GET, &Attributes::new())
        .map_err(refused)?;
    let server = Server::parse(replies.first().map_or(&[], Vec::as_slice))
        .map_err(|error| refused(error.into()))?;

    if context.json {
        return output::json(context.out, &server);
    }

    match &server.public_key {
        Some(key) => writeln!(context.out, "public key: {key}")?,
        None => writeln!(
            context.out,
            "public key: none; without one nobody gets to exports with keys. To set one:\n  \
             dstctl key generate --out FILE\n  \
             dstctl server set --key FILE"
        )?,
    }
    // A module that knows of none does not tell.
    if let Some(suite) = server.suite {
        writeln!(context.out, "suite: {suite}")?;
    }
    // A module without limits tells none.
    if server.limits == Walls::default() {
        return Ok(());
    }
    writeln!(context.out)?;
    Ok(write!(context.out, "{}", table(&server))?)
}

/// Returns how the limits stand.
fn table(server: &Server) -> Table {
    let Server {
        limits,
        held,
        refused: hits,
        ..
    } = server;
    let text = |number: Option<u64>| number.map_or_else(String::new, |number| number.to_string());
    let mut table = Table::new(&[
        ("", Align::Left),
        ("NOW", Align::Right),
        ("LIMIT", Align::Right),
        ("REFUSED", Align::Right),
        ("PER SOURCE", Align::Right),
        ("REFUSED", Align::Right),
    ]);

    for (name, now, most, hit, own, own_hit) in [
        (
            "connections",
            held.connections,
            limits.connections,
            hits.connections,
            limits.source_connections,
            hits.source_connections,
        ),
        (
            "not welcomed yet",
            held.unwelcomed,
            limits.unwelcomed,
            hits.unwelcomed,
            limits.source_unwelcomed,
            hits.source_unwelcomed,
        ),
        (
            "sessions",
            held.sessions,
            limits.sessions,
            hits.sessions,
            limits.source_sessions,
            hits.source_sessions,
        ),
        (
            "pages",
            held.pages,
            limits.pages,
            hits.pages,
            limits.source_pages,
            hits.source_pages,
        ),
        (
            "handshakes/s",
            None,
            limits.handshakes,
            hits.handshakes,
            limits.source_handshakes,
            hits.source_handshakes,
        ),
    ] {
        table.row([
            name.to_owned(),
            text(now),
            text(most),
            text(hit),
            text(own),
            text(own_hit),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Suite;
    use crate::netlink::Reader;
    use crate::uapi::suite;

    #[test]
    fn what_is_said_is_asked_for() {
        let args = ServerSet {
            key: None,
            suite: Some(Suite::Aes256Gcm),
            connections: Some(9),
            source_connections: None,
            unwelcomed: None,
            source_unwelcomed: Some(1),
            sessions: None,
            source_sessions: None,
            pages: Some(u32::MAX),
            source_pages: None,
            handshakes: None,
            source_handshakes: None,
        };
        let request = change(&args);
        let mut attributes = Reader::new(request.as_bytes()).map(std::result::Result::unwrap);
        let nest = attributes.next().unwrap();
        let last = attributes.next().unwrap();

        assert_eq!(nest.kind, attr::LIMITS);
        assert_eq!(
            (last.kind, last.u32()),
            (attr::SUITE, Ok(suite::AES_256_GCM))
        );
        assert_eq!(
            Walls::parse(nest.nested()).unwrap(),
            Walls {
                connections: Some(9),
                source_unwelcomed: Some(1),
                pages: Some(u32::MAX.into()),
                ..Walls::default()
            }
        );
    }
}
