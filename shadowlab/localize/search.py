"""The default method: a greedy likelihood ratio with a rate and a delay per component.

In: observations.  Out: the picks, each with what every other component would explain in its place.  Never: a name for
what chance explains.

For each candidate the evidence of the loss and of the delay it would explain, given what was picked already
(:mod:`losses`, :mod:`delays`), less the price of its kind: the logarithm of how many there are, and a margin (Harsh et
al., "Flock", CoNEXT 2023, search greedily with one rate for all; the rates per component, the removals and the
exchanges are ours).  The best is added and all are estimated anew; a pick that no longer pays is dropped; at the end a
pick is exchanged for what explains more in its place, and the search goes on until nothing changes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shadowlab.localize.losses import Losses
from shadowlab.localize.observations import Array, Component, Observations
from shadowlab.localize.settings import Settings
from shadowlab.localize.shifts import Shifts, delays, shortfalls

_ROUNDS = 4
_TRIED = 10
_BETTER = 0.5
"""A component takes a pick's place if it explains so much more (natural logarithm)."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """How large a fault is: the rate of loss (-ln of what passes), the delay it adds, and the shortfall it makes."""

    rate: float = 0.0
    delay_ns: float = 0.0
    shortfall: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """Per component: net evidence (beyond its price), and of loss, delay and shortfall the size that explains most."""

    net: Array
    rate: Array
    delay_ns: Array
    shortfall: Array

    def size(self, index: int) -> Size:
        """Of one component."""
        return Size(
            rate=float(self.rate[index]),
            delay_ns=float(self.delay_ns[index]),
            shortfall=float(self.shortfall[index]),
        )


