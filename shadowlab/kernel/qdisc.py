"""netem on an interface: asked for in full, read back, compared; and the counters of interface and queue together.

In: an interface, an impairment.  Out: nothing, or what the kernel holds.  Never: a difference passed over.
"""

from __future__ import annotations

from collections.abc import Mapping

from shadowlab.errors import KernelRefusedError
from shadowlab.kernel.links import LOOPBACK, NamespaceRecord
from shadowlab.kernel.ports import InterfaceCounters
from shadowlab.wire import if_link, pkt_sched
from shadowlab.wire.if_link import LinkStats
from shadowlab.wire.pkt_sched import Netem, QdiscState

NO_STATS = LinkStats(0, 0, 0, 0, 0, 0, 0, 0)


def read_roots(namespace: NamespaceRecord) -> dict[int, QdiscState]:
    """The root queueing discipline of every interface, by index."""
    bodies = namespace.netlink.dump(pkt_sched.get_qdiscs(), f"read the queueing disciplines of {namespace.node}")
    states = map(pkt_sched.parse_qdisc, bodies)
    return {state.ifindex: state for state in states if state.parent == pkt_sched.TC_H_ROOT}


def check_netems(namespace: NamespaceRecord, wanted: Mapping[str, tuple[str, Netem]]) -> None:
    """Read back every interface of ``wanted`` (name to what was tried, and the state asked for), in one dump."""
    roots = read_roots(namespace) if wanted else {}
    for name, (tried, netem) in wanted.items():
        root = roots.get(namespace.interface(name, tried).ifindex)
        check_netem(tried, netem, root.netem if root else None)


def check_netem(tried: str, wanted: Netem, held: Netem | None) -> None:
    """Raise for the first attribute that the kernel did not take as it was sent."""
    if held is None:
        raise KernelRefusedError(tried=tried, errno_name="read back", why="there is no netem on the interface")
    for name, sent, read in zip(Netem._fields, wanted, held, strict=True):
        if sent != read:
            raise KernelRefusedError(
                tried=tried,
                errno_name="read back",
                why=f"the kernel did not take {name}: sent {sent}, it holds {read}",
            )


def read_counters(namespace: NamespaceRecord) -> Mapping[str, InterfaceCounters]:
    """Counters of every interface we made, loopback left out."""
    bodies = namespace.netlink.dump(if_link.get_stats(), f"read the counters of {namespace.node}")
    stats = dict(map(if_link.parse_stats, bodies))
    roots = read_roots(namespace)
    return {
        record.name: join_counters(stats.get(record.ifindex, NO_STATS), roots.get(record.ifindex))
        for record in namespace.interfaces.values()
        if record.name != LOOPBACK
    }


def join_counters(stats: LinkStats, root: QdiscState | None) -> InterfaceCounters:
    return InterfaceCounters(
        tx_packets=stats.tx_packets,
        tx_bytes=stats.tx_bytes,
        rx_packets=stats.rx_packets,
        rx_bytes=stats.rx_bytes,
        queue_drops=root.drops if root else 0,
        queue_packets=root.queue_packets if root else 0,
        queue_bytes=root.queue_bytes if root else 0,
        queue_sent_packets=root.sent_packets if root else 0,
        queue_sent_bytes=root.sent_bytes if root else 0,
    )
