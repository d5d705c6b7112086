# SPDX-License-Identifier: GPL-2.0
"""Attacks on a server by those who have keys, but not the right ones, or had them."""

import secrets
from typing import Any

import pytest

from lab import sealed, wire
from lab.keyed import EVIL, MARK, PLACE, Keyed, evil, throw
from lab.noise import Forged, Identity
from lab.peer import Client, Closed, Refused
from lab.sealed import Binding, Joining
from lab.wire import Opcode, Status

attack = pytest.mark.attack


# Keys and rights.


@attack("a key that nobody has allowed", "refused")
def test_a_stranger(keyed: Keyed) -> None:
    for who in keyed.stranger, keyed.me:
        client = keyed.client(who)
        with pytest.raises(Refused) as refused:
            client.hello("disk")
        assert refused.value.status == Status.DENIED
        assert client.closed()


@attack("a handshake for another server", "refused")
def test_another_server(keyed: Keyed) -> None:
    client = keyed.client(keyed.bob, server=keyed.stranger.public)
    with pytest.raises((Refused, Closed)):
        client.hello("disk")


@attack("a key without its preshared key, or with another one", "refused")
def test_another_preshared_key(keyed: Keyed) -> None:
    path = keyed.machine.dst.secret("psk", b"p" * 32)
    keyed.machine.dst.ctl(
        "export", "allow", "disk", "--key", f"{keyed.stranger.text}:rw", "--psk", path
    )
    client = keyed.client(keyed.stranger, psk=b"p" * 32)
    client.hello("disk")
    assert client.read(PLACE, 8) == MARK
    client.close()
    for psk in bytes(32), b"q" * 32:
        client = keyed.client(keyed.stranger, psk=psk)
        with pytest.raises(Forged):
            client.shake("disk")
        # Who goes on regardless has no keys that the server has.
        before = keyed.errors()
        throw(client, secrets.token_bytes(64 + 88))
        assert client.closed()
        assert keyed.errors() == before + 1
    # The preshared key of one is of no use to another.
    client = keyed.client(keyed.bob, psk=b"p" * 32)
    with pytest.raises(Forged):
        client.shake("disk")


@attack("a key is used after it was revoked", "its connections are cut, new ones refused")
def test_a_revoked_key(keyed: Keyed) -> None:
    victim = keyed.welcomed(keyed.bob, connections=2)
    assert victim.keys
    keyed.machine.dst.ctl("export", "disallow", "disk", "--key", keyed.bob.text)
    throw(victim, evil(victim))
    assert victim.closed()
    assert keyed.honest.read(PLACE, 8) == MARK
    for session in None, victim.session:
        client = keyed.client(keyed.bob, session=session)
        with pytest.raises(Refused) as refused:
            client.hello("disk", epoch=2)
        assert refused.value.status == Status.DENIED
    for epoch in 1, 2:
        client = keyed.client(keyed.bob, session=victim.session)
        with pytest.raises((Refused, Closed)):
            client.join(victim.keys.secret, epoch=epoch, generation=2, connection=1)
            client.hello("disk", epoch=epoch, generation=2, connection=1, connections=2)


@attack("a preshared key is used after it was changed", "its connections are cut, new ones refused")
@pytest.mark.parametrize(
    ("before", "after"),
    [(b"p" * 32, b"q" * 32), (b"p" * 32, None), (None, b"p" * 32)],
    ids=["another", "none", "first"],
)
def test_a_changed_preshared_key(keyed: Keyed, before: bytes | None, after: bytes | None) -> None:
    def change(psk: bytes | None) -> None:
        words = ("--psk", keyed.machine.dst.secret("psk", psk)) if psk else ("--no-psk",)
        keyed.machine.dst.ctl("export", "allow", "disk", "--key", f"{keyed.bob.text}:rw", *words)

    change(before)
    victim = keyed.client(keyed.bob, psk=before or bytes(32))
    victim.hello("disk", connections=2)
    halfway = keyed.client(keyed.bob, psk=before or bytes(32))
    halfway.shake("disk")
    # To say once more what is so already costs nobody anything.
    change(before)
    victim.write(PLACE + 8, MARK)

    change(after)
    throw(victim, evil(victim))
    assert victim.closed()
    assert keyed.honest.read(PLACE, 8) == MARK
    for number, generation in (0, 2), (1, 1):
        client = keyed.client(keyed.bob, session=victim.session)
        with pytest.raises((Refused, Closed)):
            client.join(victim.keys.secret, epoch=1, generation=generation, connection=number)
            client.hello("disk", generation=generation, connection=number, connections=2)
    with pytest.raises((Refused, Closed)):
        halfway.hello("disk")

    client = keyed.client(keyed.bob, psk=after or bytes(32), session=victim.session)
    client.hello("disk", epoch=2)
    assert client.read(PLACE + 8, 8) == MARK


