"""What is asked of the kernel for the queueing discipline of an interface: always in full.

In: what is known of the interface, an impairment or a shaper.  Out: requests, and what is to be read back after them.
What shapers and netems in a row need is imported when one is set: an import is slow inside the guest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from shadowlab.kernel.links import InterfaceRecord
from shadowlab.model.impairment import Impairment
from shadowlab.model.jitter import uniform_table
from shadowlab.model.queue import Shaper
from shadowlab.wire import pkt_sched
from shadowlab.wire.netem import Netem, netem_of
from shadowlab.wire.netlink import Request

if TYPE_CHECKING:
    from shadowlab.wire.disciplines import Discipline


class Wanted(NamedTuple):
    """What was asked of an interface in this batch, to be read back: netems in a row, or the tree of a shaper."""

    tried: str
    netems: tuple[Netem, ...] = ()
    tree: tuple[Discipline, ...] = ()


def netem_requests(record: InterfaceRecord, impairment: Impairment) -> tuple[tuple[Netem, ...], list[Request]]:
    """netem as the root, or netems in a row.  Raises ValueError for what they cannot hold."""
    there = record.netems
    netems = netems_for(impairment, there)
    if impairment.jitter_ns and not netems[0].table and record.has_table:
        netems = (netems[0]._replace(table=uniform_table().entries), *netems[1:])
    requests = [pkt_sched.set_netem(record.ifindex, netem, place) for place, netem in enumerate(netems)]
    if len(netems) < there:
        requests.insert(0, pkt_sched.delete_below_root(record.ifindex))
    elif there and not (record.impairment is not None and record.impairment.duplicate is not None):
        # The root lets go of its rate only once there is a wire below.  One that makes duplicates must change first:
        # newer kernels, and old ones with the repair, refuse another netem in its tree.
        requests.append(requests.pop(0))
    record.has_table = record.has_table or bool(netems[0].table)
    record.shaper_root, record.impairment, record.netems = "", impairment, len(netems)
    return netems, requests


def netems_for(impairment: Impairment, there: int) -> tuple[Netem, ...]:
    """What is to be on a device that has ``there`` netems in a row, from the root down."""
    if there <= 1 and impairment.netems == 1:  # most are
        return (netem_of(impairment),)
    from shadowlab.wire import netem_tree

    return netem_tree.netems_of(impairment, netem_tree.depth_of(impairment, there))


def shaper_requests(record: InterfaceRecord, shaper: Shaper) -> tuple[tuple[Discipline, ...], list[Request]]:
    """A shaper as the root.  Raises ValueError for what it cannot hold."""
    from shadowlab.wire import disciplines

    tree = disciplines.disciplines_of(shaper)
    requests = disciplines.shaper_requests(record.ifindex, tree, htb_is_there=record.shaper_root == "htb")
    record.shaper_root, record.impairment, record.has_table, record.netems = tree[0].kind, None, False, 0
    return tree, requests
