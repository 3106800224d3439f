"""What can be drained by itself, and what cannot: the candidates for one fault, as a plan of interventions sees them.

In: a finding, its rivals, the network.  Out: units with a posterior.  Never: a drain that cuts somebody off.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from shadowlab.localize.findings import Found, Localisation
from shadowlab.localize.observations import Component

_MOST = 64
"""Of more candidates the most probable are planned for."""


@dataclass(frozen=True, kw_only=True)
class Unit:
    """Candidates that come and go together.  ``fixed``: no drain takes traffic off them, because somebody would be cut
    off, or because it moves from one of their links to another."""

    components: tuple[Component, ...]
    probability: float
    fixed: bool

    @property
    def name(self) -> str:
        """As a plan names it: by the largest part, which is what is drained."""
        return str(max(self.components, key=lambda one: (len(one.links), one.name)))

    @property
    def links(self) -> frozenset[str]:
        """The directions that a drain of it empties."""
        return frozenset(link for one in self.components for link in one.links)


@dataclass(frozen=True)
class Wires:
    """The network's directions: the nodes each leads from and to."""

    ends: Mapping[str, tuple[str, str]]

    def cut_by(self, drained: Collection[str]) -> bool:
        """Whether without these directions a node that keeps some in and some out, or whose own way was taken, can no
        longer be reached from a neighbour that it was reached from."""
        gone = set(drained)
        after: dict[str, list[str]] = {}
        left: set[str] = set()
        for name, (a, b) in self.ends.items():
            if name not in gone:
                after.setdefault(a, []).append(b)
                left |= {a, b}
        emptied = {end for name in gone for end in self.ends[name]} - left
        if any(self._is_end(node, gone) for node in emptied):
            return True
        starts: dict[str, set[str]] = {}
        for name in gone:
            a, b = self.ends[name]
            if a not in emptied and b not in emptied:
                starts.setdefault(a, set()).add(b)
        for node in emptied:  # a node that is drained as a whole: its neighbours need a way round it
            around = {end for name in gone for end in self.ends[name] if node in self.ends[name]} - emptied
            for one in around:
                starts.setdefault(one, set()).update(around - {one})
        return any(not wanted <= _reached(start, after) for start, wanted in starts.items())

    def _is_end(self, node: str, gone: Collection[str]) -> bool:
        """With one neighbour only it is the end of ways, and not drained but cut off."""
        neighbours = {end for name in gone for end in self.ends[name] if node in self.ends[name]} - {node}
        return len(neighbours) < 2


def wires_of(components: Sequence[Component]) -> Wires:
    """The directions among the components of some observations."""
    return Wires({one.name: one.ends for one in components if one.kind == "link" and one.ends is not None})


def units_of(one: Found, found: Localisation, wires: Wires) -> tuple[Unit, ...]:
    """The members of a class and its rivals, the most probable first; the probabilities sum to 1."""
    rivals = [other for other in found.runners_up if len(found.suspects) == 1 or other.name == one.runner_up]
    weights: dict[Component, float] = {}
    for each in (one, *rivals):
        for component in each.components:
            weights[component] = max(weights.get(component, 0.0), each.posterior / len(each.components))
    ranked = sorted(weights, key=lambda component: (-weights[component], str(component)))[:_MOST]
    links = [component for component in ranked if component.kind == "link"]
    groups = {component: [component] for component in links}
    apart = []
    for wide in (component for component in ranked if component.kind != "link"):
        inside = [component for component in links if component.name in wide.links]
        if len(inside) == 1 and wide.kind != "host":
            groups[inside[0]].append(wide)
        else:
            apart.append((wide, wide.kind == "host" or len(inside) > 1))
    total = sum(weights[component] for component in ranked) or 1.0
    units = [
        Unit(components=tuple(members), probability=sum(weights[member] for member in members) / total, fixed=False)
        for members in groups.values()
    ]
    units += [Unit(components=(wide,), probability=weights[wide] / total, fixed=fixed) for wide, fixed in apart]
    units = [
        Unit(
            components=unit.components,
            probability=unit.probability,
            fixed=unit.fixed or wires.cut_by(unit.links & wires.ends.keys()),
        )
        for unit in units
    ]
    return tuple(sorted(units, key=lambda unit: (-unit.probability, unit.name)))


def _reached(start: str, after: Mapping[str, Sequence[str]]) -> set[str]:
    seen, waiting = {start}, [start]
    while waiting:
        for node in after.get(waiting.pop(), ()):
            if node not in seen:
                seen.add(node)
                waiting.append(node)
    return seen
