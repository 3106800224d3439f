"""The shapes: each a piece of a network with traffic on it, small enough to run in a second or two.

In: nothing.  Out: pieces, as parts of a map and a scenario.  Never: a run.

A piece hangs on the router ``core`` by an idle link, so pieces can stand side by side in one run (``jobs``): they share
the kernel and its chance, and no queue.  Its nodes begin with its name.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Words = dict[str, Any]
CORE = "core"
_IDLE: Words = {"delay": "1 ms"}


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A piece: parts of a map, of a scenario, and the files that these name."""

    name: str
    nodes: Mapping[str, Words]
    links: Mapping[str, Words]
    traffic: Sequence[Words]
    events: Sequence[Words] = ()
    compute: Mapping[str, Words] = field(default_factory=dict)
    routes: Sequence[Words] = ()
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    slow: bool = False


def host(**words: Any) -> Words:
    return {"kind": "host", **words}


def line(name: str, link: Words, *traffic: Words, **more: Any) -> Shape:
    """``NAME-a`` - router - ``NAME-b``: what is tried is the second link; traffic with neither end named goes there."""
    a, r, b = f"{name}-a", f"{name}-r", f"{name}-b"
    return Shape(
        name=name,
        nodes={a: host(), r: {"kind": "router"}, b: host()},
        links={
            f"{name}-1": {"ends": [a, r], "delay": "2 ms", "rate": "50 Mbit"},
            f"{name}-2": {"ends": [r, b], "delay": "8 ms", "rate": "4 Mbit", "queue": 40, **link},
            f"{name}-core": {"ends": [r, CORE], **_IDLE},
        },
        traffic=traffic,
        **more,
    )


def transfers(name: str, *, suffix: str = "", size: Any = "60 kB", arrivals: Any = "6/s", **more: Any) -> Words:
    return {
        "transfers": f"{name}{suffix}",
        "from": f"{name}-a",
        "to": f"{name}-b",
        "arrivals": arrivals,
        "size": size,
        **more,
    }


def _lossy() -> Shape:
    return line("lossy", {"loss": "2 %"}, transfers("lossy"))


def _bursts() -> Shape:
    there = {"loss": {"model": "gilbert-elliott", "p": "1 %", "r": "25 %"}}
    back = {"loss": {"model": "four-state", "p13": "1 %", "p31": "30 %", "p14": "0.2 %"}}
    return line("bursts", {"forward": there, "backward": back}, transfers("bursts", tcp={"congestion_control": "reno"}))


def _overtaking() -> Shape:
    shaken = {"jitter": {"size": "2 ms", "mode": "reordering", "distribution": "normal"}, "reorder": "2 %"}
    return line("overtaking", shaken, transfers("overtaking"))


def _doubled() -> Shape:
    return line("doubled", {"duplicate": "3 %", "corrupt": "1 %"}, transfers("doubled"))


def _multipath() -> Shape:
    name = "multipath"
    hosts = [f"{name}-{letter}" for letter in "abcd"]
    leaves, spines = ([f"{name}-{kind}{n}" for n in (1, 2)] for kind in ("leaf", "spine"))
    ways = {f"{leaf}-{spine[-1]}": {"ends": [leaf, spine], "delay": "1 ms", "rate": "4 Mbit", "queue": 30}
            for leaf in leaves for spine in spines}  # fmt: skip
    access = {f"{one}-up": {"ends": [one, leaves[number % 2]], "delay": "0.2 ms", "rate": "10 Mbit"}
              for number, one in enumerate(hosts)}  # fmt: skip
    return Shape(
        name=name,
        nodes={**{one: host() for one in hosts}, **{one: {"kind": "router"} for one in (*leaves, *spines)}},
        links={**ways, **access, f"{name}-core": {"ends": [spines[0], CORE], **_IDLE}},
        traffic=[{"transfers": name, "from": hosts, "to": hosts, "arrivals": "12/s", "size": {"exponential": "60 kB"}}],
    )


