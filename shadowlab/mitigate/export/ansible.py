"""A cure as Ansible plays, a play for each node: variables for what the map does not know, commands as lists.

In: a cure.  Out: YAML.  Commands are given as ``argv``, so no shell reads a name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from shadowlab.mitigate.export.subject import Blanks, Subject, one_line
from shadowlab.model.cure.action import (
    Action,
    HoldRate,
    MoveRoute,
    RunRemediation,
    SetControl,
    SetMetric,
    SetQueue,
    SetWeights,
)


def text(of: Subject) -> str:
    """Plays with the tag ``apply`` and, last, those with the tag ``roll_back``."""
    blanks = Blanks()
    plays = [*_plays("apply", of.actions, blanks), *_plays("roll_back", of.way_back, blanks)]
    head = [
        f"# {one_line(of.cure)}: {one_line(of.summary)}",
        f"# Rehearsed in {one_line(of.run)}: {one_line(of.gain)}",
        "# Review before use.  ansible-playbook THIS --tags apply   and to take it back:  --tags roll_back",
        *(f"# variable {name}: {words}" for name, words in blanks.lines()),
    ]
    return "\n".join(head) + "\n" + yaml.safe_dump(plays, sort_keys=False, allow_unicode=True)


def _plays(tag: str, actions: Sequence[Action], blanks: Blanks) -> list[dict[str, Any]]:
    by_node: dict[str, list[dict[str, Any]]] = {}
    for one in actions:
        for node, argv, more in _tasks(one, blanks):
            task: dict[str, Any] = {"name": _unsafe(one_line(one.describe())), "tags": [tag, "never"]}
            if argv:
                task["ansible.builtin.command"] = {"argv": list(argv), **more}
            else:
                task["ansible.builtin.pause"] = {"prompt": _unsafe(f"by other means: {one_line(one.describe())}")}
            by_node.setdefault(node, []).append(task)
    return [
        {
            "name": _unsafe(f"{tag} on {one_line(node)}"),
            "hosts": _unsafe(one_line(node)),
            "become": True,
            "tasks": tasks,
        }
        for node, tasks in by_node.items()
    ]


def _unsafe(text: str) -> str:
    """Names are no templates: braces of strangers are taken apart."""
    return text.replace("{{", "{ {").replace("{%", "{ %").replace("{#", "{ #")


def _tasks(one: Action, blanks: Blanks) -> Iterator[tuple[str, tuple[str, ...], dict[str, Any]]]:
    """(node, argv, further keys); without argv people do it."""

    def blank(what: str, *of: str) -> str:
        return "{{ " + blanks.name(what, *of) + " }}"

    match one:
        case SetMetric():
            for here, there in ((one.a, one.b), (one.b, one.a)):
                lines = (
                    "configure terminal",
                    f"interface {blank('interface', here, there)}",
                    f"ip ospf cost {one.after}",
                )
                yield here, ("vtysh", *(word for line in lines for word in ("-c", line))), {}
        case MoveRoute():
            return  # routes follow from metrics
        case SetWeights():
            hops = [
                ("nexthop", "via", blank("address", way, link), "dev", blank("interface", one.node, link), "weight")
                for way, link in zip(one.by, one.links, strict=True)
            ]
            words = [word for hop, weight in zip(hops, one.after, strict=True) for word in (*hop, str(weight))]
            yield one.node, ("ip", "route", "replace", blank("prefix", one.target), *words), {}
        case SetQueue():
            device = blank("interface", one.source, one.target)
            yield one.source, ("tc", "qdisc", "replace", "dev", device, "root", *map(_unsafe, one.after)), {}
        case SetControl():
            for node in one.nodes:
                yield node, ("sysctl", "-w", f"net.ipv4.tcp_congestion_control={_unsafe(one.after)}"), {}
        case HoldRate():
            argv = ("tc", "qdisc", "replace", "dev", blank("interface", one.source), "root", "fq")
            more = ("maxrate", f"{max(1, one.after_bps // 8)}bps") if one.after_bps else ()
            yield one.source, (*argv, *more), {}
        case RunRemediation():
            yield one.node, ("timeout", f"{one.timeout_s:g}", "/bin/sh", "-s"), {"stdin": _unsafe(one.text)}
        case _:
            yield "localhost", (), {}
