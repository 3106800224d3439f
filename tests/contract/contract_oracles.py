"""Others read what we set, and we read what they set: ``tc`` and pyroute2 are the oracles.  Linux only.

``tc`` is told for JSON, which both of Debian's releases know; its numbers are rounded as it prints them.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from contract_base import linux, make_pair
from contract_clock import TAKES_A_SEED, seed
from contract_lan import SWITCH_MAC, make_lan
from contract_ways import TARGET, TARGET6, WAYS, make_fan

from shadowlab.kernel.ports import ANYWHERE, Hop, Route, Rule, Segment
from shadowlab.model.impairment import Framing, Impairment
from shadowlab.model.jitter import JitterShape
from shadowlab.model.loss import Chance, GilbertElliott, Reorder
from shadowlab.model.queue import Cake, Codel, Fifo, Pie, Queue, Red, Shaper

MS = 1_000_000
RATE_BPS = 12_000_000
_STATIC = 4
Read = dict[str, Any]


def _tc(segment: Segment, words: str) -> str:
    """What ``tc`` says in ``a``."""
    told = segment.run_script(
        "a", ["/bin/sh"], {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, 10**10, f"exec tc {words} 2>&1"
    )
    return told.output


def _disciplines(segment: Segment) -> Mapping[str, Read]:
    """By kind, the options that ``tc`` reads on the one interface."""
    return {one["kind"]: one.get("options", {}) for one in json.loads(_tc(segment, "-j qdisc show dev ab"))}


def _assert_read(read: Read, wished: Mapping[str, object], about: object = "") -> None:
    """``read`` holds at least what is wished; fractions and seconds to a thousandth."""
    for name, wish in wished.items():
        held = read.get(name)
        if isinstance(wish, dict):
            _assert_read(held or {}, wish, f"{about} {name}")
        elif isinstance(wish, float):
            assert held is not None, (about, name, read)
            assert abs(held - wish) <= 1e-3 * abs(wish), (about, name, held, wish)
        else:
            assert held == wish, (about, name, held, wish)


# --- tc --------------------------------------------------------------------------------------------------------------


@linux
def tc_reads_the_netem_that_we_set(segment: Segment) -> None:
    make_pair(segment)
    wanted = Impairment(
        delay_ns=20 * MS,
        jitter_ns=3 * MS,
        jitter_shape=JitterShape(correlation=0.5),
        loss=0.25,
        loss_correlation=0.125,
        duplicate=Chance(share=0.01, correlation=0.25),
        corrupt=Chance(share=0.02, correlation=0.75),
        reorder=Reorder(share=0.03, correlation=0.5, gap=5),
        rate_bps=RATE_BPS,
        queue_packets=37,
        framing=Framing(packet_bytes=-10, cell_bytes=48, cell_overhead_bytes=5),
        ecn=True,
        seed=seed(42),
    )

    segment.set_netem("a", "ab", wanted)

    read = _disciplines(segment)["netem"]
    held = segment.read_netem("a", "ab")
    assert held is not None
    chances = {
        "delay": {"delay": 0.02, "jitter": 0.003, "correlation": 0.5},
        "loss-random": {"loss": 0.25, "correlation": 0.125},
        "duplicate": {"duplicate": 0.01, "correlation": 0.25},
        "corrupt": {"corrupt": 0.02, "correlation": 0.75},
        "reorder": {"reorder": 0.03, "correlation": 0.5},
        "rate": {"rate": RATE_BPS // 8, "packetoverhead": -10, "cellsize": 48, "celloverhead": 5},
    }
    _assert_read(read, {**chances, "ecn": True, "gap": 5})
    assert read["limit"] >= 37
    assert held.queue_packets == 37


@linux
def tc_reads_a_loss_model_that_we_set(segment: Segment) -> None:
    make_pair(segment)
    model = GilbertElliott(p=0.02, r=0.25, good=0.01, bad=0.75)

    segment.set_netem("a", "ab", Impairment(loss_model=model))

    _assert_read(_disciplines(segment)["netem"], {"loss-gemodel": {"p": 0.02, "r": 0.25, "1-h": 0.75, "1-k": 0.01}})


@linux
def tc_reads_each_discipline_that_we_set(segment: Segment) -> None:
    make_pair(segment)
    wished: tuple[tuple[Queue, str, Read], ...] = (
        (Fifo(packets=60), "pfifo", {"limit": 60}),
        (Fifo(bytes=90_000), "bfifo", {"limit": 90_000}),
        (
            Red(limit_bytes=200_000, min_bytes=15_000, max_bytes=45_000, probability=0.125, adaptive=True),
            "red",
            {"min": 15_000, "max": 45_000, "ecn": True, "adaptive": True},
        ),
        (
            Codel(limit_packets=500, target_ns=128 * MS, interval_ns=1024 * MS),
            "codel",
            {"limit": 500, "target": 128_000, "interval": 1_024_000, "ecn": True},
        ),
        (
            Codel(fair=True, limit_packets=2000, target_ns=128 * MS, interval_ns=1024 * MS, ecn=False),
            "fq_codel",
            {"limit": 2000, "target": 128_000, "interval": 1_024_000, "ecn": None},
        ),
        (
            Pie(limit_packets=700, target_ns=16 * MS, update_ns=40 * MS, alpha=3, beta=21, ecn=True),
            "pie",
            {"limit": 700, "target": 16_000, "tupdate": 40_000, "alpha": 3, "beta": 21, "ecn": True},
        ),
        (
            Cake(rtt_ns=50 * MS, memory_bytes=300_000, flows="flows", priorities="besteffort"),
            "cake",
            {
                "bandwidth": RATE_BPS // 8,
                "diffserv": "besteffort",
                "flowmode": "flows",
                "rtt": 50_000,
                "memlimit": 300_000,
            },
        ),
    )
    for queue, kind, options in wished:
        segment.set_shaper("a", "ab", Shaper(rate_bps=RATE_BPS, queue=queue))

        read = _disciplines(segment)

        assert kind in read, read
        _assert_read(read[kind], options, queue)
        if isinstance(queue, Red):
            assert read["bfifo"]["limit"] == queue.limit_bytes, read  # which stands below it
        if kind != "cake":
            told = _tc(segment, "class show dev ab")  # it knows no JSON for classes of HTB
            assert told.startswith("class htb 2:1 root"), told
            assert "rate 12Mbit overhead 24 ceil 12Mbit" in told, told


@linux
def we_read_the_netem_that_tc_set(segment: Segment) -> None:
    make_pair(segment)
    segment.set_netem("a", "ab", Impairment(delay_ns=MS))
    words = "delay 30ms 2ms 25% loss 5% duplicate 1% reorder 10% gap 3 rate 8mbit limit 70"
    own = " seed 7" if TAKES_A_SEED and "seed" in _tc(segment, "qdisc add netem help") else ""
    assert _tc(segment, f"qdisc replace dev ab root netem {words}{own}") == ""

    held = segment.read_netem("a", "ab")

    assert held is not None
    assert (held.delay_ns, held.jitter_ns, held.rate_bps) == (30 * MS, 2 * MS, 8_000_000)
    assert held.reorder is not None
    assert held.reorder.gap == 3
    for one, wish in ((held.loss, 0.05), (held.reorder.share, 0.1), (held.jitter_shape.correlation, 0.25)):
        assert abs(one - wish) < 1e-6, held


# --- pyroute2 --------------------------------------------------------------------------------------------------------


@contextmanager
def _opened(segment: Segment, node: str) -> Iterator[Any]:
    """pyroute2's socket in a node."""
    from pyroute2 import IPRoute

    with segment.open_socket(node, socket.AF_NETLINK, socket.SOCK_DGRAM, socket.NETLINK_ROUTE) as own:
        own.setblocking(True)
        with IPRoute(use_socket=own) as opened:
            yield opened


