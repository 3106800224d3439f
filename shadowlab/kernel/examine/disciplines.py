"""Which queueing disciplines this kernel has: found out by trying each on the loopback of a private segment.

In: nothing.  Out: each kind, and why it is not to be had (empty if it is).  Never: a change to the machine, except that
the kernel may load a module of its own.
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Mapping

from shadowlab.errors import KernelRefusedError
from shadowlab.kernel.capability import outcomes_of_child
from shadowlab.kernel.netlink import NetlinkSocket
from shadowlab.wire.netlink import NLM_F_CREATE, NLM_F_REPLACE, Request, pack_text
from shadowlab.wire.pkt_sched import RTM_NEWQDISC, TC_H_ROOT, TCA_KIND, new_ingress

LOOPBACK_INDEX = 1
_TCMSG = struct.Struct("=BxxxiIII")  # family, index, handle, parent, info
UNKNOWN = "ENOENT"
"""How the kernel refuses a kind that it does not know.  Any other refusal only asks for the options we did not send."""

DISCIPLINES: Mapping[str, str] = {
    "netem": "delay, jitter, loss and rate of links",
    "htb": "a rate above an active queue management",
    "tbf": "a token bucket, as policers and modems have",
    "bfifo": "a buffer counted in bytes",
    "pfifo": "a buffer counted in packets",
    "red": "random early detection, with ECN marks",
    "codel": "a queue held by its delay",
    "fq_codel": "fair queues held by their delay",
    "fq": "pacing on the sending host",
    "pie": "a queue held by its delay, as cable modems have",
    "cake": "what home routers shape with",
    "sfq": "fair queues",
    "prio": "strict priorities",
    "ingress": "impairing what leaves an instance",
}
"""Kind, and what it is needed for."""


def probe_disciplines() -> dict[str, str]:
    """Try all of them in a child."""
    outcomes, trouble = outcomes_of_child(__name__)
    return {kind: outcomes.get(kind, trouble) for kind in DISCIPLINES}


def main() -> None:
    """The child: refusals as JSON."""
    from shadowlab.kernel.netns import enter_private_segment

    enter_private_segment()
    outcomes = {}
    netlink = NetlinkSocket("a private segment").open()
    for kind in DISCIPLINES:
        try:
            netlink.queue(_attach(kind), f"attach {kind}")
            netlink.flush()
            outcomes[kind] = ""
        except KernelRefusedError as error:
            outcomes[kind] = str(error) if error.errno_name == UNKNOWN else ""
    netlink.close()
    sys.stdout.write(json.dumps(outcomes))


def _attach(kind: str) -> Request:
    """Make ``kind`` the root of the loopback, with whatever it takes for granted."""
    if kind == "ingress":
        return new_ingress(LOOPBACK_INDEX)
    body = _TCMSG.pack(0, LOOPBACK_INDEX, 0, TC_H_ROOT, 0) + pack_text(TCA_KIND, kind)
    return Request(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, body)
