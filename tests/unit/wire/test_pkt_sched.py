"""Filters and statistics: encode then decode is the identity, and pyroute2 reads the same."""

from __future__ import annotations

import struct
from typing import Any

from pyroute2.netlink.rtnl.tcmsg import tcmsg

from shadowlab.wire import netem, netlink, pkt_sched
from shadowlab.wire.netem import Netem
from shadowlab.wire.netlink import Request


def oracle(request: Request) -> Any:
    message = tcmsg(netlink.pack_message(request, 1))
    message.decode()
    return message


def _qdisc(kind: str, options: bytes, *stats: bytes) -> bytes:
    return (
        struct.pack("=BxxxiIII", 0, 64, 0x10000, pkt_sched.TC_H_ROOT, 2)
        + netlink.pack_text(pkt_sched.TCA_KIND, kind)
        + netlink.pack_attribute(pkt_sched.TCA_OPTIONS, options)
        + netlink.pack_nested(pkt_sched.TCA_STATS2, *stats)
    )


def test_statistics_of_a_queue() -> None:
    basic = netlink.pack_attribute(pkt_sched.TCA_STATS_BASIC, struct.pack("=QI4x", 5_000, 50))
    queue = netlink.pack_attribute(pkt_sched.TCA_STATS_QUEUE, struct.pack("=5I", 3, 300, 7, 0, 0))

    state = pkt_sched.parse_qdisc(_qdisc("netem", netem.pack_netem(Netem(limit=9)), basic, queue))

    assert state.netem == Netem(limit=9)
    assert (state.sent_bytes, state.sent_packets) == (5_000, 50)
    assert (state.queue_packets, state.queue_bytes, state.drops) == (3, 300, 7)


def test_a_packet_count_beyond_32_bits() -> None:
    basic = netlink.pack_attribute(pkt_sched.TCA_STATS_BASIC, struct.pack("=QI4x", 5_000, 0))
    wide = netlink.pack_attribute(pkt_sched.TCA_STATS_PKT64, struct.pack("=Q", 1 << 32))

    state = pkt_sched.parse_qdisc(_qdisc("noqueue", b"", basic, wide))

    assert state.sent_packets == 1 << 32
    assert state.netem is None


def test_an_ingress_hook() -> None:
    message = oracle(pkt_sched.new_ingress(64))

    assert message.get_attr("TCA_KIND") == "ingress"
    assert (message["handle"], message["parent"]) == (0xFFFF0000, 0xFFFFFFF1)


def test_a_redirect_of_all_that_arrives() -> None:
    request = pkt_sched.new_redirect(64, 66)
    message = oracle(request)

    action = message.get_attr("TCA_OPTIONS").get_attr("TCA_MATCHALL_ACT").get_attr("TCA_ACT_PRIO_1")
    parameters = action.get_attr("TCA_ACT_OPTIONS").get_attr("TCA_MIRRED_PARMS")
    assert message.get_attr("TCA_KIND") == "matchall"
    assert (message["index"], message["parent"]) == (64, 0xFFFF0000)
    assert message["info"] == 1 << 16 | 0x0300, "priority 1, every protocol in network order"
    assert action.get_attr("TCA_ACT_KIND") == "mirred"
    assert (parameters["ifindex"], parameters["eaction"], parameters["action"]) == (66, 1, 4)
    assert pkt_sched.parse_filter(request.body) == (64, "matchall", 66)