class Search:
    """The state of one search.  ``order`` is that of the picks."""

    def __init__(self, seen: Observations, settings: Settings) -> None:
        self.seen, self.settings = seen, settings
        self.losses = Losses(seen, settings)
        self.delays, self.shortfalls = delays(seen, settings), shortfalls(seen, settings)
        self.price = prices(seen.components, settings)
        self.busy = np.nan_to_num(seen.utilisation, nan=0.0) >= settings.busy
        self.price[self.busy] = settings.busy_price
        self.order: list[int] = []
        self._barred: set[int] = set()

    def run(self) -> None:
        """Search until nothing changes."""
        for _ in range(_ROUNDS):
            self._add_all()
            if not self._exchange():
                break
        else:
            self._add_all()
        self._prune()

    def candidates(self, without: int | None = None) -> Candidates:
        """What each component would explain on top of the picks (but ``without``)."""
        size = len(self.seen.components)
        rate, evidence = np.zeros(size), np.zeros(size)
        x = self.losses.rates(without)
        promising = np.flatnonzero(self.losses.promising(x)) if self.losses.flows else np.zeros(0, dtype=np.int64)
        if len(promising):
            best = self.losses.best(promising, x)
            worth = best.evidence > 0
            rate[promising] = np.where(worth, best.rate, 0.0)
            evidence[promising] = np.where(worth, best.evidence, 0.0)
        found = []
        for shifts in (self.delays, self.shortfalls):
            shift, gain = _all_shifts(shifts, without)
            found.append(shift)
            evidence += gain
        net = evidence - self.price + np.where(evidence > 0, self._company(without), 0.0)
        return Candidates(net=net, rate=rate, delay_ns=found[0], shortfall=found[1])

    def alone(self, index: int) -> tuple[float, Size]:
        """Net evidence and size of one component, given the picks beside it."""
        one = np.array([index])
        evidence = rate = 0.0
        if len(self.losses.rows_of(index)):
            best = self.losses.best(one, self.losses.rates(index))
            if best.evidence[0] > 0:
                rate, evidence = float(best.rate[0]), float(best.evidence[0])
        found = []
        for shifts in (self.delays, self.shortfalls):
            shift, gain = shifts.best(one, shifts.left(index)) if len(shifts.rows_of(index)) else ([0.0], [0.0])
            found.append(float(shift[0]))
            evidence += float(gain[0])
        net = evidence - float(self.price[index]) + (self._company(index) if evidence > 0 else 0.0)
        return net, Size(rate=rate, delay_ns=found[0], shortfall=found[1])

    def _company(self, without: int | None) -> float:
        """How much less a component costs beside others: where k are faulty, one more is 1 + k times as likely.  Only
        for what explains something: in a network of few links the others would pay for it alone."""
        return math.log(1 + len(self.order) - (without in self.order))

    # --- moves -------------------------------------------------------------------------------------------------

    def _add_all(self) -> None:
        """Add while it pays; then drop what the later ones made needless, and never take it up again."""
        while len(self.order) < self.settings.most_suspects:
            found = self.candidates()
            net = found.net.copy()
            net[[*self.order, *self._barred]] = -np.inf
            best = int(net.argmax()) if len(net) else 0
            if not len(net) or net[best] <= 0:
                self._barred.update(self._drop())
                return
            self._set(best, found.size(best))
            self.estimate(sweeps=1)

    def _set(self, index: int, size: Size) -> None:
        if index not in self.order:
            self.order.append(index)
        for picks, value in zip(self._parts(), (size.rate, size.delay_ns, size.shortfall), strict=True):
            picks.pop(index, None)
            if value > 0:
                picks[index] = value

    def _unset(self, index: int) -> None:
        self.order.remove(index)
        for picks in self._parts():
            picks.pop(index, None)

    def _parts(self) -> tuple[dict[int, float], dict[int, float], dict[int, float]]:
        return self.losses.picks, self.delays.picks, self.shortfalls.picks

    def estimate(self, sweeps: int = 2) -> None:
        """All rates and delays anew, one after the other, and the good links' rates."""
        for _ in range(sweeps):
            for index in self.order:
                self._set(index, self.alone(index)[1])
            self.losses.estimate_good()

    def _drop(self) -> list[int]:
        """Remove each pick without which the others, estimated anew, explain as much but for its price: the weakest
        first.  Where flows share most of their way the others may take over what a pick explained."""
        dropped: list[int] = []
        self.estimate()
        for index in sorted(self.order, key=lambda one: (self.alone(one)[0], one)):
            if len(self.order) < 2:
                break
            if len(self.order) > _TRIED and self.alone(index)[0] > 0:
                continue  # trying each without would take long, and many faults are far from each other
            before, size = self._likelihood(), self._size(index)
            others = {one: self._size(one) for one in self.order}
            self._unset(index)
            self.estimate()
            if before - self._likelihood() < self.price[index] - self._company(None):
                dropped.append(index)
                continue
            others[index] = size
            for one, its in others.items():
                self._set(one, its)
            self.losses.estimate_good()
        return dropped

    def _prune(self) -> None:
        """Remove what only explains how unevenly the others take from their flows: the weakest first."""
        for index in sorted(self.order, key=lambda one: (self.alone(one)[0], one)):
            if len(self.order) < 2 or index not in self.losses.picks:
                continue
            uneven = self.losses.uneven(index)
            if not uneven:
                continue
            one = np.array([index])
            plain = self.losses.best(one, self.losses.rates(index)).evidence[0]
            spread = self.losses.best(one, self.losses.rates(index, uneven)).evidence[0]
            if self.alone(index)[0] - max(float(plain), 0.0) + max(float(spread), 0.0) <= 0:
                self._unset(index)
                self.estimate(sweeps=1)

    def _size(self, index: int) -> Size:
        rate, delay_ns, shortfall = (picks.get(index, 0.0) for picks in self._parts())
        return Size(rate=rate, delay_ns=delay_ns, shortfall=shortfall)

    def _likelihood(self) -> float:
        shifts = sum(part.log_likelihood() for part in (self.delays, self.shortfalls))
        return self.losses.log_likelihood() + shifts

    def _exchange(self) -> bool:
        """Let what explains more take a pick's place; whether anything changed."""
        changed = False
        for index in list(self.order):
            if index not in self.order:
                continue
            found = self.candidates(without=index)
            net = found.net.copy()
            net[[one for one in self.order if one != index]] = -np.inf
            best = int(net.argmax())
            if best != index and net[best] > max(net[index], 0.0) + _BETTER:
                self._unset(index)
                self._set(best, found.size(best))
                changed = True
            elif net[index] <= 0:
                self._unset(index)
                changed = True
        if changed:
            self._drop()
        return changed


def _all_shifts(shifts: Shifts, without: int | None) -> tuple[Array, Array]:
    shift, evidence = np.zeros(shifts.size), np.zeros(shifts.size)
    left = shifts.left(without)
    promising = np.flatnonzero(shifts.promising(left)) if len(left) else np.zeros(0, dtype=np.int64)
    if len(promising):
        shift[promising], evidence[promising] = shifts.best(promising, left)
    return shift, evidence


def prices(components: Sequence[Component], settings: Settings) -> Array:
    """The evidence each component needs: the logarithm of how many there are of its kind, and the margins.

    Never less than none: of two links neither is named for nothing.
    """
    count: dict[str, int] = {}
    for one in components:
        count[one.kind] = count.get(one.kind, 0) + 1
    several = {kind: 0.0 if kind in ("link", "cable") else settings.node_penalty for kind in count}
    by_kind = {kind: max(math.log(n) + settings.penalty + several[kind], 0.0) for kind, n in count.items()}
    return np.array([by_kind[one.kind] for one in components], dtype=np.float64)
