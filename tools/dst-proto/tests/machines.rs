// SPDX-License-Identifier: GPL-2.0

//! The small state machines, transition by transition.

mod common;

use common::stamp;
use dst_proto::access::Rights;
use dst_proto::backoff::Backoff;
use dst_proto::connection::{
    Cause,
    Event,
    State,
    Unexpected, //
};
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
use dst_proto::keepalive::{
    Action,
    Keepalive,
    Silence, //
};
use dst_proto::negotiate::{
    Features,
    Versions, //
};
use dst_proto::session::{
    Outdated,
    Phase,
    Resend,
    Session,
    Start, //
};
use dst_proto::status::Status;
use dst_proto::units::{
    Epoch,
    Generation,
    SessionId,
    Stamp,
    Uuid, //
};
use proptest::prelude::*;

/// A writer's hello for connection 2.
fn hello(stamp: Stamp) -> Hello<'static> {
    Hello {
        versions: Versions::OURS,
        write: true,
        features: Features::NONE,
        session: SessionId([1; 16]),
        uuid: Uuid::ANY,
        stamp,
        connection: 2,
        connections: 4,
        export: "disk",
        client: None,
        digest: None,
    }
}

/// A session in epoch 5, its connection 2 in generation 3, nothing under way.
const KNOWN: KnownSession = KnownSession {
    epoch: Epoch(5),
    generation: Generation(3),
    older_inflight: 0,
    connection_inflight: 0,
    write: true,
};

#[test]
fn a_connection_lives_and_comes_back() {
    let cause = Cause::Lost;
    let mut state = State::default();

    for (event, next) in [
        (Event::Connect, State::Connecting),
        (Event::Connected, State::Greeting),
        (Event::Draining { left: 3 }, State::Draining { left: 3 }),
        (Event::Draining { left: 1 }, State::Draining { left: 1 }),
        (Event::Welcomed, State::Live),
        (Event::Broken(cause), State::Broken { cause }),
        // What follows from the first cause does not hide it.
        (Event::Broken(Cause::Silent), State::Broken { cause }),
        (Event::Released, State::Idle),
        (Event::Connect, State::Connecting),
        (Event::Close, State::Closed),
        (Event::Broken(cause), State::Closed),
        (Event::Released, State::Closed),
    ] {
        state = state.on(event).expect("possible");
        assert_eq!(state, next);
        assert_eq!(state.is_live(), next == State::Live);
    }
}

#[test]
fn a_peer_cannot_force_a_connection() {
    let refused = |state: State, event| {
        assert_eq!(state.on(event), Err(Unexpected { state, event }));
    };

    // Welcomed without asking, or twice; draining after the welcome.
    for state in [State::Idle, State::Connecting, State::Live, State::Closed] {
        refused(state, Event::Welcomed);
        refused(state, Event::Draining { left: 1 });
    }
    // Pages are still held: nothing may be sent elsewhere.
    let broken = State::Broken {
        cause: Cause::Silent,
    };
    refused(broken, Event::Connect);
    refused(broken, Event::Welcomed);
    refused(State::Closed, Event::Connect);
    refused(State::Live, Event::Connect);
    refused(State::Live, Event::Released);
}

#[test]
fn an_epoch_begins_with_one_connection() {
    let mut session = Session::new(SessionId([1; 16]));
    let first = stamp(1, 1);

    assert_eq!(session.start(Generation(0)), Start::Hello(first));
    assert_eq!(session.start(Generation(0)), Start::Wait);
    assert_eq!(session.welcomed(first), Ok(Resend::Session));
    assert_eq!(session.start(Generation(0)), Start::Hello(stamp(1, 1)));
    assert_eq!(session.welcomed(stamp(1, 1)), Ok(Resend::Connection));
    assert_eq!(session.phase(), Phase::Up { live: 2 });

    // One is lost and comes back in the same epoch.
    session.lost(first);
    assert_eq!(session.start(Generation(1)), Start::Hello(stamp(1, 2)));
    assert_eq!(session.welcomed(stamp(1, 2)), Ok(Resend::Connection));

    // All are lost: a new epoch.
    session.lost(stamp(1, 2));
    session.lost(stamp(1, 1));
    assert_eq!(session.phase(), Phase::Down);
    assert_eq!(session.start(Generation(2)), Start::Hello(stamp(2, 3)));
}

#[test]
fn every_attempt_raises_the_epoch() {
    let mut session = Session::new(SessionId([1; 16]));

    for epoch in 1..10 {
        let stamp = stamp(epoch, epoch);

        assert_eq!(session.start(Generation(epoch - 1)), Start::Hello(stamp));
        session.failed(stamp);
        // The attempt is over, whatever still comes of it.
        assert_eq!(session.welcomed(stamp), Err(Outdated));
        assert!(!session.is_up());
    }
}

