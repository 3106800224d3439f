"""From the picks of a search to findings: classes, nodes in place of their links, what kind of fault, how sure.

In: a search that has ended.  Out: a :class:`Localisation`.  Never: one name out of a class.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shadowlab.localize.classes import UNSEEN, classes, split_by
from shadowlab.localize.findings import Fault, Found, Localisation, Visible
from shadowlab.localize.kinds import drops_what_waits, subset_of
from shadowlab.localize.losses import HIGHEST
from shadowlab.localize.observations import Observations
from shadowlab.localize.search import Candidates, Search, Size
from shadowlab.localize.settings import Settings

_ALL_IS_LOST = 0.98
_NEGLIGIBLE = 1e-6
"""Of less probability nothing is a runner-up."""
_NEVER = 0.0005
"""Of less probability, which shows as 0.000, nothing is named: something else, or chance, explains what it did."""
_LEAST_LINKS = 3
"""So many links are hit of a node that is named, or all that carried anything: two faults may meet by chance."""
_IN_A_NODE = math.log(2)
"""What each link of a node costs that is said to be bad: it is or it is not."""


def localise(seen: Observations, settings: Settings) -> Localisation:
    """Search, and say what was found."""
    search = Search(seen, settings)
    search.run()
    return _Verdict(search, seen, settings).localisation()


class _Verdict:
    def __init__(self, search: Search, seen: Observations, settings: Settings) -> None:
        self.search, self.seen, self.settings = search, seen, settings
        self.index = {one.name: place for place, one in enumerate(seen.components) if one.kind == "link"}
        self.of_class = classes(seen)
        self.crossing = _Crossing(seen)
        # What the search gave up, and would take up again: it explains how unevenly picks take from their flows, beside
        # any of them, and so competes with none for what that pick explains.
        self.beside = np.maximum(search.candidates().net, 0.0) if search.order else np.zeros(len(seen.components))
        self.beside[search.order] = 0.0

    def localisation(self) -> Localisation:
        """The findings, the surest first."""
        nodes = self._nodes()
        inside = {link for links in nodes.values() for link in links}
        inside |= {one for one in self.search.order if self._links(one) and set(self._links(one)) <= inside}
        faults = len(nodes) + sum(1 for one in self.search.order if one not in inside and one not in nodes)
        dearer = math.log(max(len(self.search.order), 1) / max(faults, 1))
        found: list[tuple[int, Found]] = []
        rivals: dict[str, Found] = {}
        for index in self.search.order:
            if index in inside or index in nodes:
                continue
            candidates = self.search.candidates(without=index)
            one, beside = self._found(index, candidates)
            if one.posterior < _NEVER:
                rivals |= {rival.name: rival for rival in beside if rival.name not in rivals}
                continue
            if nodes and one.score <= dearer:  # it was cheap only beside the many links of one node
                continue
            found.append((index, one))
            for rival in beside:
                if rival.name not in rivals or rivals[rival.name].posterior < rival.posterior:
                    rivals[rival.name] = rival
        found += [(node, self._node(node, links)) for node, links in nodes.items()]
        found.sort(key=lambda one: (-one[1].score, one[1].name))
        named = {one.name for _, one in found}
        overloaded = tuple(one for _, one in found if one.fault == "overload")
        ordered = sorted(rivals.values(), key=lambda one: (-one.posterior, -one.score, one.name))
        return Localisation(
            method="likelihood",
            suspects=tuple(one for _, one in found if one.fault != "overload"),
            overloaded=overloaded,
            runners_up=tuple(one for one in ordered if one.name not in named)[: self.settings.runners_up],
            good_loss=self.search.losses.average,
            unseen=tuple(
                one
                for one, number in zip(self.seen.components, self.of_class.tolist(), strict=True)
                if number == UNSEEN
            ),
            visible=self._visible(),
            flows=self.seen.flows,
            packets=float(self.seen.sent.sum()),
        )

    # --- a pick -----------------------------------------------------------------------------------------------

    def _found(self, index: int, candidates: Candidates) -> tuple[Found, list[Found]]:
        """The class of a pick, and what would explain nearly as well in its place."""
        net = candidates.net - self.beside
        net[[one for one in self.search.order if one != index]] = -np.inf
        top = max(float(net.max()), 0.0)
        odds = np.exp(net - top)
        posterior = odds / (odds.sum() + math.exp(-top))
        members = [int(one) for one in np.flatnonzero(self.of_class == self.of_class[index])]
        rest = net.copy()
        rest[members] = -np.inf
        others: list[Found] = []
        taken: set[int] = set()
        for other in np.argsort(-rest, kind="stable").tolist():
            number = int(self.of_class[other])
            if (
                len(others) >= self.settings.runners_up
                or not np.isfinite(rest[other])
                or odds[other] < _NEGLIGIBLE * odds.sum()
            ):
                break
            if number in taken or candidates.size(other) == Size():
                continue
            taken.add(number)
            same = [int(one) for one in np.flatnonzero(self.of_class == number)]
            others.append(
                self._finding(other, same, candidates.size(other), float(posterior[same].sum()), float(rest[other]), "")
            )
        first = others[0].name if others else ""
        sure = float(posterior[members].sum())
        return self._finding(index, members, candidates.size(index), sure, float(net[index]), first), others

    def _finding(
        self, index: int, members: Sequence[int], size: Size, posterior: float, score: float, runner_up: str
    ) -> Found:
        losses, delays = self.search.losses, self.search.delays
        chosen = index in self.search.order
        low, high = (
            losses.interval(index, size.rate, losses.rates(index)) if chosen and size.rate else (size.rate, size.rate)
        )
        delay = size.delay_ns
        delay_interval = delays.interval(index, delay, delays.left(index)) if chosen and delay else (delay, delay)
        ordered = [index, *(one for one in members if one != index)]
        ordered.sort(key=lambda one: (self.search.price[one], str(self.seen.components[one])))
        utilisation = float(self.seen.utilisation[index])
        flows = self.crossing.flows(index)
        one = Found(
            components=tuple(self.seen.components[one] for one in ordered),
            fault=self._fault(index, size, flows),
            posterior=posterior,
            score=score,
            loss=-math.expm1(-size.rate),
            loss_interval=(-math.expm1(-low), -math.expm1(-high)),
            delay_ns=delay,
            delay_interval_ns=delay_interval,
            utilisation=utilisation if math.isfinite(utilisation) else None,
            subset=subset_of(self.seen, flows, losses.average) if chosen and size.rate else "",
            runner_up=runner_up,
            split_by=split_by(self.seen, ordered) if chosen else "",
        )
        return self._counted(one, flows)

    def _fault(self, index: int, size: Size, flows: NDArray[np.int64]) -> Fault:
        if self.search.busy[index]:
            return "overload"
        if size.shortfall:
            return "capacity"
        if -math.expm1(-size.rate) >= _ALL_IS_LOST:
            return "black hole"
        if size.rate and self.settings.sorts and drops_what_waits(self.seen, flows, size.rate):
            return "queue"
        if size.rate and size.delay_ns:
            return "loss and delay"
        return "delay" if size.delay_ns else "loss"

    def _counted(self, found: Found, flows: NDArray[np.int64]) -> Found:
        """With the flows and packets behind it."""
        bad = self.seen.bad[flows]
        return replace(
            found,
            flows=len(flows),
            flows_bad=int((bad > 0).sum()),
            packets=float(self.seen.sent[flows].sum()),
            packets_bad=float(bad.sum()),
        )

    # --- nodes and groups in place of their links ---------------------------------------------------------------

    def _nodes(self) -> dict[int, list[int]]:
        """Nodes and groups that cost less than naming each of their links; and picked ones with the links beside."""
        picked = list(self.search.order)
        links = {index for index in picked if self.seen.components[index].kind == "link"}
        nodes: dict[int, list[int]] = {}
        for index in picked:
            kind = self.seen.components[index].kind
            own = [one for one in self._links(index) if one in links]
            if kind in ("host", "cable"):
                links |= set(self._links(index))  # both directions of a link, which may be a switch's
            elif kind != "link" and own:
                nodes[index] = own
                links -= set(own)
        while True:
            saved, best, own = max(
                (self._saving(index, links) for index in range(len(self.index), len(self.seen.components))),
                default=(0.0, -1, []),
                key=lambda one: (one[0], -one[1]),
            )
            if saved <= 0:
                return nodes
            if best not in picked or self.seen.components[best].kind not in ("host", "cable"):
                nodes[best] = own + [one for one in nodes.get(best, []) if one not in own]
            links -= set(own)

    def _links(self, index: int) -> list[int]:
        return [self.index[name] for name in self.seen.components[index].links if name in self.index]

    def _saving(self, index: int, links: set[int]) -> tuple[float, int, list[int]]:
        """What is saved by naming a component instead of those of its links."""
        member = self._links(index)
        own = [one for one in member if one in links]
        seen = sum(1 for one in member if self.of_class[one] != UNSEEN)
        if len(own) < max(2, min(_LEAST_LINKS, seen)):
            return 0.0, index, own
        apart = float(self.search.price[own].sum())
        return apart - float(self.search.price[index]) - seen * _IN_A_NODE, index, own

    def _node(self, index: int, links: Iterable[int]) -> Found:
        """A node or group with the links that are hit: its loss is their average, its score their sum."""
        links = sorted(links)
        picked = [one for one in self.search.order if one == index or set(self._links(one)) <= set(links)]
        alone = [self.search.alone(one) for one in picked]
        rates = [size.rate for _, size in alone]
        score = sum(net for net, _ in alone)
        flows = np.unique(np.concatenate([self.crossing.flows(one) for one in links]))
        loss, delay = -math.expm1(-float(np.mean(rates))), max(size.delay_ns for _, size in alone)
        fault: Fault = "capacity" if any(size.shortfall for _, size in alone) else "loss and delay"
        if fault == "loss and delay" and not (loss and delay):
            fault = "delay" if delay else "loss"
        one = Found(
            components=(self.seen.components[index],),
            fault=fault,
            posterior=1 / (1 + math.exp(-min(score, 500.0))),
            score=score,
            loss=loss,
            loss_interval=(-math.expm1(-min(rates)), -math.expm1(-max(rates))),
            delay_ns=delay,
            delay_interval_ns=(min(size.delay_ns for _, size in alone), delay),
            members=tuple(self.seen.components[one].name for one in links),
        )
        return self._counted(one, flows)

    # --- what could not be seen ---------------------------------------------------------------------------------

    def _visible(self) -> tuple[Visible, ...]:
        rates = self.search.losses.visible(float(self.search.price.max(initial=0.0)))
        found = []
        for kind in ("link", "cable", "node", "host", "group"):
            mask = np.array([one.kind == kind for one in self.seen.components], dtype=bool)
            mask &= self.of_class != UNSEEN
            if mask.any():
                least = -np.expm1(-np.minimum(rates[mask], HIGHEST))
                found.append(
                    Visible(
                        kind=kind,
                        components=int(mask.sum()),
                        median_loss=float(np.median(least)),
                        blind=int((least > 0.01).sum()),
                    )
                )
        return tuple(found)


class _Crossing:
    """The flows that may cross a component."""

    def __init__(self, seen: Observations) -> None:
        self.seen = seen
        self._known: dict[int, NDArray[np.int64]] = {}

    def flows(self, index: int) -> NDArray[np.int64]:
        """Their indices."""
        if index not in self._known:
            path = np.zeros(len(self.seen.paths), dtype=bool)
            path[self.seen.paths.owners[self.seen.paths.values == index]] = True
            way = np.zeros(len(self.seen.ways), dtype=bool)
            way[self.seen.ways.owners[path[self.seen.ways.values]]] = True
            self._known[index] = np.flatnonzero(way[self.seen.way] & (self.seen.sent > 0))
        return self._known[index]
