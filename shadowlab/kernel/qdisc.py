"""Queueing disciplines of an interface: asked for in full, read back, compared; and its counters with its queue's.

In: an interface, an impairment or a shaper.  Out: requests, nothing, or what the kernel holds.
Never: a difference passed over.  What shapers need is imported when one is set: an import is slow inside the guest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from shadowlab.errors import KernelRefusedError
from shadowlab.kernel.links import LOOPBACK, InterfaceRecord, NamespaceRecord
from shadowlab.kernel.ports import InterfaceCounters
from shadowlab.model.impairment import Impairment
from shadowlab.model.jitter import uniform_table
from shadowlab.model.queue import Shaper
from shadowlab.wire import if_link, pkt_sched
from shadowlab.wire.if_link import LinkStats
from shadowlab.wire.netem import Netem, impairment_of, netem_of
from shadowlab.wire.netlink import Request
from shadowlab.wire.pkt_sched import CAKE_HANDLE, HTB_CLASS, LEAF_HANDLES, RED_BUFFER_HANDLE, QdiscState

if TYPE_CHECKING:
    from shadowlab.wire.disciplines import Discipline

NO_STATS = LinkStats(0, 0, 0, 0, 0, 0, 0, 0)
_TIMER_TICK_US = 10_000
"""The coarsest timer tick of any kernel (HZ=100): PIE's updates are rounded up to one."""


_PLAIN_ROOTS = frozenset({"noqueue", "pfifo_fast", "fq_codel", "pfifo", "mq"})
"""What an interface has that nobody gave one: it delays and limits nothing on an interface without a rate."""


class Wanted(NamedTuple):
    """What was asked of an interface in this batch, to be read back: a netem or the tree of a shaper."""

    tried: str
    netem: Netem | None = None
    tree: tuple[Discipline, ...] = ()


def netem_requests(record: InterfaceRecord, impairment: Impairment) -> tuple[Netem, list[Request]]:
    """netem as the root.  Raises ValueError for what it cannot hold."""
    netem = netem_of(impairment)
    if impairment.jitter_ns and not netem.table and record.has_table:
        netem = netem._replace(table=uniform_table().entries)
    request = pkt_sched.set_netem(record.ifindex, netem)
    record.has_table = record.has_table or bool(netem.table)
    record.shaper_root, record.impairment = "", impairment
    return netem, [request]


def shaper_requests(record: InterfaceRecord, shaper: Shaper) -> tuple[tuple[Discipline, ...], list[Request]]:
    """A shaper as the root.  Raises ValueError for what it cannot hold."""
    from shadowlab.wire import disciplines

    tree = disciplines.disciplines_of(shaper)
    requests = disciplines.shaper_requests(record.ifindex, tree, htb_is_there=record.shaper_root == "htb")
    record.shaper_root, record.impairment, record.has_table = tree[0].kind, None, False
    return tree, requests


def learn_roots(namespace: NamespaceRecord) -> None:
    """Fill the records of interfaces that somebody else made, from what the kernel holds.  A netem found with jitter
    may have been given a table."""
    roots = _roots(read_disciplines(namespace))
    for record in namespace.interfaces.values():
        root = roots.get(record.ifindex)
        if root is not None:
            record.shaper_root = root.kind if root.kind in ("htb", "cake") else ""
            record.has_table = root.netem is not None and root.netem.jitter_ns > 0


def read_disciplines(namespace: NamespaceRecord) -> list[QdiscState]:
    """Every queueing discipline of a namespace."""
    bodies = namespace.netlink.dump(pkt_sched.get_qdiscs(), f"read the queueing disciplines of {namespace.node}")
    return list(map(pkt_sched.parse_qdisc, bodies))


def _roots(states: Sequence[QdiscState]) -> dict[int, QdiscState]:
    return {state.ifindex: state for state in states if state.parent == pkt_sched.TC_H_ROOT}


def read_impairment(namespace: NamespaceRecord, record: InterfaceRecord) -> Impairment | None:
    """The root netem of an interface, or None."""
    root = _roots(read_disciplines(namespace)).get(record.ifindex)
    if root is None or root.netem is None:
        return None
    asked = record.impairment
    seed = root.netem.seed if asked is None or asked.seed is not None else None
    return impairment_of(root.netem._replace(seed=seed), asked.jitter_shape if asked else None)


def read_shaper(namespace: NamespaceRecord, record: InterfaceRecord) -> Shaper | None:
    """The shaper of an interface, or None."""
    from shadowlab.wire import disciplines

    return disciplines.shaper_of(_read_tree(namespace, record, read_disciplines(namespace)))


def _read_tree(
    namespace: NamespaceRecord, record: InterfaceRecord, states: Sequence[QdiscState]
) -> dict[str, dict[str, int]]:
    """The values of every object of an interface's tree, by kind; RED's buffer as ``buffer``."""
    from shadowlab.wire import disciplines

    found = {
        "buffer" if state.handle == RED_BUFFER_HANDLE else state.kind: disciplines.parse(state.kind, state.options)
        for state in states
        if state.ifindex == record.ifindex and state.handle in (CAKE_HANDLE, RED_BUFFER_HANDLE, *LEAF_HANDLES.values())
    }
    if any(state.ifindex == record.ifindex and state.kind == "htb" for state in states):
        tried = f"read the classes of {namespace.node}/{record.name}"
        classes = map(disciplines.parse_class, namespace.netlink.dump(disciplines.get_classes(record.ifindex), tried))
        found["htb"] = disciplines.parse("htb", dict(classes).get(HTB_CLASS, b""))
    return found


