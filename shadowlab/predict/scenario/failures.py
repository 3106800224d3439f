"""Scenarios of what is taken away: failures and planned work.

In: a situation.  Out: the same without some links, from the start (the network after routing has converged), or from a
moment of the run on, with all that happens until it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from shadowlab.model.network import Network
from shadowlab.model.units import exact_duration
from shadowlab.predict.scenario.form import Form, Kind, Names
from shadowlab.predict.scenario.situation import Situation
from shadowlab.topology.quantities import Duration


class FailForm(Form):
    fail: Names
    at: Duration | None = None


class DrainForm(Form):
    drain: Names
    at: Duration | None = None


def links_behind(name: str, situation: Situation) -> tuple[str, ...]:
    """The links that a name of a link, a node or a group stands for.  Raises ValueError for the name of nothing."""
    network = situation.network
    if name in network.groups and (name in network.links_by_id or name in network.nodes_by_id):
        raise ValueError(f"{name} is a group and a {'link' if name in network.links_by_id else 'node'}: rename one")
    if name not in network.groups and name not in network.nodes_by_id:
        situation.need_link(name, or_else=[*network.nodes_by_id, *network.groups])
    members = set(network.groups.get(name, (name,)))
    found = tuple(link.id for link in network.links if members & {link.id, link.a, link.b})
    if not found:
        raise ValueError(f"{name} has no links, so it cannot fail")
    return found


def without_links(network: Network, links: Sequence[str]) -> Network:
    """The network as routing knows it once it has converged: exceptions that lead over these links are gone."""
    lost = set(links)
    kept = tuple(link for link in network.links if link.id not in lost)
    beside = {end for link in kept for end in ((link.a, link.b), (link.b, link.a))}
    return replace(
        network,
        links=kept,
        groups={name: tuple(one for one in members if one not in lost) for name, members in network.groups.items()},
        static_routes=tuple(one for one in network.static_routes if not one.via or (one.at, one.via) in beside),
        source_routes=tuple(
            one
            for one in network.source_routes
            if all(hop in beside for hop in zip(one.path, one.path[1:], strict=False))
        ),
    )


def _fail(form: FailForm, situation: Situation, written: str) -> Situation:
    return _away(form.fail, form.at, "fail", situation, written)


def _drain(form: DrainForm, situation: Situation, written: str) -> Situation:
    return _away(form.drain, form.at, "drain", situation, written)


def _away(names: Sequence[str], at_ns: int | None, kind: str, situation: Situation, written: str) -> Situation:
    verb = {"fail": "fails", "drain": "is drained"}[kind]
    links = {name: links_behind(name, situation) for name in names}
    if at_ns is None:
        lost = sorted({link for some in links.values() for link in some})
        situation = situation.losing([*lost, *names], written)
        return replace(situation, network=without_links(situation.network, lost)).told(
            *(f"{name} {verb}{_counted(name, some)}" for name, some in links.items())
        )
    for name in names:
        if name in situation.touched:
            raise ValueError(f"{name} is also changed by {situation.touched[name]}: the two contradict each other")
    happenings: list[dict[str, Any]] = [{"at": exact_duration(at_ns), kind: name} for name in names]
    return replace(situation, happenings=(*situation.happenings, *happenings)).told(
        *(f"{name} {verb} at {at_ns / 1e9:g} s{_counted(name, some)}" for name, some in links.items())
    )


def _counted(name: str, links: Sequence[str]) -> str:
    return "" if links == (name,) else f" ({len(links)} link{'s' if len(links) > 1 else ''})"


FAIL = Kind(
    name="fail",
    form=FailForm,
    apply=_fail,
    stage=8,
    meaning="links, nodes or groups are down: from the start (after convergence), or from `at` on with the transient",
    example="fail=chi-ind",
)
DRAIN = Kind(
    name="drain",
    form=DrainForm,
    apply=_drain,
    stage=7,
    meaning="the same as planned work: traffic is led away first; combine it with `fail=each` for a further failure",
    example="drain=chi-ind",
)
