# SPDX-License-Identifier: GPL-2.0
"""Mutants that lose data, or hand out what is none."""

from lab.mutants.mutant import Edit, Mutant

MUTANTS = [
    Mutant(
        "error-of-the-device",
        "I1",
        "the server says that its device has failed a request",
        (Edit("server/io.rs", "self.status = [[translate(status)]];", "Status::Ok"),),
        (
            "test_errors.py::test_a_failed_read_is_an_error",
            "test_errors.py::test_a_failed_write_is_an_error",
        ),
    ),
    Mutant(
        "error-of-the-server",
        "I1",
        "the client passes the status of a reply on to who has asked",
        (
            Edit(
                "client/answer.rs",
                """if !reply.status.is_ok() {
                       entry.work.note(block_status(reply.opcode, reply.status));
                   }""",
                "",
            ),
        ),
        ("test_errors.py::test_every_status_becomes_an_errno",),
    ),
    Mutant(
        "cut-in-a-frame",
        "I1",
        "data has been read when all of it is there, not when its header is",
        (
            Edit(
                "client/answer.rs",
                "if [[*kind == Kind::Read && reply.status.is_ok()]] {",
                """*kind == Kind::Read && reply.status.is_ok() && {
                       let _ = pages.acknowledge(&extent);
                       entry.over = pages.is_done();
                       true
                   }""",
            ),
        ),
        ("test_killer_frames.py::test_a_server_breaks_off",),
    ),
    Mutant(
        "digest",
        "I1",
        "what came is compared with its digest",
        (Edit("wire/inbox.rs", "false => [[Err(Fault::Digest)]]", "Ok(())"),),
        (
            "test_digest.py::test_what_has_a_wrong_digest_is_not_written",
            "test_digest.py::test_damage_is_never_data",
        ),
    ),
    Mutant(
        "ghost-write",
        "I2",
        "the server welcomes nobody before all that he had sent is done",
        (
            Edit(
                "server/hello.rs",
                "Decision::Fence(scope) => [[Some(Fence::new(hello.stamp, scope))]],",
                "None",
            ),
        ),
        ("test_reconnect.py::test_no_ghost_write",),
    ),
    Mutant(
        "fence-of-one-connection",
        "I2",
        "what a broken connection had waits for it; no other one sends it again",
        (
            Edit(
                "client/queue.rs",
                """for (_, entry) in self.table.iter_mut() {
                       entry.let_go(number);
                   }""",
                """for slot in 0..self.table.capacity() {
                       let Some((handle, entry)) = self.table.at_mut(slot) else {
                           continue;
                       };
                       let waits = entry.place == Place::Carried(number) && !entry.over;
                       entry.let_go(number);
                       if waits {
                           entry.send_again();
                           let _ = self.table.renew(handle);
                           let _ = self.ring.push(slot);
                       }
                   }""",
            ),
        ),
        ("test_connections.py::test_a_broken_connection_is_fenced_for_itself",),
    ),
    Mutant(
        "sent-again",
        "I2",
        "what was under way is sent again when it is fenced",
        (Edit("client/queue.rs", "[[let _ = self.ring.push(slot);]]", ""),),
        ("test_killer_frames.py::test_a_server_breaks_off",),
    ),
    Mutant(
        "stale-hello",
        "I2",
        "a hello of an earlier epoch or generation is refused",
        (
            Edit(
                "proto/fence.rs",
                """if [[hello.stamp.epoch < known.epoch
                       || hello.stamp.generation <= known.generation]] {""",
                "false",
            ),
        ),
        ("test_hostile.py::test_a_stale_epoch_is_refused",),
    ),
    Mutant(
        "timeout",
        "I2",
        "a request that took too long ends only when the server will not carry it out any more",
        (
            Edit(
                "client/queue.rs",
                "Place::Carried(_) => [[*stuck = true]],",
                "overdue = Some((handle.slot(), entry.place))",
            ),
        ),
        ("test_false_server.py::test_nothing_follows_what_took_too_long",),
    ),
    Mutant(
        "stale-duplicate",
        "I3",
        "the generation in a handle has to be that of the request in its slot",
        (
            Edit(
                "proto/inflight.rs",
                """[[let (found, entry) = self.at(handle.slot())?;
                   (found == handle).then_some(entry)]]""",
                "self.at(handle.slot()).map(|(_, entry)| entry)",
            ),
            Edit(
                "proto/inflight.rs",
                """[[let (found, entry) = self.at_mut(handle.slot())?;
                   (found == handle).then_some(entry)]]""",
                "self.at_mut(handle.slot()).map(|(_, entry)| entry)",
            ),
        ),
        (
            "test_killer_frames.py::test_a_stale_duplicate_of_a_write",
            "test_killer_frames.py::test_a_stale_duplicate_of_a_read",
        ),
    ),
    Mutant(
        "late-answer",
        "I3",
        "answers name an epoch, and what is sent again has another handle",
        (
            Edit("client/receive.rs", "if [[header.stamp != self.stamp]] {", "false"),
            Edit("client/queue.rs", "= [[self.table.renew(handle)]] {", "None"),
        ),
        ("test_false_server.py::test_a_late_answer_of_an_old_connection_changes_nothing",),
    ),
    Mutant(
        "stale-payload",
        "I3",
        "the data of a reply that nobody wants is skipped",
        (Edit("client/receive.rs", "[[inbox.waste(header.payload as usize)]]", "0"),),
        (
            "test_killer_frames.py::test_a_stale_duplicate_of_a_read",
            "test_false_server.py::test_answers_to_questions_that_nobody_asked",
        ),
    ),
    Mutant(
        "flush",
        "I4",
        "a flush, whichever connection it comes by, is carried out before it is acknowledged",
        (
            Edit(
                "server/receive.rs",
                "[[connection.link.begin();]]",
                """if io.opcode == Opcode::Flush {
                       self.finish(connection, io);
                       return Ok(());
                   }
                   connection.link.begin();""",
            ),
        ),
        ("test_durability.py::test_a_flush_is_one_of_all_connections",),
    ),
    Mutant(
        "fua",
        "I4",
        "a write with FUA is one for the server's device, too",
        (Edit("server/io.rs", "Command::Write { fua: [[fua || durable]], }", "durable"),),
        ("test_durability.py::test_a_flush_is_one_of_all_connections",),
    ),
    Mutant(
        "failed-flush",
        "I4",
        "what a client was told counts when it has heard it",
        (
            Edit(
                "server/serve.rs",
                "[[self.told_failed = count;]]",
                "self.admission.hearing.hear(count);",
            ),
        ),
        ("test_failed_flushes.py::test_an_error_is_not_lost_with_the_connection",),
    ),
    Mutant(
        "failed-flush-of-another",
        "I4",
        "a session is told of every flush of the device that has failed",
        (
            Edit(
                "server/serve.rs",
                "if [[count > self.admission.hearing.heard()]] {",
                "!io.status.is_ok()",
            ),
        ),
        ("test_failed_flushes.py::test_an_error_is_one_for_all_who_write",),
    ),
    Mutant(
        "failed-flush-of-a-write",
        "I4",
        "a flush for one write that fails is known to be one",
        (Edit("server/backend.rs", "Fua::Missing => [[io.flush_after()]],", "()"),),
        ("test_failed_flushes.py::test_a_flush_for_one_write_speaks_for_others",),
    ),
    Mutant(
        "reboot",
        "I5",
        "boot and incarnation of the server are compared",
        (
            Edit(
                "proto/negotiate.rs",
                """let restarted = [[welcome.boot_id != self.boot_id
                       || welcome.incarnation != self.incarnation]];""",
                "false",
            ),
        ),
        ("test_durability.py::test_a_crash_of_the_server_fails_the_next_flush_once",),
    ),
    Mutant(
        "reboot-once",
        "I5",
        "what was lost is told once, not for ever",
        (Edit("proto/durability.rs", "[[!core::mem::take(&mut self.lost)]]", "!self.lost"),),
        ("test_durability.py::test_a_crash_of_the_server_fails_the_next_flush_once",),
    ),
    Mutant(
        "reboot-in-a-write",
        "I5",
        "of a write that was acknowledged in part by a server that restarted all is sent again",
        (Edit("client/queue.rs", "[[entry.work.forget_written();]]", ""),),
        ("test_false_server.py::test_a_restarted_server_gets_all_of_a_write_again",),
    ),
    Mutant(
        "another-disk",
        "I6",
        "the export has to be the one that it was",
        (
            Edit("proto/negotiate.rs", "[[hello.uuid != welcome.uuid]]", "false"),
            Edit("proto/negotiate.rs", "if [[welcome.uuid != self.uuid]] {", "false"),
        ),
        ("test_false_server.py::test_a_server_with_another_disk_is_not_taken_for_the_old_one",),
    ),
    Mutant(
        "grown-meanwhile",
        "I6",
        "a client that comes back takes the size that the disk has by now",
        (
            Edit(
                "client/establish.rs",
                "[[storage.described(&known.geometry, welcome.geometry);]]",
                "",
            ),
        ),
        ("test_killers.py::test_reconnecting_while_the_disk_grows",),
    ),
    Mutant(
        "grown-online",
        "I6",
        "a client takes the size that the server tells it of",
        (Edit("client/keeper.rs", "[[storage.described(&old, geometry);]]", ""),),
        ("test_changes.py::test_growth",),
    ),
    Mutant(
        "shrunk",
        "I6",
        "a disk that has become smaller is refused",
        (Edit("proto/negotiate.rs", "if [[new.sectors < old.sectors]] {", "false"),),
        ("test_changes.py::test_a_disk_that_shrank_is_refused",),
    ),
    Mutant(
        "memory-of-the-network",
        "I7",
        "nothing ends as long as the network may send from its memory",
        (
            Edit(
                "client/connections.rs",
                "forced == Some(number) || [[!connection.socket.sending()]];",
                "true",
            ),
        ),
        ("test_reconnect.py::test_memory_is_the_networks_until_it_lets_go",),
    ),
]
