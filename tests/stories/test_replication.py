"""Agent and receiver over the wire, on loopback: faults at either end, and who is let in."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest
from replication import (
    STREAM,
    WrongClock,
    batch,
    client,
    free_port,
    line,
    make_lab,
    numbers_stored,
    put,
    receiver_process,
    receiving,
    token_of,
)

from shadowlab.kernel.clock import KernelClock, now_ns
from shadowlab.kernel.sockets.sock_diag import SocketReader
from shadowlab.replicate.authority import revoke
from shadowlab.replicate.batch import MOST_PACKED_BYTES, Head, encode_batch, pack
from shadowlab.replicate.receiving.admission import Rates
from shadowlab.replicate.sending.agent import Agent
from shadowlab.replicate.sending.backoff import Backoff
from shadowlab.replicate.sending.changes import Tracker
from shadowlab.replicate.sending.disguise import as_they_are
from shadowlab.replicate.sending.frames import Frame
from shadowlab.replicate.sending.sender import Identity, Sender, client_context
from shadowlab.replicate.sending.spool import Spool
from shadowlab.telemetry.reading import open_telemetry

pytestmark = pytest.mark.story
BOOT = b"b" * 16


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_lab(tmp_path_factory.mktemp("lab"))


def spool_of(folder: Path) -> Spool:
    return Spool(folder, most_bytes=64 << 20, boot=BOOT, new_stream=STREAM)


def fill(spool: Spool, batches: int, each: int = 10) -> None:
    """Batches 1, 2, … with the records 1, 2, …"""
    for _ in range(batches):
        sequence = spool.next_sequence
        lines = [line(one) for one in range((sequence - 1) * each + 1, sequence * each + 1)]
        head = Head(instance="web", stream=spool.stream, sequence=sequence, records=each)
        coding, body = pack(encode_batch(head, lines))
        spool.append(
            Frame(
                stream=spool.stream,
                sequence=sequence,
                wall_ns=KernelClock().wall_ns(),
                mono_ns=now_ns(),
                boot=BOOT,
                coding=coding,
                body=body,
            )
        )


def sender_of(lab: Path, port: int, name: str = "web") -> Sender:
    there = lab / name
    files = Identity(
        authority=there / "ca.pem", certificate=there / "cert.pem", key=there / "key.pem", token=token_of(lab, name)
    )
    return Sender(host="127.0.0.1", port=port, instance=name, context=client_context(files), token=files.token)


def agent_of(
    spool: Spool,
    sender: Sender,
    *,
    wrong_ns: int = 0,
    say: Callable[[str], None] = lambda _: None,
    reader: SocketReader | None = None,
) -> Agent:
    """Without a reader it only sends."""
    return Agent(
        instance="web",
        interval_ns=10**7,
        reader=reader or SocketReader(),
        tracker=Tracker(refresh=6, loopback=True),
        spool=spool,
        sender=sender,
        backoff=Backoff(lambda: 1.0, first_s=0.01, most_s=0.05),
        clock=WrongClock(wrong_ns),
        boot=BOOT,
        disguise=as_they_are,
        say=say,
    )


def drain(agent: Agent, spool: Spool, *, tries: int = 10_000) -> None:
    """Send until nothing waits, without the waiting between tries."""
    for _ in range(tries):
        found = spool.oldest()
        if found is None:
            return
        agent.send_once(*found)
    raise AssertionError(f"{len(spool)} batches still wait: {agent.counts}")


def test_a_stream_whose_receiver_is_killed_again_and_again_arrives_whole_and_once(lab: Path, tmp_path: Path) -> None:
    port, replica = free_port(), tmp_path / "replica"
    with spool_of(tmp_path / "spool") as spool:
        fill(spool, 400)
        with closing(sender_of(lab, port)) as sender:
            agent = agent_of(spool, sender)
            for lives_until in (350, 200, 0):
                with receiver_process(lab, replica, port) as process:
                    # Killed while the stream goes on: from a second thread, as soon as so many are through.
                    killer = threading.Thread(target=_kill_when, args=(process, spool, lives_until))
                    killer.start()
                    while len(spool) > lives_until or process.poll() is None:
                        found = spool.oldest()
                        if found is None:
                            process.send_signal(signal.SIGTERM)
                            break
                        agent.send_once(*found)
                    killer.join()

    assert agent.counts.failures > 0
    assert numbers_stored(replica) == list(range(1, 4001))


def _kill_when(process: subprocess.Popen[str], spool: Spool, left: int) -> None:
    while len(spool) > left:
        threading.Event().wait(0.001)
    process.send_signal(signal.SIGKILL if left else signal.SIGTERM)
    process.wait()


def test_duplicated_and_reordered_batches_count_once(lab: Path, tmp_path: Path) -> None:
    order = [3, 1, 2, 2, 5, 1, 4, 5, 3, 6]
    with receiving(lab, tmp_path) as receiver, closing(client(lab, "web", receiver.server_address[1])) as connection:
        answers = [
            put(connection, token_of(lab, "web"), *batch(one, range(10 * one, 10 * one + 10)))[0] for one in order
        ]

    assert answers == [201, 201, 201, 200, 201, 200, 201, 200, 200, 201]
    assert sorted(numbers_stored(tmp_path)) == list(range(10, 70))


def test_batches_that_an_agent_gave_up_are_counted(lab: Path, tmp_path: Path) -> None:
    token = token_of(lab, "web")
    with receiving(lab, tmp_path) as receiver, closing(client(lab, "web", receiver.server_address[1])) as connection:
        put(connection, token, *batch(1, range(5)))
        put(connection, token, *batch(9, range(5, 10)), Shadowlab_Oldest="9")

    assert receiver.intake.counts["web", "missing"] == 7
    assert receiver.intake.counts["web", "records"] == 10


def test_the_same_batch_on_many_connections_at_once_counts_once(lab: Path, tmp_path: Path) -> None:
    answers: list[int] = []
    with receiving(lab, tmp_path) as receiver:

        def once() -> None:
            with closing(client(lab, "web", receiver.server_address[1])) as connection:
                answers.append(put(connection, token_of(lab, "web"), *batch(1, range(1000)))[0])

        threads = [threading.Thread(target=once) for _ in range(8)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()

    assert sorted(answers) == [200] * 7 + [201]
    assert numbers_stored(tmp_path) == list(range(1000))


def test_a_clock_that_is_a_year_wrong_is_put_right(lab: Path, tmp_path: Path) -> None:
    year = 365 * 86_400 * 10**9
    with (
        receiving(lab, tmp_path) as receiver,
        spool_of(tmp_path / "spool") as spool,
        SocketReader() as reader,
        closing(sender_of(lab, receiver.server_address[1])) as sender,
    ):
        agent = agent_of(spool, sender, wrong_ns=-year, reader=reader)
        agent.read_once()
        drain(agent, spool)

    with open_telemetry(tmp_path / "web") as reading:
        off_ns = [abs(one.at_ns - KernelClock().wall_ns()) for one in reading.records]
    assert off_ns
    assert max(off_ns) < 60 * 10**9
    assert abs(agent.counts.clock_correction_ns - year) < 10**9


def test_a_revoked_certificate_writes_no_more_on_the_connection_it_has(tmp_path: Path) -> None:
    lab = make_lab(tmp_path)
    token = token_of(lab, "web")
    with receiving(lab, tmp_path / "r") as receiver:
        with closing(client(lab, "web", receiver.server_address[1])) as connection:
            before = put(connection, token, *batch(1, range(5)))
            (lab / "web").rename(lab / "kept")
            revoke(lab, "web", now_ns=KernelClock().wall_ns())
            after = put(connection, token, *batch(2, range(5, 10)))
        with closing(client(lab, "kept", receiver.server_address[1])) as connection:
            again = put(connection, token, *batch(3, range(5, 10)))

    assert (before[0], after[0], again[0]) == (201, 403, 403)
    assert "revoked" in after[1]["error"]
    assert numbers_stored(tmp_path / "r") == list(range(5))


@pytest.mark.parametrize(
    ("name", "token", "instance", "status"),
    [("web", "web", "db", 403), ("web", "db", "web", 401), ("web", None, "web", 401), ("db", "db", "db", 201)],
)
def test_a_credential_writes_its_own_instance_only(
    lab: Path, tmp_path: Path, name: str, token: str | None, instance: str, status: int
) -> None:
    shown = token_of(lab, token) if token else "wrong"
    with receiving(lab, tmp_path) as receiver, closing(client(lab, name, receiver.server_address[1])) as connection:
        answer = put(connection, shown, *batch(1, range(5), instance=instance))

    assert answer[0] == status
    assert [one.name for one in tmp_path.iterdir()] == ([instance] if status == 201 else [])


def test_who_shows_no_certificate_or_a_servers_or_one_of_elsewhere_is_turned_away(lab: Path, tmp_path: Path) -> None:
    other = make_lab(tmp_path / "other")
    with receiving(lab, tmp_path / "r") as receiver:
        port = receiver.server_address[1]
        for whose, name in ((lab, None), (lab, "127.0.0.1"), (other, "web")):
            with (
                closing(client(whose, name, port, authority=lab / "ca.pem")) as connection,
                pytest.raises((ssl.SSLError, OSError)),
            ):
                put(connection, token_of(lab, "web"), *batch(1, range(5)))
        with closing(client(lab, "web", port)) as connection:
            assert put(connection, token_of(lab, "web"), *batch(1, range(5)))[0] == 201

    assert receiver.intake.counts["stranger", "handshake"] == 3
    assert numbers_stored(tmp_path / "r") == list(range(5))


def test_an_agent_sends_nothing_to_a_receiver_it_cannot_tell(lab: Path, tmp_path: Path) -> None:
    other = make_lab(tmp_path / "other")
    with receiving(other, tmp_path / "r") as receiver, spool_of(tmp_path / "spool") as spool:
        fill(spool, 1)
        found = spool.oldest()
        assert found is not None
        said: list[str] = []
        with closing(sender_of(lab, receiver.server_address[1])) as sender:
            agent = agent_of(spool, sender, say=said.append)
            agent.send_once(*found)

    assert "not trusted" in said[0]
    assert len(spool) == 1


def test_what_is_malformed_too_large_or_too_fast_is_refused_and_leaves_nothing(lab: Path, tmp_path: Path) -> None:
    path, coding, body = batch(1, range(5))
    token = token_of(lab, "web")
    rates = Rates(batches_per_s=0.001, batches_at_once=230)
    with receiving(lab, tmp_path, rates=rates) as receiver:
        port = receiver.server_address[1]
        with closing(client(lab, "web", port)) as connection:
            damaged = {
                put(connection, token, path, coding, body[:at] + bytes([body[at] ^ 0xFF]) + body[at + 1 :])[0]
                for at in range(4, len(body), max(1, len(body) // 190))
            }
            strange = [
                put(connection, token, path, "br", body)[0],
                put(connection, token, path, coding, body, Shadowlab_Oldest="x")[0],
                put(connection, token, batch(2, range(5))[0], coding, body)[0],
                put(connection, token, "/v1/instances/..%2fdb/streams/x/batches/1", coding, body)[0],
            ]
        with closing(client(lab, "web", port)) as connection:
            large = put(connection, token, path, coding, bytes(MOST_PACKED_BYTES + 1))[0]
        with closing(client(lab, "web", port)) as connection:
            statuses = [put(connection, token, *batch(one, range(5)))[0] for one in range(1, 240)]

    assert damaged == {400}
    assert strange == [400, 400, 400, 404]
    assert (large, statuses[-1]) == (413, 429)
    assert statuses.count(201) * 5 == len(numbers_stored(tmp_path)) > 0


def test_slow_and_silent_peers_do_not_keep_others_out(lab: Path, tmp_path: Path) -> None:
    """Four that never shake hands take all the places there are; they lose them after their time."""
    with receiving(lab, tmp_path, most_connections=4, handshake_s=0.3) as receiver:
        port = receiver.server_address[1]
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(4)]
        try:
            for one in silent:
                one.settimeout(20)
                assert one.recv(1) == b""
            answer = 0
            for _ in range(200):  # the places are given back a moment after their connections ended
                with closing(client(lab, "web", port)) as connection, suppress(OSError, http.client.HTTPException):
                    answer = put(connection, token_of(lab, "web"), *batch(1, range(5)))[0]
                    break
        finally:
            for one in silent:
                one.close()

    assert answer in (200, 201)
    assert numbers_stored(tmp_path) == list(range(5))


def test_a_receiver_on_a_full_disk_refuses_and_takes_all_when_there_is_room(
    lab: Path, tmp_path: Path, namespace: list[str]
) -> None:
    port, disk = free_port(), tmp_path / "disk"
    disk.mkdir()
    with (
        receiver_process(lab, disk, port, *namespace, sys.executable, "-c", _ON_SMALL_DISK, str(disk)) as process,
        spool_of(tmp_path / "spool") as spool,
        closing(sender_of(lab, port)) as sender,
    ):
        fill(spool, 300)
        seen: list[str] = []
        agent = agent_of(spool, sender, say=seen.append)
        while not seen:
            found = spool.oldest()
            assert found is not None
            agent.send_once(*found)
        waited = len(spool)
        # From outside, through the process that holds the mount.
        os.unlink(f"/proc/{process.pid}/root{disk}/ballast")
        drain(agent, spool)
        stored = sorted(Path(f"/proc/{process.pid}/root{disk}/web").glob("*.jsonl"))
        copy = tmp_path / "copy"
        copy.mkdir()
        for one in stored:
            (copy / one.name).write_bytes(one.read_bytes())

    assert "disk is full" in seen[0]
    assert 0 < waited < 300
    assert numbers_stored(copy) == list(range(1, 3001))


_ON_SMALL_DISK = """
import os, subprocess, sys
disk, program = sys.argv[1], sys.argv[2:]
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2M", "none", disk], check=True)
with open(disk + "/ballast", "wb") as file:
    file.write(bytes(2 * 2**20 - 128 * 1024))