#[test]
fn an_outdated_welcome_permits_nothing() {
    let mut session = Session::new(SessionId([1; 16]));

    assert_eq!(session.start(Generation(0)), Start::Hello(stamp(1, 1)));
    assert_eq!(session.welcomed(stamp(1, 1)), Ok(Resend::Session));
    // A second connection begins while the first is lost.
    assert_eq!(session.start(Generation(0)), Start::Hello(stamp(1, 1)));
    session.lost(stamp(1, 1));
    assert_eq!(session.welcomed(stamp(1, 1)), Err(Outdated));
    assert_eq!(session.start(Generation(1)), Start::Hello(stamp(2, 2)));
    assert_eq!(session.welcomed(stamp(1, 1)), Err(Outdated));
    // Late news of an old epoch disturb nothing.
    session.failed(stamp(1, 1));
    session.lost(stamp(1, 1));
    assert_eq!(session.phase(), Phase::Establishing);
    assert_eq!(session.welcomed(stamp(2, 2)), Ok(Resend::Session));
}

#[test]
fn a_session_gets_another_identity_between_connections() {
    let (old, new) = (SessionId([1; 16]), SessionId([2; 16]));
    let mut session = Session::new(old);
    let start = |session: &mut Session, last| match session.start(Generation(last)) {
        Start::Hello(stamp) => stamp,
        other => panic!("{other:?}"),
    };
    let first = start(&mut session, 0);

    // Not while somebody uses the old one.
    assert!(!session.rename(new));
    assert_eq!(session.welcomed(first), Ok(Resend::Session));
    assert!(!session.rename(new));
    assert_eq!(session.id(), old);
    session.lost(first);
    assert!(session.rename(new));
    assert_eq!(session.id(), new);

    // Nothing of the old one fits the new one.
    let second = start(&mut session, 1);
    assert!(second.epoch > first.epoch);
    session.failed(first);
    assert_eq!(session.phase(), Phase::Establishing);
    assert_eq!(session.welcomed(first), Err(Outdated));
    assert_eq!(session.welcomed(second), Ok(Resend::Session));
    session.lost(first);
    assert!(session.is_up());
    session.close();
    assert!(!session.rename(old));
}

#[test]
fn sessions_end() {
    let mut session = Session::new(SessionId([1; 16]));

    assert_eq!(session.start(Generation(u32::MAX)), Start::Exhausted);
    assert_eq!(session.start(Generation(0)), Start::Hello(stamp(1, 1)));
    session.close();
    assert_eq!(session.welcomed(stamp(1, 1)), Err(Outdated));
    assert_eq!(session.start(Generation(1)), Start::Closed);
    session.failed(stamp(1, 1));
    session.lost(stamp(1, 1));
    assert_eq!(session.phase(), Phase::Closed);
}

#[test]
fn who_is_newer_is_welcomed() {
    let decide = |epoch, generation, known: Option<KnownSession>| {
        decide(
            &hello(stamp(epoch, generation)),
            known.as_ref(),
            Writer::Vacant,
            Rights::ReadWrite,
        )
    };
    let stale = Decision::Refuse(Status::Stale);

    assert_eq!(decide(1, 1, None), Decision::Accept);
    assert_eq!(decide(4, 9, Some(KNOWN)), stale);
    assert_eq!(decide(5, 2, Some(KNOWN)), stale);
    assert_eq!(decide(5, 3, Some(KNOWN)), stale);
    assert_eq!(
        decide(5, 4, Some(KNOWN)),
        Decision::Fence(Scope::Connection(2))
    );
    assert_eq!(decide(6, 1, Some(KNOWN)), Decision::Fence(Scope::Session));
    assert_eq!(
        decide(u32::MAX, 1, Some(KNOWN)),
        Decision::Fence(Scope::Session)
    );

    let new_connection = KnownSession {
        generation: Generation(0),
        ..KNOWN
    };

    assert_eq!(decide(5, 1, Some(new_connection)), Decision::Accept);
    // Nobody overtakes the hello that raised the epoch.
    assert_eq!(
        decide(
            5,
            1,
            Some(KnownSession {
                older_inflight: 1,
                ..new_connection
            })
        ),
        Decision::Fence(Scope::Session)
    );
}

#[test]
fn one_writer_at_a_time() {
    let decide = |write, writer, rights, known: Option<&KnownSession>| {
        decide(
            &Hello {
                write,
                ..hello(stamp(6, 1))
            },
            known,
            writer,
            rights,
        )
    };
    let mine = Writer::Held(SessionId([1; 16]));
    let other = Writer::Held(SessionId([2; 16]));
    let refuse = Decision::Refuse;

    assert_eq!(
        decide(true, other, Rights::ReadWrite, None),
        refuse(Status::InUse)
    );
    assert_eq!(
        decide(false, other, Rights::ReadWrite, None),
        Decision::Accept
    );
    assert_eq!(
        decide(true, mine, Rights::ReadWrite, Some(&KNOWN)),
        Decision::Fence(Scope::Session)
    );
    assert_eq!(
        decide(true, Writer::Shared, Rights::ReadWrite, None),
        Decision::Accept
    );
    assert_eq!(
        decide(true, Writer::Vacant, Rights::ReadOnly, None),
        refuse(Status::Denied)
    );
    assert_eq!(
        decide(false, Writer::Vacant, Rights::ReadOnly, None),
        Decision::Accept
    );
    assert_eq!(
        decide(false, Writer::Vacant, Rights::None, None),
        refuse(Status::Denied)
    );
    // What a session may do does not change.
    assert_eq!(
        decide(false, mine, Rights::ReadWrite, Some(&KNOWN)),
        refuse(Status::Invalid)
    );
}