@linux
def pyroute2_reads_the_bridge_that_we_made_and_we_read_its(segment: Segment) -> None:
    make_lan(segment, "ab")
    segment.create_bridge("s", "second", mac=SWITCH_MAC, mtu=1500)
    with _opened(segment, "s") as other:
        (bridge,) = [one for one in other.get_links() if one.get_attr("IFLA_IFNAME") == "lan"]
        ports = [one for one in other.get_links() if one.get_attr("IFLA_MASTER") == bridge["index"]]
        assert bridge.get_attr("IFLA_LINKINFO").get_attr("IFLA_INFO_KIND") == "bridge"
        assert bridge.get_attr("IFLA_ADDRESS") == SWITCH_MAC
        assert {one.get_attr("IFLA_IFNAME") for one in ports} == {"p-a", "p-b"}

        (second,) = other.link_lookup(ifname="second")
        other.link("set", index=ports[0]["index"], master=second)
        taken = ports[0].get_attr("IFLA_IFNAME")

    (left,) = {"p-a", "p-b"} - {taken}
    assert sorted(segment.bridge_ports("s")) == [("lan", left), ("second", taken)]


@linux
def pyroute2_reads_the_ipv6_addresses_that_we_gave_and_we_read_its(segment: Segment) -> None:
    make_fan(segment)
    with _opened(segment, "r") as other:
        read = {(one.get_attr("IFA_ADDRESS"), one["prefixlen"]) for one in other.get_addr(family=socket.AF_INET6)}
        assert read >= {("fd00::2", 126), *((f"fd00:{way}::1", 126) for way in WAYS)}, read

        (index,) = other.link_lookup(ifname="x1")
        other.addr("add", index=index, address="2001:db8:77::1", prefixlen=64)

    assert ("x1", "2001:db8:77::1", 64) in segment.addresses("r")


