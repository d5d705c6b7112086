# SPDX-License-Identifier: GPL-2.0
"""Mutants that hang, take too much, or believe too much."""

from lab.mutants.mutant import Edit, Mutant

MIDDLE = "test_attacks_middle.py::test_an_honest_middle_changes_nothing"

MUTANTS = [
    Mutant(
        "outage",
        "L1",
        "nothing fails during an outage unless somebody has said so",
        (Edit("client/policy.rs", "if [[policy.fail_after > 0]] {", "true"),),
        ("test_killers.py::test_a_long_outage",),
    ),
    Mutant(
        "force",
        "L4",
        "what a storage has not done fails if it is taken away by force",
        (Edit("client/storage.rs", "if [[force]] { self.send_away();", "force && false"),),
        (
            "test_control.py::test_a_suspended_storage_is_removed_by_force",
            "test_lifecycle.py::test_force_while_the_server_is_dead",
        ),
    ),
    Mutant(
        "refused",
        "L1",
        "requests of a connection that is refused do not wait for it",
        (Edit("client/keeper.rs", "if [[!is_refused || !waits()]] {", "true"),),
        ("test_false_server.py::test_who_is_refused_does_not_keep_requests",),
    ),
    Mutant(
        "ping-room",
        "M2",
        "a ping is not read before there is room for its answer",
        (
            Edit(
                "server/receive.rs",
                "if [[!channel.outbox.has_room_for_bare()]] {",
                "channel.outbox.room() == 0",
            ),
        ),
        ("test_hostile.py::test_pings_wait_for_room",),
    ),
    Mutant(
        "dead-server",
        "L2",
        "the client gives a server up that says nothing",
        (
            Edit(
                "client/keeper.rs",
                "Action::Dead => [[return Some(Cause::Silent)]],",
                "u64::from(interval)",
            ),
        ),
        ("test_killers.py::test_half_open_for_the_client",),
    ),
    Mutant(
        "dead-client",
        "L2",
        "the server gives a client up that says nothing",
        (
            Edit(
                "server/link.rs",
                "if [[Keepalive::server(keepalive).check(now, silence) == Action::Dead]] {",
                "false",
            ),
        ),
        ("test_killers.py::test_half_open_for_the_server",),
    ),
    Mutant(
        "draining-is-told",
        "L2",
        "while the server drains it says so, again and again",
        (
            Edit(
                "server/greeting.rs",
                "if [[*told == 0 || now.saturating_sub(*told) >= DRAINING_TICK]] {",
                "*told == 0 || DRAINING_TICK == 0",
            ),
        ),
        ("test_reconnect.py::test_a_disk_that_needs_forty_seconds",),
    ),
    Mutant(
        "slow-disk",
        "L2",
        "the client asks for signs of life",
        (Edit("proto/keepalive.rs", "asks: [[true]],", "false"),),
        ("test_killers.py::test_slow_is_not_dead",),
    ),
    Mutant(
        "slow-client",
        "L2",
        "who takes what was sent is alive",
        (Edit("server/reply.rs", "if [[channel.outbox.is_relieved()]] {", "false"),),
        ("test_patience.py::test_slow_is_not_dead",),
    ),
    Mutant(
        "slow-link",
        "L2",
        "the client says that it is alive though its last ping is not answered yet",
        (
            Edit(
                "proto/keepalive.rs",
                "true => [[silence.last_tx.max(self.asked.get())]],",
                "return Action::Wait(dead_at)",
            ),
        ),
        ("test_keepalive.py::test_bulk_does_not_delay_signs_of_life",),
    ),
    Mutant(
        "sick-disk",
        "L3",
        "who serves all does not wait for a disk that takes nothing at the moment",
        (Edit("server/backend.rs", "submit(&self.set, io, [[Wait::Never]])", "Wait::Allowed"),),
        ("test_patience.py::test_a_disk_without_room_delays_nobody_else",),
    ),
    Mutant(
        "throttled-disk",
        "L3",
        "who serves all does not discard, which may be throttled",
        (Edit("server/backend.rs", "if [[io.command == Command::Discard]] ||", "false"),),
        ("test_patience.py::test_throttled_requests_delay_nobody_else",),
    ),
    Mutant(
        "sleepy-driver",
        "L3",
        "who serves all submits nothing to drivers that cannot be asked not to wait",
        (Edit("server/backend.rs", "|| [[!self.device().can_fail_fast()]] {", "false"),),
        ("test_patience.py::test_drivers_that_sleep_delay_nobody_else",),
    ),
    Mutant(
        "credits-of-the-client",
        "M2",
        "the client sends only what it has credits for",
        (
            Edit(
                "client/dispatch.rs",
                "if [[!carrier.window.take(ask.cost())]] {",
                "{ let _ = carrier.window.take(ask.cost()); false }",
            ),
        ),
        ("test_killers.py::test_a_full_server_recovers",),
    ),
    Mutant(
        "credits-come-back",
        "M2",
        "a reply gives the credits of its request back",
        (Edit("server/reply.rs", "io.reply([[io.cost]])", "0"),),
        ("test_killers.py::test_a_full_server_recovers",),
        # A few requests are nothing that credits matter for.
        sound="test_basics.py::test_partitions_are_found_when_attached",
    ),
    Mutant(
        "credits-of-the-server",
        "M2",
        "who sends more than he has credits for is hung up on",
        (
            Edit("proto/limits.rs", "if [[cost > left]] {", "false"),
            Edit(
                "server/receive.rs",
                """[[self.grant
                       .accept(io.cost)
                       .map_err(|_| End::Violation(Violation::Credits.text()))?;]]""",
                "let _ = self.grant.accept(io.cost);",
            ),
        ),
        ("test_hostile.py::test_credits_are_a_limit",),
    ),
    Mutant(
        "abstract",
        "S1",
        "a socket without permissions lets in nobody without a key",
        (
            Edit(
                "proto/access.rs",
                "Peer::Abstract => return [[Rights::None]],",
                "Rights::ReadWrite",
            ),
        ),
        ("test_keys.py::test_an_abstract_socket_lets_in_nobody_without_a_key",),
    ),
    Mutant(
        "read-only",
        "S1",
        "the server does not write to an export that is read-only",
        (
            Edit("proto/limits.rs", "if [[geometry.is_read_only()]] {", "false"),
            Edit(
                "server/receive.rs",
                "if [[io.command.modifies() && self.export().is_read_only()]] {",
                "false",
            ),
        ),
        ("test_changes.py::test_read_only_on_the_wire",),
    ),
    Mutant(
        "rights",
        "S1",
        "the server does not write for who may only read",
        (Edit("proto/limits.rs", "if [[rights != Rights::ReadWrite]] {", "false"),),
        ("test_hostile.py::test_a_reader_may_not_write",),
    ),
    Mutant(
        "range",
        "S1",
        "requests have to end where the disk does",
        (Edit("proto/limits.rs", "if [[extent.end().0 > geometry.sectors]] {", "false"),),
        ("test_hostile.py::test_impossible_requests",),
    ),
    Mutant(
        "held-up",
        "S1",
        "whoever breaks off takes no thread of the pool with him",
        (
            Edit(
                "server/connection.rs",
                "End::Fault(_) if [[self.stamp().is_none()]] => return,",
                """{
                       kernel::time::delay::fsleep(kernel::time::Delta::from_secs(3));
                       self.stamp().is_none()
                   }""",
            ),
        ),
        ("test_attacks_load.py::test_an_honest_client_gets_on",),
    ),
    Mutant(
        "stolen-session",
        "S3",
        "a session belongs to the key that it was begun with",
        (Edit("server/sessions.rs", "[[session.key() != key]]", "false"),),
        ("test_attacks_rights.py::test_session_stealing",),
    ),
    Mutant(
        "nonce",
        "S3",
        "each record has a nonce of its own, the next one",
        (Edit("wire/seal.rs", "[[self.records += 1;]]", ""),),
        ("test_attacks_middle.py::test_requests_are_changed",),
        MIDDLE,
    ),
    Mutant(
        "tag",
        "S3",
        "a record whose tag is wrong is not taken",
        (
            Edit(
                "wire/seal.rs",
                "[[self.current.open(&mut self.tables, &nonce, list).map_err(fault)]]",
                "{ let _ = self.current.open(&mut self.tables, &nonce, list); Ok(()) }",
            ),
            Edit(
                "wire/seal.rs",
                "[[self.current.open_into(&mut self.tables, &nonce, from, to).map_err(fault)]]",
                "{ let _ = self.current.open_into(&mut self.tables, &nonce, from, to); Ok(()) }",
            ),
        ),
        ("test_attacks_middle.py::test_requests_are_changed",),
        MIDDLE,
    ),
    Mutant(
        "downgrade",
        "S3",
        "the client does not go on without what it has asked for",
        (Edit("client/establish.rs", "required: [[hello.features]],", "Features::NONE"),),
        (
            "test_digest.py::test_a_client_never_goes_on_without",
            "test_attacks_client.py::test_welcome_without_the_feature",
        ),
    ),
]
