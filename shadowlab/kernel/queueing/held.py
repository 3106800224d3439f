"""What the kernel holds on an interface: read back, and compared with what was asked.

In: a namespace, what is wanted of its interfaces.  Out: an impairment, a shaper, differences by name, or a refusal.
Never: a difference passed over.  What shapers need is imported when one is there: an import is slow inside the guest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from shadowlab.errors import KernelRefusedError
from shadowlab.kernel.links import InterfaceRecord, NamespaceRecord
from shadowlab.kernel.queueing.asked import Wanted, netems_for
from shadowlab.model.impairment import Impairment
from shadowlab.model.jitter import JitterShape
from shadowlab.model.queue import Shaper
from shadowlab.wire import pkt_sched
from shadowlab.wire.netem import Netem, impairment_of
from shadowlab.wire.pkt_sched import CAKE_HANDLE, HTB_CLASS, LEAF_HANDLES, RED_BUFFER_HANDLE, QdiscState

if TYPE_CHECKING:
    from shadowlab.wire.disciplines import Discipline

_TIMER_TICK_US = 10_000
"""The coarsest timer tick of any kernel (HZ=100): PIE's updates are rounded up to one."""
_PLAIN_ROOTS = frozenset({"noqueue", "pfifo_fast", "fq_codel", "pfifo", "mq"})
"""What an interface has that nobody gave one: it delays and limits nothing on an interface without a rate."""


def learn_roots(namespace: NamespaceRecord) -> None:
    """Fill the records of interfaces that somebody else made, from what the kernel holds.  A netem found with jitter
    may have been given a table."""
    states = read_disciplines(namespace)
    roots, rows = _roots(states), netem_rows(states)
    for record in namespace.interfaces.values():
        root = roots.get(record.ifindex)
        if root is not None:
            record.shaper_root = root.kind if root.kind in ("htb", "cake") else ""
            record.has_table = root.netem is not None and root.netem.jitter_ns > 0
        record.netems = len(rows.get(record.ifindex, ()))


def read_disciplines(namespace: NamespaceRecord) -> list[QdiscState]:
    """Every queueing discipline of a namespace."""
    bodies = namespace.netlink.dump(pkt_sched.get_qdiscs(), f"read the queueing disciplines of {namespace.node}")
    return list(map(pkt_sched.parse_qdisc, bodies))


def _roots(states: Sequence[QdiscState]) -> dict[int, QdiscState]:
    return {state.ifindex: state for state in states if state.parent == pkt_sched.TC_H_ROOT}


def netem_rows(states: Sequence[QdiscState]) -> dict[int, list[QdiscState]]:
    """By interface its netems from the root down, where its root is one."""
    below = {(state.ifindex, state.handle): state for state in states if state.parent != pkt_sched.TC_H_ROOT}
    rows = {}
    for state in states:
        if state.parent == pkt_sched.TC_H_ROOT and state.netem is not None:
            rows[state.ifindex] = [state]
            for handle in pkt_sched.NETEM_HANDLES[1:]:
                lower = below.get((state.ifindex, handle))
                if lower is None:
                    break
                rows[state.ifindex].append(lower)
    return rows


def _netems(rows: Mapping[int, Sequence[QdiscState]], record: InterfaceRecord) -> list[Netem]:
    return [state.netem for state in rows.get(record.ifindex, ()) if state.netem is not None]


def read_impairment(namespace: NamespaceRecord, record: InterfaceRecord) -> Impairment | None:
    """What the netems of an interface mean, or None."""
    held = _netems(netem_rows(read_disciplines(namespace)), record)
    if not held:
        return None
    asked = record.impairment
    if asked is not None and asked.seed is None:
        held = [one._replace(seed=None) for one in held]
    return meaning_of(held, asked.jitter_shape if asked else None)


def meaning_of(netems: Sequence[Netem], shape: JitterShape | None) -> Impairment:
    """What netems in a row mean, one at the least."""
    if len(netems) == 1:
        return impairment_of(netems[0], shape)
    from shadowlab.wire import netem_tree

    return netem_tree.impairment_of_netems(netems, shape)


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
    rows = netem_rows(states)
    for name, one in wanted.items():
        record = namespace.interface(name, one.tried)
        if one.netems:
            check_netems(one.tried, one.netems, _netems(rows, record))
        else:
            check_tree(one.tried, one.tree, _read_tree(namespace, record, states))


def check_netems(tried: str, wanted: Sequence[Netem], held: Sequence[Netem]) -> None:
    """Raise for the first attribute that the kernel did not take as it was sent."""
    if len(held) != len(wanted):
        why = f"there are {len(held)} netems in a row, not {len(wanted)}" if held else "there is no netem"
        raise KernelRefusedError(tried=tried, errno_name="read back", why=f"{why} on the interface")
    for one, other in zip(wanted, held, strict=True):
        for name, sent, read in netem_differences(one, other):
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
    roots, rows = _roots(states), netem_rows(states)
    for name, want in wanted.items():
        record = namespace.interfaces.get(name)
        if record is None:
            continue
        root, held = roots.get(record.ifindex), _netems(rows, record)
        if isinstance(want, Shaper):
            from shadowlab.wire import disciplines

            tree = _read_tree(namespace, record, states)
            for attribute, sent, read in tree_differences(disciplines.disciplines_of(want), tree):
                yield name, attribute, sent, read
        elif held:
            for attribute, sent, read in _row_differences(want, held):
                yield name, attribute, sent, read
        elif want is not None or (root is not None and root.kind not in _PLAIN_ROOTS):
            yield name, "discipline", "none" if want is None else "netem", root.kind if root is not None else "none"


def _row_differences(want: Impairment | None, held: Sequence[Netem]) -> Iterator[tuple[str, object, object]]:
    asked = netems_for(want or Impairment(), len(held))
    if len(asked) != len(held):
        yield "netems in a row", len(asked), len(held)
        return
    for one, other in zip(asked, held, strict=True):
        # Without a rate nothing waits: one limit is as good as another.
        yield from netem_differences(one._replace(limit=other.limit) if want is None else one, other)


def _not_taken(tried: str, name: str, sent: object, read: object) -> KernelRefusedError:
    why = f"the kernel did not take {name}: sent {sent}, it holds {read}"
    return KernelRefusedError(tried=tried, errno_name="read back", why=why)