@linux
def pyroute2_reads_the_ways_that_we_set_and_we_read_its(segment: Segment) -> None:
    make_fan(segment)
    with _opened(segment, "r") as other:
        index = {one.get_attr("IFLA_IFNAME"): one["index"] for one in other.get_links()}
        for family, target, form in (
            (socket.AF_INET, TARGET, "10.2.{}.2"),
            (socket.AF_INET6, TARGET6, "fd00:{}::2"),
        ):
            (route,) = [one for one in other.get_routes(family=family) if one.get_attr("RTA_DST") == target]
            hops = {(one["oif"], one.get_attr("RTA_GATEWAY")) for one in route.get_attr("RTA_MULTIPATH")}
            assert hops == {(index[f"x{way}"], form.format(way)) for way in WAYS}, route

        multipath = [{"gateway": f"10.2.{way}.2"} for way in (1, 3)]
        other.route("add", dst="198.51.100.0/24", multipath=multipath)
        other.route("add", dst="203.0.113.0/24", type="blackhole")

    held = segment.routes("r")
    assert Route("198.51.100.0", 24, tuple(Hop(f"x{way}", f"10.2.{way}.2") for way in (1, 3))) in held
    assert Route("203.0.113.0", 24, (), "blackhole") in held


@linux
def pyroute2_reads_the_rule_that_we_made_and_we_read_its(segment: Segment) -> None:
    make_fan(segment)
    ours = Rule("192.0.2.1/32", "198.51.100.0/24", 1000, 100)
    segment.add_rule("r", ours)
    with _opened(segment, "r") as other:
        (read,) = [one for one in other.get_rules(family=socket.AF_INET) if one.get_attr("FRA_PRIORITY") == 100]
        assert (read.get_attr("FRA_SRC"), read["src_len"]) == ("192.0.2.1", 32)
        assert (read.get_attr("FRA_DST"), read["dst_len"]) == ("198.51.100.0", 24)
        assert read.get_attr("FRA_TABLE") == 1000

        other.rule("add", src="192.0.2.0/24", table=77, priority=90, protocol=_STATIC)
        other.rule("add", src="192.0.2.0/24", table=78, priority=91)  # without the mark it is not ours

    assert segment.rules("r") == tuple(sorted((ours, Rule("192.0.2.0/24", ANYWHERE, 77, 90)))), segment.rules("r")