@attack("a key is used for what it was allowed before", "its connections are cut, then refused")
def test_a_key_that_may_less_than_before(keyed: Keyed) -> None:
    writer = keyed.welcomed(keyed.bob)
    halfway = keyed.client(keyed.bob)
    halfway.shake("disk")
    keyed.machine.dst.ctl("export", "allow", "disk", "--key", f"{keyed.bob.text}:ro")
    throw(writer, evil(writer))
    assert writer.closed()
    with pytest.raises((Refused, Closed)):
        halfway.hello("disk")
    reader = keyed.welcomed(keyed.bob, write=False)
    # And away with it, while somebody is between the handshake and the hello.
    halfway = keyed.client(keyed.bob)
    halfway.shake("disk")
    keyed.machine.dst.ctl("export", "disallow", "disk", "--key", keyed.bob.text)
    assert reader.closed()
    with pytest.raises((Refused, Closed)):
        halfway.hello("disk", write=False)


@attack("a key of one export is used on another", "refused")
def test_another_export(keyed: Keyed) -> None:
    device = keyed.machine.call("blockio.memory_disk", size=1 << 24, name="other")
    carol = Identity.generate()
    keyed.machine.dst.export("open", device, "--share-device", allow=("127.0.0.0/8:rw",))
    keyed.machine.dst.export(
        "other", device, "--share-device", "--allow-key", f"{carol.text}:rw", allow=()
    )
    client = keyed.client(carol)
    with pytest.raises(Refused) as refused:
        client.hello("disk")
    assert refused.value.status == Status.DENIED
    # Nobody learns by asking what there is.
    for name in "open", "nothing":
        client = keyed.client(carol)
        with pytest.raises(Refused) as other:
            client.hello(name)
        assert (other.value.status, other.value.message) == (Status.DENIED, refused.value.message)
    # The handshake for the one, the hello for the other, also for who may use both.
    keyed.machine.dst.ctl("export", "allow", "other", "--key", f"{keyed.alice.text}:rw")
    for who, first, then in (
        (carol, "other", "disk"),
        (keyed.bob, "disk", "other"),
        (keyed.alice, "disk", "other"),
        (keyed.alice, "other", "disk"),
    ):
        client = keyed.client(who)
        client.shake(first)
        with pytest.raises((Refused, Closed)):
            client.hello(then)
    assert keyed.honest.keys
    client = keyed.client(keyed.alice, session=keyed.honest.session)
    client.join(keyed.honest.keys.secret, connection=1)
    with pytest.raises((Refused, Closed)):
        client.hello("other", connection=1, connections=2)


@attack("a key that may only read writes, discards and writes zeroes", "denied, nothing changes")
def test_a_key_that_may_only_read(keyed: Keyed) -> None:
    client = keyed.client(keyed.reader)
    with pytest.raises(Refused) as refused:
        client.hello("disk")
    assert refused.value.status in (Status.DENIED, Status.READ_ONLY)
    client = keyed.welcomed(keyed.reader, write=False)
    for opcode in Opcode.WRITE, Opcode.DISCARD, Opcode.WRITE_ZEROES:
        payload = EVIL if opcode == Opcode.WRITE else b""
        answer = client.ask(client.request(opcode, PLACE, 8, payload=payload))
        assert answer.status in (Status.DENIED, Status.READ_ONLY), opcode
    assert client.read(PLACE, 8) == MARK
    client.close()


# Sessions.


