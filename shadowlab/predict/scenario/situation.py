"""What a what-if scenario changes: a network, what is driven through it, and what happens to it meanwhile.

In: plain values.  Out: frozen situations.  Never: a factor of the scaling law: a situation is at full size.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from shadowlab.model.flow import FlowSpec
from shadowlab.model.network import Network, Node
from shadowlab.model.traffic.workload import Compute, Workload
from shadowlab.topology.wording import did_you_mean

_NAMED = 8


@dataclass(frozen=True, kw_only=True)
class Situation:
    """``happenings`` are events as a scenario file writes them (``{"at": "10 s", "fail": "chi-ind"}``).

    ``changes`` says in words what was done so far; ``touched`` and ``gone`` tell for each link or node which scenario
    changed or removed it, so that two that contradict each other are found whatever their order.
    """

    network: Network
    flows: tuple[FlowSpec, ...] = ()
    workloads: tuple[Workload, ...] = ()
    compute: Mapping[str, Compute] = field(default_factory=dict)
    duration_ns: int
    own_events: bool = False
    """Whether the events of the scenario file asked about happen as well."""
    happenings: tuple[Mapping[str, Any], ...] = ()
    changes: tuple[str, ...] = ()
    touched: Mapping[str, str] = field(default_factory=dict)
    gone: Mapping[str, str] = field(default_factory=dict)

    def told(self, *words: str) -> Situation:
        """The same, with what was changed in words."""
        return replace(self, changes=(*self.changes, *words))

    def touching(self, names: Iterable[str], by: str) -> Situation:
        """The same, knowing who changed these."""
        return replace(self, touched={**self.touched, **dict.fromkeys(names, by)})

    def losing(self, names: Iterable[str], by: str) -> Situation:
        """The same, knowing who removed these.  Raises ValueError where another scenario changed one of them."""
        named = list(names)
        for name in named:
            if name in self.touched and self.touched[name] != by:
                raise ValueError(f"{name} is also changed by {self.touched[name]}: the two contradict each other")
        return replace(self, gone={**self.gone, **dict.fromkeys(named, by)})

    def node(self, name: str, *, kind: str = "") -> Node:
        """A node of this kind ("" for any).  Raises ValueError with what there is."""
        found = self.network.nodes_by_id.get(name)
        kinds = {"host": "instance", "router": "router"}
        if found is None:
            known = [one.id for one in self.network.nodes if one.kind == (kind or one.kind)]
            raise ValueError(self._missing(kinds.get(kind, "node"), name, known))
        if kind and found.kind != kind:
            raise ValueError(f"{name} is no {kinds[kind]} but a {kinds.get(found.kind, found.kind)}")
        return found

    def need_link(self, name: str, *, or_else: Sequence[str] = ()) -> None:
        """Raises ValueError, with what there is, unless this is a link.  ``or_else`` would do as well."""
        if name not in self.network.links_by_id:
            between = [link.id for link in self.network.links if not self.network.is_access(link)]
            what = "link, node or group" if or_else else "link"
            raise ValueError(self._missing(what, name, between, or_else))

    def _missing(self, what: str, name: str, known: Sequence[str], more: Sequence[str] = ()) -> str:
        if name in self.gone:
            return f"{name} is gone by {self.gone[name]}: the two contradict each other"
        listed = f"; there are {', '.join(sorted(known)[:_NAMED])}{', …' if len(known) > _NAMED else ''}"
        return f"the map has no {what} {name!r}{did_you_mean(name, [*known, *more]) or listed}"