os.execv(program[0], program)
"""


@pytest.fixture(scope="module")
def namespace() -> list[str]:
    """The command that gives a program a mount namespace: by its own rights, or else by root's."""
    for command in (["unshare", "--user", "--map-root-user", "--mount"], ["unshare", "--mount"]):
        if subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0:
            return command
    pytest.fail("a small disk needs a mount namespace, and this machine gives none")


def test_the_agent_command_replicates_a_short_connection_while_the_receiver_is_away_and_back(
    lab: Path, tmp_path: Path
) -> None:
    port, replica = free_port(), tmp_path / "replica"
    words = [
        *(sys.executable, "-m", "shadowlab", "agent", "--to", f"https://127.0.0.1:{port}", "--instance", "web"),
        *("--identity", str(lab / "web"), "--spool", str(tmp_path / "spool"), "--every", "0.1", "--loopback"),
    ]
    agent = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    try:
        assert agent.stderr is not None
        assert "sending again" in agent.stderr.readline()  # nobody is there yet
        with socket.create_server(("127.0.0.1", 0)) as listener:
            here = socket.create_connection(listener.getsockname())
            there, _ = listener.accept()
            local = here.getsockname()[1]
            here.sendall(b"x" * 12_345)
            assert len(there.recv(12_345, socket.MSG_WAITALL)) == 12_345
            here.close()
            there.close()
            rude = socket.create_connection(listener.getsockname())
            reset, _ = listener.accept()
            from_rude = rude.getsockname()[1]
            rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # its end is a RST
            rude.close()
            reset.close()
        with receiver_process(lab, replica, port) as process:
            assert "works again" in agent.stderr.readline()
            agent.send_signal(signal.SIGTERM)
            assert agent.wait(30) == 0
            again = subprocess.run([*words, "--readings", "1"], capture_output=True, text=True, check=True)
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
    finally:
        agent.kill()
        agent.communicate()

    assert again.stderr == ""
    with open_telemetry(replica) as reading:
        closed = [one for one in reading.records if one.state == "CLOSED"]
    ends = [one for one in closed if one.local_port == local]
    acked = [one.bytes_acked or 0 for one in ends]
    assert len(acked) == 1
    assert 12_345 <= acked[0] <= 12_347  # SYN and FIN count, once they are acknowledged
    assert ends[0].closed_ns == ends[0].at_ns
    assert [one.severed for one in closed if one.peer_port == from_rude] == [True]
    assert ends[0].severed in (False, None)  # None if its end was not acknowledged before it was forgotten
