"""Inside the guest: two nodes that play production, 20 ms apart each way, and an agent in one node's namespace."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

from shadowlab.kernel.clock import KernelClock
from shadowlab.kernel.linux import LinuxSegment
from shadowlab.kernel.netns import enter_private_segment
from shadowlab.kernel.sockets.sock_diag import SocketReader
from shadowlab.model.impairment import Impairment
from shadowlab.replicate.sending.agent import Agent
from shadowlab.replicate.sending.backoff import Backoff
from shadowlab.replicate.sending.changes import Tracker
from shadowlab.replicate.sending.disguise import as_they_are
from shadowlab.replicate.sending.spool import Spool

SECOND_NS = 10**9
BOOT = b"g" * 16
STREAM = "00000000000000b1"
SENT_BYTES = 50_000


def run(_job_path: str, folder: str) -> int:
    enter_private_segment()
    with LinuxSegment("production") as segment:
        _link(segment)
        here, there = _connected(segment)
        with (
            SocketReader(lambda family, kind, protocol: segment.open_socket("web", family, kind, protocol)) as reader,
            Spool(Path(folder) / "spool", most_bytes=1 << 20, boot=BOOT, new_stream=STREAM) as spool,
        ):
            assert reader.no_events_because == "", reader.no_events_because
            agent = Agent(
                instance="web",
                interval_ns=2 * SECOND_NS,
                reader=reader,
                tracker=Tracker(refresh=6, loopback=False),
                spool=spool,
                sender=None,
                backoff=Backoff(lambda: 1.0),
                clock=KernelClock(),
                boot=BOOT,
                disguise=as_they_are,
                say=print,
            )
            ending = threading.Thread(target=_end, args=(here, there))
            ending.start()
            agent.run(readings=3, drain_s=0)
            ending.join()
    return 0


def _link(segment: LinuxSegment) -> None:
    for node in ("web", "db"):
        segment.create_namespace(node)
    segment.create_veth(
        node_a="web",
        name_a="wd",
        mac_a="02:00:00:00:00:0a",
        node_b="db",
        name_b="dw",
        mac_b="02:00:00:00:00:0b",
        mtu=1500,
        alias="production",
    )
    for node, name, address in (("web", "wd", "10.0.0.0"), ("db", "dw", "10.0.0.1")):
        segment.add_address(node, name, address, 31)
        segment.set_netem(node, name, Impairment(delay_ns=20_000_000))
        segment.set_link_up(node, name, up=True)
    segment.wait_for_links([("web", "wd"), ("db", "dw")])


def _connected(segment: LinuxSegment) -> tuple[socket.socket, socket.socket]:
    listener = segment.open_socket("db", socket.AF_INET, socket.SOCK_STREAM)
    here = segment.open_socket("web", socket.AF_INET, socket.SOCK_STREAM)
    for one in (listener, here):
        one.settimeout(30)
    listener.bind(("10.0.0.1", 5000))
    listener.listen()
    here.connect(("10.0.0.1", 5000))
    there, _ = listener.accept()
    listener.close()
    here.sendall(bytes(SENT_BYTES))
    there.setblocking(True)  # with a timeout it would give what is there
    assert len(there.recv(SENT_BYTES, socket.MSG_WAITALL)) == SENT_BYTES
    time.sleep(0.5)
    return here, there


def _end(here: socket.socket, there: socket.socket) -> None:
    """Between the second reading and the third."""
    time.sleep(3)
    there.close()
    time.sleep(0.2)
    here.close()
