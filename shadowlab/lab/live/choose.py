"""Which kernel a lab is to stand on.

In: what was asked for, the map.  Out: ``host`` or ``embedded``.  Never: a lab promised that cannot be built.
"""

from __future__ import annotations

import os
from typing import Literal

from shadowlab.errors import CannotRunError
from shadowlab.guest.cache import find_kernel, need_kernel
from shadowlab.kernel.capability import ROW, probe_host
from shadowlab.lab.live.ground import KernelKind
from shadowlab.model.network import Network
from shadowlab.shadow.shape import does_nothing

KernelWish = Literal["auto", "host", "embedded"]
_FOR_IMPAIRMENTS = frozenset({"netem", ROW, "ifb", "matchall and mirred"})


def choose_kernel(wish: KernelWish, network: Network) -> KernelKind:
    """The host's kernel if it can do all the map needs, else the embedded one.  Raises CannotRunError for neither."""
    if wish == "embedded":
        need_kernel("real")
        return "embedded"
    why = _why_not_host(network)
    if not why:
        return "host"
    if wish == "host":
        raise CannotRunError(f"the host's kernel cannot carry this lab: {why}; --kernel embedded can")
    if find_kernel("real") is None:
        raise CannotRunError(
            f"the host's kernel cannot carry this lab: {why}; and there is no embedded kernel yet: "
            "run 'shadowlab kernel build' (about three minutes, once)"
        )
    return "embedded"


def _why_not_host(network: Network) -> str:
    """What is missing, empty if nothing is."""
    if os.geteuid() != 0:
        return "a lab's names under 'ip netns' need root"
    wishes = [network.impairment(direction) for direction in network.directions]
    spared = frozenset() if any(one.netems > 1 for one in wishes) else frozenset({ROW})
    if all(map(does_nothing, wishes)):
        spared = _FOR_IMPAIRMENTS
    missing = [one for one in probe_host().missing if one.name not in spared]
    return "; ".join(str(piece) for piece in missing)
