"""What the interfaces of a namespace and their queues have counted.

In: a namespace.  Out: the counters of each of its interfaces, the loopback left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shadowlab.kernel.links import LOOPBACK, NamespaceRecord
from shadowlab.kernel.ports import InterfaceCounters
from shadowlab.kernel.queueing.held import netem_rows, read_disciplines
from shadowlab.wire import if_link, pkt_sched
from shadowlab.wire.if_link import LinkStats
from shadowlab.wire.pkt_sched import HTB_CLASS, QdiscState

NO_STATS = LinkStats(0, 0, 0, 0, 0, 0, 0, 0)


def read_counters(namespace: NamespaceRecord) -> Mapping[str, InterfaceCounters]:
    """Counters of every interface we made."""
    bodies = namespace.netlink.dump(if_link.get_stats(), f"read the counters of {namespace.node}")
    stats = dict(map(if_link.parse_stats, bodies))
    states = read_disciplines(namespace)
    rows: dict[int, Sequence[QdiscState]] = {}
    rows |= {state.ifindex: (state,) for state in states if state.parent == pkt_sched.TC_H_ROOT}
    # Below HTB stands the discipline whose queue it is; HTB itself counts only what it let through.
    rows |= {state.ifindex: (state,) for state in states if state.parent == HTB_CLASS}
    rows |= netem_rows(states)
    return {
        record.name: join_counters(stats.get(record.ifindex, NO_STATS), rows.get(record.ifindex, ()))
        for record in namespace.interfaces.values()
        if record.name != LOOPBACK
    }


def join_counters(stats: LinkStats, row: Sequence[QdiscState]) -> InterfaceCounters:
    """Of netems in a row the first counts all that came through and all that was dropped, by whichever of them; the
    second holds what waits, and the packet that it is sending; what the third drops was lost by chance."""
    first, queue = (row[0], row[min(1, len(row) - 1)]) if row else (None, None)
    waiting = queue.queue_packets if queue else 0
    return InterfaceCounters(
        tx_packets=stats.tx_packets,
        tx_bytes=stats.tx_bytes,
        rx_packets=stats.rx_packets,
        rx_bytes=stats.rx_bytes,
        queue_drops=first.drops if first else 0,
        queue_losses=min(row[2].drops, row[0].drops) if len(row) > 2 else 0,
        queue_packets=max(waiting - 1, 0) if len(row) > 1 else waiting,
        queue_bytes=queue.queue_bytes if queue else 0,
        queue_sent_packets=first.sent_packets if first else 0,
        queue_sent_bytes=first.sent_bytes if first else 0,
        queue_marks=first.marks if first else 0,
        queue_overlimits=first.overlimits if first else 0,
        queue_requeues=first.requeues if first else 0,
    )