@attack("somebody with a key of his own takes over the session of another", "refused")
def test_session_stealing(keyed: Keyed) -> None:
    victim = keyed.welcomed(keyed.bob, connections=4)
    assert victim.keys
    for fields in {"epoch": 2}, {"generation": 2}, {"connection": 1, "connections": 4}:
        client = keyed.client(keyed.alice, session=victim.session)
        with pytest.raises(Refused) as refused:
            client.hello("disk", **fields)
        assert refused.value.status == Status.DENIED, fields
        # By a session of his own in the handshake, and the other in the hello.
        client = keyed.client(keyed.alice)
        shake = {name: fields[name] for name in fields if name != "connections"}
        client.shake("disk", **shake)
        with pytest.raises((Refused, Closed)):
            client.hello("disk", session=victim.session, **fields)
        # By joining with a secret of his own.
        assert keyed.honest.keys
        client = keyed.client(keyed.alice, session=victim.session)
        with pytest.raises((Refused, Closed)):
            client.join(keyed.honest.keys.secret, **shake)
    victim.write(160, b"v" * 4096)
    assert victim.read(160, 8) == b"v" * 4096
    # Its owner still can.
    own = keyed.client(keyed.bob, session=victim.session)
    own.hello("disk", epoch=2)
    assert victim.closed() and own.alive()
    own.close()


@attack("somebody without a key uses the session of another in plain", "refused")
def test_session_stealing_in_plain(keyed: Keyed) -> None:
    victim = keyed.welcomed(keyed.bob)
    for epoch in 1, 2, 0xFFFFFFFF:
        client = Client(keyed.machine, session=victim.session)
        with pytest.raises(Refused) as refused:
            client.hello("disk", epoch=epoch, generation=2)
        assert refused.value.status == Status.DENIED
    assert victim.alive()


@attack("a hello that belongs to another handshake than the one before it", "refused")
def test_another_hello_than_promised(keyed: Keyed) -> None:
    lies: list[dict[str, Any]] = [
        {"epoch": 2},
        {"generation": 2},
        {"connection": 1, "connections": 2},
        {"session": b"another session."},
    ]
    for lie in lies:
        client = keyed.client(keyed.bob)
        client.shake("disk")
        with pytest.raises((Refused, Closed)):
            client.hello("disk", **lie)
        assert client.closed()


@attack("a connection joins without, or with another, secret", "refused")
def test_false_joins(keyed: Keyed, subtests: pytest.Subtests) -> None:
    victim = keyed.welcomed(keyed.bob, epoch=5, connections=2)
    assert victim.keys and keyed.honest.keys
    mine = victim.keys.secret
    attempts: dict[str, tuple[bytes, Binding]] = {
        "no secret": (bytes(32), Binding(victim.session, 5, 1, 1)),
        "another secret": (keyed.honest.keys.secret, Binding(victim.session, 5, 1, 1)),
        "no such session": (mine, Binding(b"no such session.", 5, 1, 1)),
        "no such session, no secret": (bytes(32), Binding(b"no such session.", 5, 1, 1)),
        "another session": (mine, Binding(keyed.honest.session, 1, 1, 1)),
        "an earlier epoch": (mine, Binding(victim.session, 4, 1, 1)),
        "a later epoch": (mine, Binding(victim.session, 6, 1, 1)),
        "epoch zero": (mine, Binding(victim.session, 0, 1, 1)),
    }
    for name, (secret, binding) in attempts.items():
        with subtests.test(name):
            client = keyed.client(keyed.bob)
            client.send(Joining(secret, binding).request())
            with pytest.raises((Refused, Closed)) as refused:
                sealed.expect(client.receive(), Opcode.JOIN | wire.REPLY, 0)
            if isinstance(refused.value, Refused) and "secret" not in name:
                # There is no epoch zero, whatever the session is.
                refusals = {Status.INVALID} if "zero" in name else {Status.STALE, Status.DENIED}
                assert refused.value.status in refusals
            assert client.closed()
            assert victim.alive()
    # A joining that is genuine opens nothing that a hello would not.
    for binding in Binding(victim.session, 5, 1, 0), Binding(victim.session, 5, 1, 0xFFFF):
        client = keyed.client(keyed.bob, session=victim.session)
        with pytest.raises((Refused, Closed)):
            client.join(mine, epoch=5, connection=binding.connection)
            client.hello("disk", epoch=5, connection=binding.connection, connections=2)
        assert victim.alive()
