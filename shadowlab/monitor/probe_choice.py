"""Which probes stand for which flows.

In: paths, flows.  Out: the streams of each path.  Never: a socket.  Imported inside the guest: standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shadowlab.model.flow import FlowSpec, Path
from shadowlab.monitor.probe_stream import Stream


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