#[test]
fn a_fence_waits_for_everything_older() {
    let fence = Fence::new(stamp(5, 3), Scope::Session);
    let state = |older_inflight, connection_inflight| {
        fence.state(&KnownSession {
            older_inflight,
            connection_inflight,
            ..KNOWN
        })
    };

    assert_eq!(state(2, 0), FenceState::Draining(2));
    assert_eq!(state(0, 1), FenceState::Draining(1));
    assert_eq!(state(u32::MAX, 1), FenceState::Draining(u32::MAX));
    assert_eq!(state(0, 0), FenceState::Done);
    for newer in [
        KnownSession {
            epoch: Epoch(6),
            ..KNOWN
        },
        KnownSession {
            generation: Generation(4),
            ..KNOWN
        },
    ] {
        assert_eq!(fence.state(&newer), FenceState::Superseded);
    }
}

#[test]
fn keepalive_asks_and_gives_up() {
    let client = Keepalive::client(3000);
    let silence = |last_rx, last_tx, ping_pending| Silence {
        last_rx,
        last_tx,
        ping_pending,
    };

    assert_eq!(client.check(100, silence(0, 50, false)), Action::Wait(1000));
    // Silence in either direction makes it ask.
    assert_eq!(client.check(1000, silence(0, 999, false)), Action::Ping);
    assert_eq!(client.check(1000, silence(999, 0, false)), Action::Ping);
    // Once, as long as something else is sent.
    assert_eq!(
        client.check(1000, silence(0, 999, true)),
        Action::Wait(2000)
    );
    assert_eq!(
        client.check(2999, silence(0, 2999, true)),
        Action::Wait(3000)
    );
    assert_eq!(client.check(3000, silence(0, 2999, true)), Action::Dead);
    // What was sent is no sign of the peer's life, what was received is.
    assert_eq!(client.check(9000, silence(0, 9000, false)), Action::Dead);
    assert_eq!(
        client.check(9000, silence(8999, 8999, true)),
        Action::Wait(9999)
    );

    let server = Keepalive::server(3000);

    assert_eq!(server.check(2999, silence(0, 0, false)), Action::Wait(3000));
    assert_eq!(server.check(3000, silence(0, 0, false)), Action::Dead);
    assert_eq!(
        server.check(0, silence(u64::MAX, 0, false)),
        Action::Wait(u64::MAX)
    );
}

#[test]
fn keepalive_lets_itself_be_heard_while_an_answer_is_under_way() {
    let client = Keepalive::client(3000);
    let silence = |last_rx, last_tx| Silence {
        last_rx,
        last_tx,
        ping_pending: true,
    };

    // The answer is behind data that is still coming; nothing is sent but PINGs.
    assert_eq!(client.check(1500, silence(1499, 1000)), Action::Wait(2000));
    assert_eq!(client.check(2000, silence(1999, 1000)), Action::Ping);
    assert_eq!(client.check(2000, silence(1999, 2000)), Action::Wait(3000));
    assert_eq!(client.check(3000, silence(2999, 2000)), Action::Ping);
    // What cannot be sent is not asked for again and again.
    assert_eq!(client.check(3000, silence(2999, 2000)), Action::Wait(4000));
    assert_eq!(client.check(3999, silence(3998, 2000)), Action::Wait(4000));
    assert_eq!(client.check(4000, silence(3998, 2000)), Action::Ping);
    // It does not put off the end.
    assert_eq!(client.check(6500, silence(3998, 6400)), Action::Wait(6998));
    assert_eq!(client.check(6998, silence(3998, 6997)), Action::Dead);
    // Who only watches never asks.
    let server = Keepalive::server(3000);

    assert_eq!(server.check(2999, silence(0, 0)), Action::Wait(3000));
}

#[test]
fn waits_grow_to_a_limit() {
    let waits = |random| {
        let mut backoff = Backoff::new();

        (0..9).map(|_| backoff.next_ms(random)).collect::<Vec<_>>()
    };

    assert_eq!(waits(0), [0, 50, 100, 200, 400, 800, 1600, 2500, 2500]);
    let mut backoff = Backoff::new();

    backoff.next_ms(0);
    backoff.next_ms(0);
    backoff.reset();
    assert_eq!(backoff.next_ms(u32::MAX), 0);
}

proptest! {
    #[test]
    fn waits_stay_in_their_range(randoms in prop::collection::vec(any::<u32>(), 1..30)) {
        let mut backoff = Backoff::new();

        for (attempt, random) in randoms.into_iter().enumerate() {
            let longest = match attempt {
                0 => 0,
                _ => (50_u32 << attempt.min(10)).min(5000),
            };
            let wait = backoff.next_ms(random);

            prop_assert!((longest / 2..=longest).contains(&wait), "{} {}", attempt, wait);
        }
    }
}