def _short() -> Shape:
    size = {"pareto": {"least": "400 B", "most": "300 kB", "shape": 1.2}}
    burst = {"rate": "60/s", "on": {"exponential": "500 ms"}, "off": {"exponential": "1 s"}}
    return line("short", {}, transfers("short", size=size, arrivals=burst))


def _requests() -> Shape:
    name = "requests"
    ends = {"clients": f"{name}-a", "servers": [f"{name}-b"], "request": "300 B"}
    closed = {"requests": name, **ends, "response": {"lognormal": {"median": "6 kB", "sigma": 1}},
              "think": {"exponential": "150 ms"}, "connections": 4, "requests_per_connection": 5}  # fmt: skip
    opened = {"requests": f"{name}-open", **ends, "response": "9 kB", "arrivals": "15/s", "timeout": "400 ms"}
    served = {f"{name}-b": {"workers": 2, "service": {"exponential": "40 ms"}, "queue": 6}}
    return line(name, {}, closed, opened, compute=served)


def _incast() -> Shape:
    name, workers = "incast", [f"incast-{number}" for number in range(8)]
    return Shape(
        name=name,
        nodes={f"{name}-r": {"kind": "router"}, f"{name}-all": host(), **{one: host() for one in workers}},
        links={
            f"{name}-down": {"ends": [f"{name}-r", f"{name}-all"], "delay": "0.5 ms", "rate": "10 Mbit", "queue": 20},
            **{f"{one}-up": {"ends": [one, f"{name}-r"], "delay": "0.5 ms", "rate": "10 Mbit"} for one in workers},
            f"{name}-core": {"ends": [f"{name}-r", CORE], **_IDLE},
        },
        traffic=[
            {"incast": name, "aggregator": f"{name}-all", "workers": workers, "response": "20 kB", "every": "1 s"}
        ],
    )


AQM = ("fq_codel", "codel", "pie", "red", "cake")


def _aqm() -> Shape:
    parts = []
    for kind in AQM:
        name = f"aqm-{kind.replace('_', '-')}"
        ecn = {"tcp": {"ecn": True}}
        parts.append(line(name, {"queue": {"kind": kind}}, transfers(name, size="120 kB", arrivals="4/s", **ecn)))
    return _side_by_side("aqm", parts)


def _datagrams() -> Shape:
    name = "datagrams"
    burst = {"rate": "5 Mbit", "payload": "1000 B", "on": {"exponential": "80 ms"}, "off": {"exponential": "300 ms"}}
    return line(
        name, {"queue": 10, "loss": "1 %"}, {"datagrams": name, "from": f"{name}-a", "to": f"{name}-b", **burst}
    )


def _lookups() -> Shape:
    name = "lookups"
    asked = {"clients": f"{name}-a", "servers": [f"{name}-b"], "arrivals": "25/s", "request": "60 B"}
    return line(name, {"loss": "8 %"}, {"lookups": name, **asked, "response": "300 B", "timeout": "300 ms", "tries": 3})


def _iperf3() -> Shape:
    name = "iperf3"
    server = {"program": "iperf3-serves", "node": f"{name}-b", "command": "iperf3 -s"}
    tcp = {"program": "iperf3-tcp", "node": f"{name}-a", "command": "iperf3 -c 198.18.9.2 -t 3 -P 2", "begin": "1 s"}
    udp = {
        "program": "iperf3-udp",
        "node": f"{name}-a",
        "command": "iperf3 -c 198.18.9.2 -u -b 2M -t 3",
        "begin": "6 s",
    }
    shape = line(name, {"loss": "1 %"}, server, tcp, udp)
    return Shape(**{**vars(shape), "nodes": {**shape.nodes, f"{name}-b": host(address="198.18.9.2")}})


_CHANCE = "import os, random, time; print(os.urandom(8).hex(), random.random(), hash('x'), time.time_ns(), os.getpid())"


def _program() -> Shape:
    """A program that prints whatever differs between two processes of one machine."""
    name = "program"
    return line(name, {}, {"program": name, "node": f"{name}-a", "command": [sys.executable, "-c", _CHANCE]})


