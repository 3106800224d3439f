"""The peers: ``ip -batch`` with ``tc -batch``, pyroute2, Mininet, each at its best.

In: a workload.  Out: seconds of its build, its change, its link more, its tear-down.
``ip`` and pyroute2 make the same objects as we do.  Mininet makes nodes, links, addresses and queueing disciplines, but
no routes, no neighbours and no own addresses of nodes: its figures flatter it.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.fabric.gone import Witness
from benchmarks.fabric.workload import BURST_BYTES, LIMIT_BYTES, SLOWER_BPS, Workload, discipline, of_kind, tc_words
from shadowlab.shadow.ops import CreateLink, CreateNode, ImpairEgress, Op, SetLinkState, SetRoute

MININET = Path("/usr/lib/python3/dist-packages/mininet")
_MININET_DRIVER = Path(__file__).with_name("mininet_driver.py")
_FORWARD = "net.ipv4.ip_forward"


# --- ip -batch -------------------------------------------------------------------------------------------------------


class _Batches:
    """The lines for ``ip`` and ``tc``: first those outside, then one batch a namespace."""

    def __init__(self, ops: Iterable[Op]) -> None:
        self.outside: list[str] = []
        self.ip: dict[str, list[str]] = {}
        self.tc: dict[str, list[str]] = {}
        self.routers: list[str] = []
        for op in ops:
            self._add(op)

    def _inside(self, node: str, line: str) -> None:
        self.ip.setdefault(node, []).append(line)

    def _add(self, op: Op) -> None:
        match op:
            case CreateNode():
                self.outside.append(f"netns add {op.node}")
                self._inside(op.node, "link set lo up")
                self._inside(op.node, f"addr add {op.address}/32 dev lo")
                self.routers += [op.node] if op.forwards else []
            case CreateLink():
                a = f"name {op.name_a} netns {op.node_a} address {op.mac_a} mtu {op.mtu} numtxqueues 1 numrxqueues 1"
                b = f"name {op.name_b} netns {op.node_b} address {op.mac_b} mtu {op.mtu} numtxqueues 1 numrxqueues 1"
                self.outside.append(f"link add {a} type veth peer {b}")
                self._inside(op.node_a, f"addr add {op.address_a}/{op.prefix} dev {op.name_a} scope link")
                self._inside(op.node_b, f"addr add {op.address_b}/{op.prefix} dev {op.name_b} scope link")
                self._inside(op.node_a, f"neigh add {op.address_b} lladdr {op.mac_b} dev {op.name_a}")
                self._inside(op.node_b, f"neigh add {op.address_a} lladdr {op.mac_a} dev {op.name_b}")
            case ImpairEgress():
                line = f"qdisc replace dev {op.interface} root handle 1: {tc_words(op)}"
                self.tc.setdefault(op.node, []).append(line)
            case SetLinkState():
                self._inside(op.node_a, f"link set {op.name_a} up")
                self._inside(op.node_b, f"link set {op.name_b} up")
            case SetRoute():
                self._inside(op.node, f"route replace {op.destination}/{op.prefix} via {op.via} dev {op.interface}")
            case _:
                raise NotImplementedError(f"ip -batch: {op.describe()}")

    def run(self) -> None:
        _batch("ip", self.outside)
        for node, lines in self.tc.items():
            _batch("tc", lines, node)
        for node, lines in self.ip.items():
            _batch("ip", lines, node)
        if self.routers:  # one shell for all: a process for each would cost more
            loop = f"for node; do ip netns exec $node sysctl -qw {_FORWARD}=1; done"
            subprocess.run(["sh", "-ec", loop, "sh", *self.routers], check=True)


def _batch(program: str, lines: list[str], node: str = "") -> None:
    if not lines:
        return
    where = ["-n", node] if node else []
    subprocess.run([program, *where, "-batch", "-"], input="\n".join(lines), text=True, check=True,
                   stderr=subprocess.PIPE)  # fmt: skip


def time_ip_batch(work: Workload) -> dict[str, float]:
    """Seconds of each step; writing the batches is not counted, running them is."""
    Path("/run/netns").mkdir(exist_ok=True)
    build, change, more = _Batches(work.build), _Batches((work.change,)), _Batches(work.more)
    down = [f"netns del {op.node}" for op in work.build if isinstance(op, CreateNode)]
    return _timed(build.run, change.run, more.run, lambda: _batch("ip", down))


# --- pyroute2 --------------------------------------------------------------------------------------------------------


class _Pyroute2:
    """A socket in every namespace; interface indices are remembered, not looked up again."""

    def __init__(self) -> None:
        from pyroute2 import NSPopen, netns

        self.netns, self.run_in = netns, NSPopen
        self.sockets: dict[str, object] = {}
        self.indices: dict[tuple[str, str], int] = {}

    def make(self, ops: Iterable[Op]) -> None:
        from pyroute2 import IPRoute

        sockets, indices = self.sockets, self.indices
        for op in ops:
            match op:
                case CreateNode():
                    self.netns.create(op.node)
                    one = sockets[op.node] = IPRoute(netns=op.node, flags=0)
                    one.link("set", index=1, state="up")
                    one.addr("add", index=1, address=op.address, prefixlen=32)
                    if op.forwards:
                        self.netns.pushns(op.node)
                        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
                        self.netns.popns()
                case CreateLink():
                    peer = {"ifname": op.name_b, "net_ns_fd": op.node_b, "address": op.mac_b, "mtu": op.mtu,
                            "num_tx_queues": 1, "num_rx_queues": 1}  # fmt: skip
                    sockets[op.node_a].link("add", ifname=op.name_a, kind="veth", peer=peer, address=op.mac_a,
                                            mtu=op.mtu, num_tx_queues=1, num_rx_queues=1)  # fmt: skip
                    ends = ((op.node_a, op.name_a, op.address_a, op.address_b, op.mac_b),
                            (op.node_b, op.name_b, op.address_b, op.address_a, op.mac_a))  # fmt: skip
                    for node, name, own, far, mac in ends:
                        index = indices[node, name] = sockets[node].link_lookup(ifname=name)[0]
                        sockets[node].addr("add", index=index, address=own, prefixlen=op.prefix, scope=253)
                        sockets[node].neigh("add", dst=far, lladdr=mac, ifindex=index, state="permanent")
                case ImpairEgress():
                    self._impair(op)
                case SetLinkState():
                    for node, name in ((op.node_a, op.name_a), (op.node_b, op.name_b)):
                        sockets[node].link("set", index=indices[node, name], state="up")
                case SetRoute():
                    sockets[op.node].route("replace", dst=f"{op.destination}/{op.prefix}", gateway=op.via,
                                           oif=indices[op.node, op.interface])  # fmt: skip
                case _:
                    raise NotImplementedError(f"pyroute2: {op.describe()}")

    def _impair(self, op: ImpairEgress) -> None:
        one, index = self.sockets[op.node], self.indices[op.node, op.interface]
        rate = op.impairment.rate_bps
        if discipline() == "netem":
            delay_us = op.impairment.delay_ns // 1000
            one.tc("replace", "netem", index, 0x10000, delay=delay_us, rate=f"{rate}bit",
                   limit=op.impairment.limit_packets())  # fmt: skip
        else:
            one.tc("replace", "tbf", index, 0x10000, rate=f"{rate}bit", burst=BURST_BYTES, limit=LIMIT_BYTES)

    def end(self) -> None:
        for node, one in self.sockets.items():
            one.close()
            self.netns.remove(node)


def time_pyroute2(work: Workload) -> dict[str, float]:
    """Seconds of each step."""
    one = _Pyroute2()
    return _timed(lambda: one.make(work.build), lambda: one.make((work.change,)), lambda: one.make(work.more), one.end)


# --- Mininet ---------------------------------------------------------------------------------------------------------


def time_mininet(work: Workload) -> dict[str, float]:
    """Seconds of each step, by Mininet's own interpreter in a process of its own.  Nodes get short names, since Mininet
    makes interface names of them."""
    short = {op.node: f"n{number}" for number, op in enumerate(of_kind(work.build, CreateNode))}
    links = [f"{short[op.node_a]} {short[op.node_b]} {op.address_a}/{op.prefix} {op.address_b}/{op.prefix}"
             for op in (*work.build, *work.more) if isinstance(op, CreateLink)]  # fmt: skip
    changed = next(
        number
        for number, op in enumerate(of_kind(work.build, CreateLink))
        if (work.change.node, work.change.interface) in ((op.node_a, op.name_a), (op.node_b, op.name_b))
    )
    words = [discipline(), str(changed), str(SLOWER_BPS / 1e6)]
    with Witness() as witness:
        done = subprocess.run(["/usr/bin/python3", str(_MININET_DRIVER), *words], input="\n".join(links), text=True,
                              check=True, stdout=subprocess.PIPE)  # fmt: skip
        seconds = {step: float(value) for step, value in map(str.split, done.stdout.splitlines())}
        return seconds | witness.ends(seconds["down"])


def _timed(
    build: Callable[[], None], change: Callable[[], None], more: Callable[[], None], down: Callable[[], None]
) -> dict[str, float]:
    seconds = {}
    with Witness() as witness:
        begin = time.monotonic()
        for step, act in (("build", build), ("change", change), ("more", more)):
            act()
            now = time.monotonic()
            seconds[step], begin = now - begin, now
        down()
        return seconds | witness.ends(begin)
