"""A cure as a shell script of ``ip``, ``tc`` and ``sysctl``, node by node.

In: a cure.  Out: text.  What the map does not know (interfaces, prefixes, addresses) are variables that must be given;
the script ends at once without them.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from shadowlab.mitigate.export.subject import Blanks, Subject, one_line
from shadowlab.model.cure.action import Action, HoldRate, MoveRoute, SetControl, SetMetric, SetQueue, SetWeights


def text(of: Subject) -> str:
    """A script with two functions, ``apply`` and ``roll_back``; it does what its first word says, on the node that its
    second names."""
    blanks = Blanks()
    doing, undoing = (
        _function(name, some, blanks) for name, some in (("apply", of.actions), ("roll_back", of.way_back))
    )
    lines = [
        "#!/bin/sh",
        f"# {one_line(of.cure)}: {one_line(of.summary)}",
        f"# Rehearsed in {one_line(of.run)}: {one_line(of.gain)}",
        "# Review before use.  On each node:  sh THIS apply NODE   and to take it back:  sh THIS roll_back NODE",
        "set -eu",
    ]
    if blanks.names:
        lines += ["", "# What the map does not know: fill in, or pass in the environment."]
        lines += [f': "${{{name}:?{name}: fill in}}"  # {words}' for name, words in blanks.lines()]
    lines += ["", *doing, "", *undoing, "", 'case "${1:-}" in']
    lines += ['apply) apply "${2:?node}" ;;', 'roll_back) roll_back "${2:?node}" ;;']
    lines += ['*) echo "usage: sh $0 apply|roll_back NODE" >&2; exit 2 ;;', "esac", ""]
    return "\n".join(lines)


def _function(name: str, actions: Sequence[Action], blanks: Blanks) -> list[str]:
    by_node: dict[str, list[str]] = {}
    people: list[str] = []
    for one in actions:
        commands = list(_commands(one, blanks))
        for node, words in commands:
            by_node.setdefault(node, []).append(words)
        if not commands:
            how = "Instead of routes, where a protocol makes them" if isinstance(one, SetMetric) else "By other means"
            people.append(one_line(f"{how}: {one.describe()}"))
    lines = [f"{name}() {{", '    case "$1" in']
    for node, some in by_node.items():
        lines += [f"    {shlex.quote(node)})", *(f"        {words}" for words in some), "        ;;"]
    lines += ['    *) echo "nothing to do on $1" ;;', "    esac", "}"]
    return [*(f"# {words}" for words in people), *lines]


def _commands(one: Action, blanks: Blanks) -> Iterator[tuple[str, str]]:
    """(node, one command line); none for what these programs cannot do."""
    match one:
        case MoveRoute():
            prefix = f'"${blanks.name("prefix", one.target)}"'
            ways = [
                f'via "${blanks.name("address", way, one.node)}" dev "${blanks.name("interface", one.node, way)}"'
                for way in one.after
            ]
            if not ways:
                yield one.node, f"ip route replace blackhole {prefix}"
            elif len(ways) == 1:
                yield one.node, f"ip route replace {prefix} {ways[0]}"
            else:
                yield one.node, f"ip route replace {prefix} {' '.join(f'nexthop {way}' for way in ways)}"
        case SetWeights():
            prefix = f'"${blanks.name("prefix", one.target)}"'
            hops = [
                f'nexthop via "${blanks.name("address", way, link)}" dev "${blanks.name("interface", one.node, link)}"'
                f" weight {weight}"
                for way, link, weight in zip(one.by, one.links, one.after, strict=True)
            ]
            yield one.node, f"ip route replace {prefix} {' '.join(hops)}"
        case SetQueue():
            words = " ".join(map(shlex.quote, one.after))
            yield one.source, f'tc qdisc replace dev "${blanks.name("interface", one.source, one.target)}" root {words}'
        case SetControl():
            for node in one.nodes:
                yield node, f"sysctl -w {shlex.quote(f'net.ipv4.tcp_congestion_control={one.after}')}"
        case HoldRate():
            device = f'"${blanks.name("interface", one.source)}"'
            if one.after_bps:
                rate = f"{max(1, one.after_bps // 8)}bps"
                yield one.source, f"tc qdisc replace dev {device} root fq maxrate {rate}  # of each connection"
            else:
                yield one.source, f"tc qdisc replace dev {device} root fq"