def capture() -> bytes:
    """Thirty segments and thirty datagrams between two addresses, 10 ms apart."""
    written = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 101)]
    ends = bytes((198, 51, 100, 1)) + bytes((198, 51, 100, 2))
    for number in range(60):
        udp = struct.pack("!HHHH", 4000, 53, 108, 0) + bytes(100)
        tcp = struct.pack("!HHIIBBHHH", 4000, 80, 1, 1, 5 << 4, 0x18, 1000, 0, 0) + bytes(500)
        protocol, inner = (17, udp) if number % 2 else (6, tcp)
        packet = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(inner), 1, 0, 9, protocol, 0) + ends + inner
        written.append(struct.pack("<IIII", 5, number * 10_000, len(packet), len(packet)) + packet)
    return b"".join(written)


def _replay() -> Shape:
    name = "replay"
    ends = {"198.51.100.1": f"{name}-a", "198.51.100.2": f"{name}-b"}
    sent = {"replay": name, "node": f"{name}-a", "file": "replay.pcap", "addresses": ends, "begin": "2 s"}
    return line(name, {"loss": "5 %"}, sent, files={"replay.pcap": capture()})


def _segment() -> Shape:
    name = "segment"
    hosts, router = [f"{name}-{letter}" for letter in "ab"], f"{name}-r"
    ports = {f"{name}-lan-{one[-1]}": {"ends": [name, one], "delay": "0.2 ms", "rate": "10 Mbit", "loss": "1 %"}
             for one in (*hosts, router)}  # fmt: skip
    return Shape(
        name=name,
        nodes={name: {"kind": "segment"}, router: {"kind": "router"}, **{one: host() for one in hosts},
               f"{name}-far": host()},
        links={**ports, f"{name}-up": {"ends": [router, f"{name}-far"], "delay": "3 ms", "rate": "5 Mbit"},
               f"{name}-core": {"ends": [router, CORE], **_IDLE}},
        traffic=[transfers(name), transfers(name, suffix="-out") | {"to": f"{name}-far"}],
    )  # fmt: skip


def _ipv6() -> Shape:
    shape = line("ipv6", {"loss": "1 %"}, transfers("ipv6", ipv6=True))
    return Shape(**{**vars(shape), "nodes": {**shape.nodes, "ipv6-b": host(addresses=["2001:db8::66"])}})


def _events() -> Shape:
    name = "events"
    routers = [f"{name}-{letter}" for letter in "xyz"]
    ring = {f"{name}-{a[-1]}{b[-1]}": {"ends": [a, b], "delay": "3 ms", "rate": "4 Mbit", "queue": 30}
            for a, b in zip(routers, (*routers[1:], routers[0]), strict=True)}  # fmt: skip
    return Shape(
        name=name,
        nodes={f"{name}-a": host(), f"{name}-b": host(), **{one: {"kind": "router"} for one in routers}},
        links={**ring, f"{name}-core": {"ends": [routers[2], CORE], **_IDLE},
               f"{name}-1": {"ends": [f"{name}-a", routers[0]], "delay": "0.2 ms", "rate": "10 Mbit"},
               f"{name}-2": {"ends": [f"{name}-b", routers[1]], "delay": "0.2 ms", "rate": "10 Mbit"}},
        traffic=[transfers(name, arrivals="8/s")],
        events=[
            {"at": "11.1 s", "ramp": f"{name}-xy", "delay": "6 ms", "loss": "2 %", "over": "600 ms", "every": "100 ms"},
            {"at": "11.2 s", "demand": 2, "flows": [name]},
            {"at": "12 s", "drain": f"{name}-xy", "grace": "300 ms"},
            {"at": "13.4 s", "undrain": f"{name}-xy"},
            {"at": "14 s", "flap": f"{name}-yz", "period": "400 ms", "count": 2},
            {"at": "15 s", "set": f"{name}-xy", "queue": {"kind": "codel"}},
        ],
    )  # fmt: skip


