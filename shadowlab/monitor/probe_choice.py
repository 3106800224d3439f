"""Which probes stand for which flows, and how to have them take those flows' ways.

In: paths, flows, the ways of a flow there and back.  Out: streams.  Never: a socket.
Imported inside the guest: standard library only.

Where several next hops are of equal cost, each router chooses by a hash over addresses, protocol and ports, so a probe
goes where its ports lead it.  Its source port is free to choose.  So ports are tried, each by asking every router on
the flow's way, there and back, for its next hop, until one goes the same way throughout: with w ways in all, there and
back together, a port fits with probability 1/w.  Failing that, the probe takes the flow's own protocol and ports.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from shadowlab.errors import KernelRefusedError
from shadowlab.kernel.ports import Flow
from shadowlab.model.flow import FlowSpec, Path
from shadowlab.monitor.probe_stream import PROBER_PORT, REFLECTOR_PORT, ProbeKind, Stream


def plain_streams(
    paths: Sequence[Path], flows: Sequence[FlowSpec], addresses6: Mapping[str, str]
) -> tuple[tuple[Stream, ...], ...]:
    """Of each path one stream for each family that its flows use; IPv4 where there is no flow."""
    families: dict[Path, set[bool]] = {}
    for flow in flows:
        over_ipv6 = flow.ipv6 and flow.source in addresses6 and flow.target in addresses6
        families.setdefault(Path(source=flow.source, target=flow.target), set()).add(over_ipv6)
    return tuple(
        tuple(
            Stream(path=index, source=path.source, target=path.target, ipv6=ipv6)
            for ipv6 in sorted(families.get(path, {False}))
        )
        for index, path in enumerate(paths)
    )


FIRST_CHOSEN_PORT = 4100
MOST_PORTS = 256
"""So many source ports are tried.  With 16 ways there and back together, one in 15 million searches ends without."""

Takes = Callable[[Flow], bool]
"""Whether a flow goes the same way as the one to be followed: see :func:`shadowlab.shadow.trace.follower`."""


def stream_along(
    plain: Stream, *, name: str, flow: Flow, there: Takes, back: Takes, kind: ProbeKind = "auto"
) -> Stream:
    """The stream of ``plain``'s path and family that goes the way of a TCP flow ``flow`` called ``name``.

    ``kind`` ``udp``: no crafted segments, though then the way may be another; ``tcp``: nothing else.
    """
    own = replace(
        plain,
        flow=name,
        crafted=True,
        source_port=flow.source_port,
        target_port=flow.destination_port,
        fidelity="exact identity",
    )
    if kind == "tcp":
        return own
    try:
        for port in (PROBER_PORT, *range(FIRST_CHOSEN_PORT, FIRST_CHOSEN_PORT + MOST_PORTS)):
            if there(Flow("udp", port, REFLECTOR_PORT)) and back(Flow("udp", REFLECTOR_PORT, port)):
                return replace(plain, flow=name, source_port=port, fidelity="same way")
    except KernelRefusedError as error:
        if error.errno_name != "EOPNOTSUPP":  # this kernel does not tell its ways
            raise
    return own if kind == "auto" else replace(plain, flow=name, fidelity="any way")
