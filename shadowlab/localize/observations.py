"""What was seen: flows, the ways they may have taken, and the components those ways cross.

In: names and counts.  Out: frozen arrays that every method of localisation reads.  Never: a measurement's history, nor
where it came from: a file, the shadow, or a generator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

Kind = Literal["link", "cable", "node", "host", "group"]
"""What a component is: one direction of a link, a link both ways, a node that forwards, one that sends or receives, a
named set of links that share a risk."""


@dataclass(frozen=True, kw_only=True)
class Component:
    """Something that can break.  ``links`` are the directions it takes with it, by name: itself where it is a link,
    whose ``ends`` are the nodes it leads from and to."""

    kind: Kind
    name: str
    links: tuple[str, ...] = ()
    ends: tuple[str, str] | None = None

    def __str__(self) -> str:
        return self.name if self.kind == "link" else f"{self.kind} {self.name}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Lists:
    """Many lists of integers in two arrays: list ``i`` is ``values[starts[i]:starts[i + 1]]``."""

    starts: Indices
    values: Indices

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> Indices:
        """How long each list is."""
        return np.diff(self.starts)

    @cached_property
    def owners(self) -> Indices:
        """For each value the list that it is of."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def take(self, which: Indices) -> tuple[Indices, Indices]:
        """The values of some lists, one after the other, and for each the position in ``which`` of its list."""
        lengths = self.lengths[which]
        place = np.repeat(np.arange(len(which)), lengths)
        within = np.arange(len(place)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return self.values[self.starts[which][place] + within], place

    def turned(self, size: int) -> Lists:
        """For each value below ``size`` the lists that hold it, in order."""
        order = np.argsort(self.values, kind="stable")
        return Lists(
            starts=np.concatenate(([0], np.cumsum(np.bincount(self.values, minlength=size)))).astype(np.int64),
            values=self.owners[order],
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Observations:
    """F flows over W ways; a way has one or more candidate paths (P in all), a path crosses components (C in all).

    ``paths`` lists the components of each path, each once; ``ways`` the paths of each way, ``shares`` the probability
    of each of those (they sum to 1 in a way).  Per flow: ``way``, ``sent`` and ``bad`` packets (bad ≤ sent),
    ``excess_ns`` of its RTT over its base (NaN: not known) and ``noise_ns``, the standard deviation of that where
    nothing is wrong; ``shortfall``, the logarithm of the rate it wanted over the one it got (NaN: not known).
    ``utilisation`` is per component (NaN: not known).  ``labels`` are names of sorts of flows
    (port, hash, prefix): the values, and for each flow the index of its value (−1: none).
    """

    components: tuple[Component, ...]
    paths: Lists
    ways: Lists
    shares: Array
    way: Indices
    sent: Array
    bad: Array
    excess_ns: Array
    noise_ns: Array
    shortfall: Array
    utilisation: Array
    labels: Mapping[str, tuple[tuple[str, ...], Indices]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wrong = np.flatnonzero(~((self.bad >= 0) & (self.bad <= self.sent)))
        if len(wrong):
            one = int(wrong[0])
            raise ValueError(f"flow {one}: {self.bad[one]:g} packets bad of {self.sent[one]:g} sent")

    @property
    def flows(self) -> int:
        """How many flows."""
        return len(self.way)

    @property
    def single(self) -> bool:
        """Whether the way of every flow is known."""
        return len(self.ways.values) == len(self.ways)

    def crossing_shares(self, used: NDArray[np.bool_]) -> tuple[Indices, Indices, Array]:
        """(way, component, probability that a flow of that way crosses it), for the ways that ``used`` marks; each
        pair once."""
        if self.single:
            which = np.flatnonzero(used)
            paths, place = self.ways.take(which)
            components, row = self.paths.take(paths)
            return which[place[row]], components, self.shares[self.ways.starts[which]][row]
        way, component, share = self._crossed
        if used.all():
            return way, component, share
        there = used[way]
        return way[there], component[there], share[there]

    @cached_property
    def _crossed(self) -> tuple[Indices, Indices, Array]:
        """Of all ways: the product of (way, path) and (path, component), which spares a sort of every step."""
        of_way = csr_matrix((self.shares, self.ways.values, self.ways.starts), shape=(len(self.ways), len(self.paths)))
        steps = np.ones(len(self.paths.values))
        shape = (len(self.paths), len(self.components))
        product = of_way @ csr_matrix((steps, self.paths.values, self.paths.starts), shape=shape)
        product.sort_indices()
        way = np.repeat(np.arange(len(self.ways)), np.diff(product.indptr))
        return way, product.indices.astype(np.int64), np.minimum(product.data, 1.0)


def lists_of(rows: list[tuple[int, ...]]) -> Lists:
    """The arrays of plain lists."""
    lengths = np.fromiter((len(row) for row in rows), dtype=np.int64, count=len(rows))
    values = np.fromiter((value for row in rows for value in row), dtype=np.int64, count=int(lengths.sum()))
    return Lists(starts=np.concatenate(([0], np.cumsum(lengths))).astype(np.int64), values=values)
