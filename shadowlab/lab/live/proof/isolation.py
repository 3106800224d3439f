"""Proof that nothing leads from a lab to the host, or back.

In: a lab.  Out: one finding per question, each answered by looking or by trying.  Never: a packet of the test that
would do harm if it did get out: it goes to a listener of our own on the host.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil

from shadowlab.guest.resident.start import Line
from shadowlab.kernel.named import mark_of
from shadowlab.kernel.rights.privileges import DAC_READ_SEARCH, read_capabilities
from shadowlab.lab.live.embedded import EmbeddedGround
from shadowlab.lab.live.ground import Program
from shadowlab.lab.live.lab import LiveLab
from shadowlab.shadow.ledger import Account
from shadowlab.shadow.shape import device_of, devices_of

_BURST = 500
_PROBE_S = 30.0
_PROBE = """
import socket, sys
burst, answers = int(sys.argv[1]), 0
for target in sys.argv[2:]:
    address, port = target.rsplit(":", 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        for _ in range(burst):
            try:
                opened.sendto(b"shadowlab isolation probe", (address, int(port)))
            except OSError:
                pass
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as opened:
        opened.settimeout(0.5)
        try:
            opened.connect((address, int(port)))
            answers += 1
        except OSError:
            pass
print(answers)
"""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A question, whether the answer is the right one, and what was seen."""

    question: str
    holds: bool
    seen: str


def verify_isolation(lab: LiveLab) -> tuple[Finding, ...]:
    """Every question, in order."""
    with lab.in_use() as known:
        return tuple(_findings(lab, known))


def _findings(lab: LiveLab, known: Account) -> Iterator[Finding]:
    ground = lab.ground(known)
    if isinstance(ground, EmbeddedGround):
        yield from _root_findings(ground.ask({"do": "root"}))
    view = ground.observe(known)
    strange = sorted(
        f"{node}/{name}"
        for node, state in view.items()
        for name in state["interfaces"]
        if (node, name) not in _expected(known)
    )
    yield Finding(
        question="nodes hold no interface but the lab's own",
        holds=not strange,
        seen=", ".join(strange) or f"{len(view)} nodes",
    )
    yield _host_interfaces(known)
    yield _host_sockets(lab, known)
    if isinstance(ground, EmbeddedGround):
        yield _host_rights(lab, ground)
    yield from _probes(lab, known)


def _expected(known: Account) -> set[tuple[str, str]]:
    found = {(one.node, one.name) for one in known.shape.fabric.interfaces}
    found |= {(one.node, device_of(one)) for one in known.shape.impairments.values()}
    return found | {device for link in known.shape.links.values() for device in devices_of(link)}


def _root_findings(root: Mapping[str, list[str]]) -> Iterator[Finding]:
    """The guest's own namespace: the way out, if there were one."""
    others = [name for name in root["interfaces"] if name != "lo"]
    yield Finding(
        question="the segment's root has no interface but its loopback",
        holds=not others,
        seen=", ".join(root["interfaces"]),
    )
    yield Finding(
        question="the segment's root has no route", holds=not root["routes"], seen=f"{len(root['routes'])} routes"
    )
    yield Finding(
        question="the segment's root does not forward",
        holds=not root["forwards"],
        seen="net.ipv4.ip_forward=" + str(int(bool(root["forwards"]))),
    )
    sockets = [f"{len(root[kind])} {kind}" for kind in ("tcp", "udp", "raw", "packet") if root[kind]]
    yield Finding(
        question="the segment's root holds no socket of the network",
        holds=not sockets,
        seen=", ".join(sockets) or "none",
    )


def _host_interfaces(known: Account) -> Finding:
    mark = mark_of(known.begun.lab, "")
    aliases = sorted(Path("/sys/class/net").glob("*/ifalias"))
    ours = [file.parent.name for file in aliases if file.read_text(errors="replace").startswith(mark)]
    return Finding(question="the host holds no interface of the lab", holds=not ours, seen=", ".join(ours) or "none")


def _host_sockets(lab: LiveLab, known: Account) -> Finding:
    """Sockets of the network in the host's namespace that belong to the guest's keeper or the guest."""
    question = "nothing of the lab holds a network socket on the host"
    if known.begun.kernel == "host":
        return Finding(question=question, holds=True, seen="no process of ours stays")
    with Line(lab.folder.path) as line:
        keeper = psutil.Process(line.keeper)
    held = [
        f"{process.pid}: {one.laddr}"
        for process in (keeper, *keeper.children(recursive=True))
        for one in process.connections(kind="inet")
    ]
    return Finding(question=question, holds=not held, seen=", ".join(held) or "none")


def _host_rights(lab: LiveLab, ground: EmbeddedGround) -> Finding:
    """The guest's processes on the host, as the kernel tells what they hold."""
    with Line(lab.folder.path) as line:
        guests = psutil.Process(line.keeper).children(recursive=True)
    held = {one.pid: read_capabilities(one.pid)["effective"] & ~(1 << DAC_READ_SEARCH) for one in guests}
    strong = [f"process {pid} holds capabilities {mask:x}" for pid, mask in held.items() if mask]
    return Finding(
        question="the guest's processes can change nothing on the host but the lab's own folder",
        holds=not strong and not ground.confined_by_user_only,
        seen=", ".join(strong) or f"{len(guests)} processes; {ground.confined_by}",
    )


def _probes(lab: LiveLab, known: Account) -> Iterator[Finding]:
    """Each node tries to reach a listener of ours on every address of the host; the host counts its packets."""
    addresses = sorted(
        one.address for some in psutil.net_if_addrs().values() for one in some if one.family == socket.AF_INET
    )
    with ExitStack() as stack:
        listeners = [stack.enter_context(_listener(kind)) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)]
        targets = [f"{address}:{one.getsockname()[1]}" for address in addresses for one in listeners]
        before = _packets()
        answered = []
        for node in known.shape.nodes:
            outcome = lab.ground(known).run(
                known,
                Program(node=node, argv=(sys.executable, "-S", "-c", _PROBE, str(_BURST), *targets)),
                b"",
                _PROBE_S * (1 + len(targets)),
            )
            if outcome.text.strip() != "0":
                answered.append(f"{node}: {outcome.text.strip() or outcome.stderr.decode(errors='replace').strip()}")
        after = _packets()
        heard = sum(_heard(one) for one in listeners)
    sent = _BURST * len(targets) * len(known.shape.nodes)
    yield Finding(
        question="no node reaches an address of the host",
        holds=not answered and not heard,
        seen=f"{len(targets)} listeners on {len(addresses)} addresses heard {heard} messages"
        + "".join(f"; {one}" for one in answered),
    )
    grown = sum(after.get(name, 0) - count for name, count in before.items())
    yield Finding(
        question="the host's interfaces count none of the nodes' packets",
        holds=grown < sent / 10,
        seen=f"{sent} packets were sent in the lab, the host's interfaces counted {grown} of all kinds",
    )


def _listener(kind: int) -> socket.socket:
    opened = socket.socket(socket.AF_INET, kind)
    opened.bind(("0.0.0.0", 0))
    if kind == socket.SOCK_STREAM:
        opened.listen()
    opened.setblocking(False)
    return opened


def _heard(listener: socket.socket) -> int:
    count = 0
    while True:
        try:
            if listener.type == socket.SOCK_STREAM:
                listener.accept()[0].close()
            else:
                listener.recv(64)
        except BlockingIOError:
            return count
        count += 1


def _packets() -> dict[str, int]:
    counters = psutil.net_io_counters(pernic=True)
    return {name: one.packets_recv + one.packets_sent for name, one in counters.items() if name != "lo"}
