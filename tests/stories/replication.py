"""Both ends of a replication for the stories: a lab's certificates, a receiver in this process or its own, batches."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shadowlab.kernel.clock import FakeClock, KernelClock
from shadowlab.replicate.authority import create_authority, issue
from shadowlab.replicate.batch import Head, batch_path, encode_batch, pack
from shadowlab.replicate.receiving.admission import Rates, read_tokens
from shadowlab.replicate.receiving.intake import Intake
from shadowlab.replicate.receiving.revocation import read_revoked
from shadowlab.replicate.receiving.server import Receiver, server_context
from shadowlab.replicate.receiving.watched_file import WatchedFile
from shadowlab.telemetry.reading import open_telemetry

AT_NS = 1_795_338_000_000_000_000
STREAM = "00000000000000a1"
FAST = Rates(batches_per_s=1e6, batches_at_once=1e6)


def make_lab(folder: Path) -> Path:
    """An authority, a receiver on 127.0.0.1, instances web and db."""
    lab = folder / "lab-ca"
    now_ns = KernelClock().wall_ns()
    create_authority(lab, now_ns=now_ns)
    issue(lab, "127.0.0.1", server=True, now_ns=now_ns)
    for name in ("web", "db"):
        issue(lab, name, server=False, now_ns=now_ns)
    return lab


@contextmanager
def receiving(lab: Path, folder: Path, *, rates: Rates = FAST, **more: Any) -> Iterator[Receiver]:
    """A receiver in a thread of this process, on a port of its own."""
    clock, authority = KernelClock(), lab / "ca.pem"
    intake = Intake(
        folder,
        tokens=WatchedFile(lab / "tokens", lambda path: read_tokens(path.read_text(), name=str(path))),
        revoked=WatchedFile(
            lab / "revoked.crl", lambda path: read_revoked(path, authority=authority, now_ns=clock.wall_ns())
        ),
        clock=clock,
        say=lambda _: None,
        rates=rates,
    )
    us = lab / "127.0.0.1"
    context = server_context(authority=authority, certificate=us / "cert.pem", key=us / "key.pem")
    with Receiver(("127.0.0.1", 0), context=context, intake=intake, **more) as receiver:
        thread = threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield receiver
        finally:
            receiver.shutdown()
            thread.join()
            intake.close()


@contextmanager
def receiver_process(lab: Path, folder: Path, port: int, *under: str) -> Iterator[subprocess.Popen[str]]:
    """The command in a process of its own, killed at the end if it still lives."""
    process = subprocess.Popen(
        [
            *under,
            *(sys.executable, "-m", "shadowlab", "replicate-server", "--folder", str(folder)),
            *("--listen", f"127.0.0.1:{port}", "--identity", str(lab / "127.0.0.1"), "--json"),
            *("--tokens", str(lab / "tokens"), "--revoked", str(lab / "revoked.crl")),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        first = process.stderr.readline()
        assert "receiving on" in first, first + process.stderr.read()
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def client(lab: Path, name: str | None, port: int, authority: Path | None = None) -> http.client.HTTPSConnection:
    """A connection with the certificate of ``name``, or without any."""
    context = ssl.create_default_context(cafile=str(authority or lab / "ca.pem"))
    if name is not None:
        context.load_cert_chain(lab / name / "cert.pem", lab / name / "key.pem")
    return http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=20)


def line(number: int, instance: str = "web") -> str:
    """A record that tells its number by its counter."""
    return (
        f'{{"at_ns":{AT_NS + number},"instance":"{instance}","local_address":"192.0.2.1","local_port":80,'
        f'"peer_address":"198.51.100.7","peer_port":{number % 60_000 + 1},"bytes_acked":{number}}}'
    )


def batch(sequence: int, numbers: range, *, instance: str = "web") -> tuple[str, str, bytes]:
    """Path, content coding and body."""
    lines = [line(one, instance) for one in numbers]
    head = Head(instance=instance, stream=STREAM, sequence=sequence, records=len(lines))
    return batch_path(head), *pack(encode_batch(head, lines))


def put(
    connection: http.client.HTTPSConnection, token: str, path: str, coding: str, body: bytes, **headers: str
) -> tuple[int, dict[str, Any]]:
    """Status and document."""
    words = {"Authorization": f"Bearer {token}", "Content-Encoding": coding, "Shadowlab-Oldest": "1"}
    connection.request("PUT", path, body, words | {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def token_of(lab: Path, name: str) -> str:
    return (lab / name / "token").read_text().strip()


def numbers_stored(folder: Path) -> list[int]:
    """The counters of all records of connections, in the order of the segments; nothing there may be unreadable."""
    with open_telemetry(folder) as reading:
        found = [one.bytes_acked or 0 for one in reading.records if one.scope == "connection"]
    assert reading.tally.unreadable == 0, reading.tally.places
    return found


class WrongClock(FakeClock):
    """The machine's clock, but wrong by so much by the wall."""

    def __init__(self, wrong_ns: int) -> None:
        super().__init__()
        self._true, self._wrong_ns = KernelClock(), wrong_ns

    def now_ns(self) -> int:
        return self._true.now_ns()

    def wall_ns(self) -> int:
        return self._true.wall_ns() + self._wrong_ns


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))