def _source_routes() -> Shape:
    name = "source"
    routers = [f"{name}-{letter}" for letter in "xyz"]
    ring = {f"{name}-{a[-1]}{b[-1]}": {"ends": [a, b], "delay": "3 ms", "rate": "4 Mbit", "queue": 30}
            for a, b in zip(routers, (*routers[1:], routers[0]), strict=True)}  # fmt: skip
    return Shape(
        name=name,
        nodes={f"{name}-a": host(), f"{name}-b": host(), **{one: {"kind": "router"} for one in routers}},
        links={**ring, f"{name}-core": {"ends": [routers[2], CORE], **_IDLE},
               f"{name}-1": {"ends": [f"{name}-a", routers[0]], "delay": "0.2 ms", "rate": "10 Mbit"},
               f"{name}-2": {"ends": [f"{name}-b", routers[1]], "delay": "0.2 ms", "rate": "10 Mbit"}},
        traffic=[transfers(name)],
        routes=[{"from": f"{name}-a", "to": f"{name}-b", "path": [routers[0], routers[2], routers[1]]}],
    )  # fmt: skip


def _dctcp() -> Shape:
    marking = {"queue": {"kind": "red", "limit": "120 kB", "min": "10 kB", "max": "40 kB", "probability": "100 %"}}
    return line("dctcp", marking, transfers("dctcp", size="200 kB", arrivals="3/s",
                                            tcp={"congestion_control": "dctcp", "ecn": True}))  # fmt: skip


def _bbr() -> Shape:
    paced = {"tcp": {"congestion_control": "bbr", "pacing": "3 Mbit"}}
    return line("bbr", {"loss": "1 %"}, transfers("bbr", size="250 kB", arrivals="2/s", **paced))


SOCKETS = 10_000


def _sockets(clients: int = 20) -> Shape:
    """Ten thousand connections, so twice as many sockets, all alive to the end."""
    name = "sockets"
    nodes = [f"{name}-{number}" for number in range(clients)]
    access = {"delay": "1 ms", "rate": "100 Mbit", "queue": 1000}
    return Shape(
        name=name,
        nodes={f"{name}-r": {"kind": "router"}, f"{name}-b": host(), **{one: host() for one in nodes}},
        links={
            f"{name}-down": {"ends": [f"{name}-r", f"{name}-b"], "delay": "5 ms", "rate": "100 Mbit", "queue": 2000},
            **{f"{one}-up": {"ends": [one, f"{name}-r"], **access, "loss": "0.1 %"} for one in nodes},
            f"{name}-core": {"ends": [f"{name}-r", CORE], **_IDLE},
        },
        traffic=[
            {"requests": name, "clients": nodes, "servers": [f"{name}-b"], "request": "200 B", "response": "1 kB",
             "think": {"exponential": "5 s"}, "connections": SOCKETS // clients}
        ],
        slow=True,
    )  # fmt: skip


def _side_by_side(name: str, parts: Sequence[Shape]) -> Shape:
    """One piece of several."""
    return Shape(
        name=name,
        nodes={key: words for one in parts for key, words in one.nodes.items()},
        links={key: words for one in parts for key, words in one.links.items()},
        traffic=[words for one in parts for words in one.traffic],
        events=[words for one in parts for words in one.events],
        compute={key: words for one in parts for key, words in one.compute.items()},
        routes=[words for one in parts for words in one.routes],
        groups={key: words for one in parts for key, words in one.groups.items()},
        files={key: words for one in parts for key, words in one.files.items()},
        slow=any(one.slow for one in parts),
    )


side_by_side = _side_by_side

SHAPES: Mapping[str, Shape] = {
    one.name: one
    for one in (
        _lossy(),
        _bursts(),
        _overtaking(),
        _doubled(),
        _multipath(),
        _short(),
        _requests(),
        _incast(),
        _aqm(),
        _datagrams(),
        _lookups(),
        _iperf3(),
        _program(),
        _replay(),
        _segment(),
        _ipv6(),
        _events(),
        _source_routes(),
        _dctcp(),
        _bbr(),
        _sockets(),
    )
}