def check_wanted(namespace: NamespaceRecord, wanted: Mapping[str, Wanted]) -> None:
    """Read back every interface of ``wanted`` (by name), in one dump, and one for each shaper's class."""
    states = read_disciplines(namespace) if wanted else []
    roots = _roots(states)
    for name, one in wanted.items():
        record = namespace.interface(name, one.tried)
        if one.netem is not None:
            root = roots.get(record.ifindex)
            check_netem(one.tried, one.netem, root.netem if root else None)
        else:
            check_tree(one.tried, one.tree, _read_tree(namespace, record, states))


def check_netem(tried: str, wanted: Netem, held: Netem | None) -> None:
    """Raise for the first attribute that the kernel did not take as it was sent."""
    if held is None:
        raise KernelRefusedError(tried=tried, errno_name="read back", why="there is no netem on the interface")
    for name, sent, read in netem_differences(wanted, held):
        raise _not_taken(tried, name, sent, read)


def netem_differences(wanted: Netem, held: Netem) -> Iterator[tuple[str, object, object]]:
    """Attribute, as it was sent, as it is held.  The kernel does not tell a jitter table, and invents a seed."""
    if wanted == held._replace(table=wanted.table, seed=held.seed if wanted.seed is not None else None):
        return
    for name, sent, read in zip(Netem._fields, wanted, held, strict=True):
        if sent != read and name != "table" and not (name == "seed" and sent is None):
            yield name, sent, read


def check_tree(tried: str, wanted: Sequence[Discipline], held: Mapping[str, Mapping[str, int]]) -> None:
    """Raise for the first attribute of a shaper's tree that the kernel did not take."""
    for name, sent, read in tree_differences(wanted, held):
        if read is None:
            raise KernelRefusedError(tried=tried, errno_name="read back", why=f"there is no {sent} on the interface")
        raise _not_taken(tried, name, sent, read)


def tree_differences(
    wanted: Sequence[Discipline], held: Mapping[str, Mapping[str, int]]
) -> Iterator[tuple[str, object, object]]:
    """Attribute, as it was sent, as it is held; a discipline that is not there is held as None."""
    from shadowlab.wire import disciplines

    for place, discipline in enumerate(wanted):
        read = held.get("buffer" if place == 2 else discipline.kind)
        if read is None:
            yield "discipline", discipline.kind, None
            continue
        for name, sent in disciplines.as_held(discipline).items():
            if name == "update_us" and sent <= read.get(name, 0) < sent + _TIMER_TICK_US:
                continue
            if read.get(name) != sent:
                yield f"{discipline.kind} {name}", sent, read.get(name, "nothing")


def queue_differences(
    namespace: NamespaceRecord, wanted: Mapping[str, Impairment | Shaper | None]
) -> Iterator[tuple[str, str, object, object]]:
    """Interface, attribute, as it should be, as it is; an interface wanted as None is to impair nothing."""
    states = read_disciplines(namespace)
    roots = _roots(states)
    for name, want in wanted.items():
        record = namespace.interfaces.get(name)
        if record is None:
            continue
        root = roots.get(record.ifindex)
        held = root.netem if root is not None else None
        if isinstance(want, Shaper):
            from shadowlab.wire import disciplines

            tree = _read_tree(namespace, record, states)
            for attribute, sent, read in tree_differences(disciplines.disciplines_of(want), tree):
                yield name, attribute, sent, read
        elif held is not None:
            # Without a rate nothing waits: one limit is as good as another.
            asked = netem_of(Impairment())._replace(limit=held.limit) if want is None else netem_of(want)
            for attribute, sent, read in netem_differences(asked, held):
                yield name, attribute, sent, read
        elif want is not None or (root is not None and root.kind not in _PLAIN_ROOTS):
            yield name, "discipline", "none" if want is None else "netem", root.kind if root is not None else "none"


def _not_taken(tried: str, name: str, sent: object, read: object) -> KernelRefusedError:
    why = f"the kernel did not take {name}: sent {sent}, it holds {read}"
    return KernelRefusedError(tried=tried, errno_name="read back", why=why)


def read_counters(namespace: NamespaceRecord) -> Mapping[str, InterfaceCounters]:
    """Counters of every interface we made, loopback left out."""
    bodies = namespace.netlink.dump(if_link.get_stats(), f"read the counters of {namespace.node}")
    stats = dict(map(if_link.parse_stats, bodies))
    states = read_disciplines(namespace)
    # Below HTB stands the discipline whose queue it is; HTB itself counts only what it let through.
    queues = _roots(states) | {state.ifindex: state for state in states if state.parent == HTB_CLASS}
    return {
        record.name: join_counters(stats.get(record.ifindex, NO_STATS), queues.get(record.ifindex))
        for record in namespace.interfaces.values()
        if record.name != LOOPBACK
    }


def join_counters(stats: LinkStats, queue: QdiscState | None) -> InterfaceCounters:
    return InterfaceCounters(
        tx_packets=stats.tx_packets,
        tx_bytes=stats.tx_bytes,
        rx_packets=stats.rx_packets,
        rx_bytes=stats.rx_bytes,
        queue_drops=queue.drops if queue else 0,
        queue_packets=queue.queue_packets if queue else 0,
        queue_bytes=queue.queue_bytes if queue else 0,
        queue_sent_packets=queue.sent_packets if queue else 0,
        queue_sent_bytes=queue.sent_bytes if queue else 0,
        queue_marks=queue.marks if queue else 0,
        queue_overlimits=queue.overlimits if queue else 0,
        queue_requeues=queue.requeues if queue else 0,
    )
