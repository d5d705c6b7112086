// SPDX-License-Identifier: GPL-2.0

//! Requests concerning what all exports of a network namespace have in common.

use super::{
    super::{
        refusal::{
            Refusal,
            Result as Verdict, //
        },
        uapi,
        Control, //
    },
    keys,
    values, //
};
use crate::{
    abstractions::{
        genetlink::Request,
        netlink::{
            Attributes,
            Message, //
        }, //
    },
    proto::{
        units::MAX_RUN_PAGES,
        walls::{
            Limits,
            Stock,
            Wall, //
        }, //
    },
    server::{
        config::ServerChange,
        walls::handshakes, //
    }, //
};
use kernel::prelude::*;

/// The attributes of the walls.
const WALLS: [(Wall, u32); Wall::COUNT] = [
    (
        Wall::Total(Stock::Connections),
        uapi::DST_A_WALLS_CONNECTIONS,
    ),
    (
        Wall::Source(Stock::Connections),
        uapi::DST_A_WALLS_SOURCE_CONNECTIONS,
    ),
    (Wall::Total(Stock::Unwelcomed), uapi::DST_A_WALLS_UNWELCOMED),
    (
        Wall::Source(Stock::Unwelcomed),
        uapi::DST_A_WALLS_SOURCE_UNWELCOMED,
    ),
    (Wall::Total(Stock::Sessions), uapi::DST_A_WALLS_SESSIONS),
    (
        Wall::Source(Stock::Sessions),
        uapi::DST_A_WALLS_SOURCE_SESSIONS,
    ),
    (Wall::Total(Stock::Pages), uapi::DST_A_WALLS_PAGES),
    (Wall::Source(Stock::Pages), uapi::DST_A_WALLS_SOURCE_PAGES),
    (Wall::TotalHandshakes, uapi::DST_A_WALLS_HANDSHAKES),
    (Wall::SourceHandshakes, uapi::DST_A_WALLS_SOURCE_HANDSHAKES),
];

/// Shows the server.
pub(super) fn get(control: &Control, request: &Request) -> Verdict {
    let net = request.namespace()?;
    let key = control.server.public_key(&net);
    let suite = control.server.suite(&net);
    let info = control.server.walls_info(&net);

    Ok(request.reply(|message| {
        keys::put_public(message, uapi::DST_A_SERVER_PUBLIC_KEY, key.as_ref())?;
        put(message, uapi::DST_A_SERVER_LIMITS, |wall| {
            Some(limit(&info.limits, wall).into())
        })?;
        put(message, uapi::DST_A_SERVER_HELD, |wall| match wall {
            Wall::Total(stock) => info.held.get(stock as usize).copied().map(u64::from),
            Wall::Source(_) | Wall::TotalHandshakes | Wall::SourceHandshakes => None,
        })?;
        put(message, uapi::DST_A_SERVER_REFUSED, |wall| {
            info.refused.get(wall.number()).copied()
        })?;
        message.put_u32(uapi::DST_A_SERVER_SOURCES, info.sources)?;
        message.put_u32(uapi::DST_A_SERVER_SUITE, keys::suite_number(suite))
    })?)
}

/// Changes the server.
pub(super) fn set(control: &Control, request: &Request) -> Verdict {
    let net = request.namespace()?;
    let attributes = request.attributes();
    let limits = match attributes.get(uapi::DST_A_SERVER_LIMITS) {
        Some(limits) => {
            // It is the memory of the machine, whoever has the network.
            values::require_power(request, "To change the limits")?;
            Some(wanted(request, &limits.nest())?)
        }
        None => None,
    };
    // The key opens nothing: who gets in has to own one that an export names. Who owns the network
    // may say who its server is.
    let keys = match attributes.get(uapi::DST_A_SERVER_KEY_FD) {
        Some(key) => Some(keys::pair(request, &key)?),
        None => None,
    };
    // The suite opens nothing either.
    let suite = keys::suite(&attributes, uapi::DST_A_SERVER_SUITE)?;

    if limits.is_none() && keys.is_none() && suite.is_none() {
        return Err(Refusal::new(
            EINVAL,
            fmt!("What there is to change is missing"),
        ));
    }

    let limits = limits.map(|wanted| {
        move |limits: &mut Limits| {
            for (wall, number) in wanted.into_iter().flatten() {
                set_limit(limits, wall, number);
            }
        }
    });

    control.server.change(
        &net,
        ServerChange {
            keys,
            suite,
            limits,
        },
    )
}

/// Returns the limits that are asked for.
fn wanted(
    request: &Request,
    limits: &Attributes<'_>,
) -> Verdict<[Option<(Wall, u32)>; Wall::COUNT]> {
    let mut wanted = [None; Wall::COUNT];

    for (slot, (wall, kind)) in wanted.iter_mut().zip(WALLS) {
        let Some(attribute) = limits.get(kind) else {
            continue;
        };
        let least = match wall {
            // What a session cannot do without.
            Wall::Total(Stock::Pages) | Wall::Source(Stock::Pages) => MAX_RUN_PAGES,
            _ => 1,
        };

        match u32::try_from(attribute.uint()?) {
            Ok(number) if number >= least => *slot = Some((wall, number)),
            Ok(_) | Err(_) => {
                request.blame(&attribute);
                return Err(Refusal::new(
                    ERANGE,
                    fmt!("A limit of this kind is {} to {}", least, u32::MAX),
                ));
            }
        }
    }
    Ok(wanted)
}

/// Returns where `wall` stands.
fn limit(limits: &Limits, wall: Wall) -> u32 {
    match wall {
        Wall::Total(stock) => limits.stocks.get(stock as usize).map_or(0, |it| it.total),
        Wall::Source(stock) => limits.stocks.get(stock as usize).map_or(0, |it| it.source),
        Wall::TotalHandshakes => limits.handshakes.total.per_second,
        Wall::SourceHandshakes => limits.handshakes.source.per_second,
    }
}

/// Moves `wall` to `number`.
fn set_limit(limits: &mut Limits, wall: Wall, number: u32) {
    match wall {
        Wall::Total(stock) => {
            if let Some(limit) = limits.stocks.get_mut(stock as usize) {
                limit.total = number;
            }
        }
        Wall::Source(stock) => {
            if let Some(limit) = limits.stocks.get_mut(stock as usize) {
                limit.source = number;
            }
        }
        Wall::TotalHandshakes => limits.handshakes.total = handshakes(number),
        Wall::SourceHandshakes => limits.handshakes.source = handshakes(number),
    }
}

/// Adds nest `kind` with what `number` returns for each wall.
fn put(message: &mut Message<'_>, kind: u32, number: impl Fn(Wall) -> Option<u64>) -> Result {
    message.nest(kind, |nest| {
        for (wall, attribute) in WALLS {
            if let Some(number) = number(wall) {
                nest.put_uint(attribute, number)?;
            }
        }
        Ok(())
    })
}
