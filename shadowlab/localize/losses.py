"""The likelihood of lost packets: what each component adds to it, for all components at once.

In: observations.  Out: for components the excess rate that explains most, and how much it explains.  Never: a choice.

The model, for a flow that takes path j of its way with probability p_j::

    P(bad, sent) = sum over j of p_j (1 - exp(-x_j))^bad exp(-x_j)^(sent - bad),     x_j = sum of g_c + sum of r_c

-ln(1 - loss) adds along a path.  A good link has a small rate ``g_c`` of its own: at most ``good_cap`` times their
average, shrunk towards it (a Gamma prior; expectation maximisation as for emission tomography: Vardi, "Network
tomography", 1996).  A faulty component has a rate ``r_c`` instead.  The evidence for a fault is the ratio of two
marginal likelihoods: of a rate whose prior is even in ln r (Laplace's method around the best), and of a good one's.

A flow that lost nothing speaks by ``exp(-kept x)`` alone, which adds up over flows: its like are summed once, and the
search goes over the few flows that lost something.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from shadowlab.localize.observations import Array, Indices, Lists, Observations
from shadowlab.localize.settings import Settings

HIGHEST = 20.0
"""The rate of a component that lets nothing through."""
USUAL_RATE = 1e-5
"""What a good link loses before anything is known of it, worth one packet's evidence."""
_SHAPE = 3.0
"""Of the Gamma prior of good links' rates: they differ by some 60 % of their average."""
_LEAST_FLOWS, _SURELY, _LEAST_VARIANCE = 6, 4.0, 0.5
"""A pick is uneven where so many flows lost something, and the variance among them is so many deviations and so many
squared means beyond chance."""
_GRID = 14
_REFINEMENTS = (2, 4, 8)
"""By how much the step shrinks, time after time."""
_BINS = 24


@dataclass(frozen=True, kw_only=True)
class Best:
    """Per component asked for: the most likely rate of a fault, and the evidence for there being one (rates
    integrated out)."""

    rate: Array
    evidence: Array


class Losses:
    """The loss part of the observations.  ``x`` is the state: the rate of every row (a lossy flow on one path)."""

    def __init__(self, seen: Observations, settings: Settings) -> None:
        self.settings = settings
        self.size = len(seen.components)
        self.is_link = np.array([one.kind == "link" for one in seen.components], dtype=bool)
        weight = 1 / settings.dispersion
        kept_of = (seen.sent - seen.bad) * weight
        lossy = np.flatnonzero(seen.bad > 0)
        paths, place = seen.ways.take(seen.way[lossy])
        starts = seen.ways.starts[seen.way[lossy]]
        first = np.cumsum(seen.ways.lengths[seen.way[lossy]]) - seen.ways.lengths[seen.way[lossy]]
        self.row_flow = place
        self.row_share = seen.shares[starts[place] + np.arange(len(place)) - first[place]]
        self.lost: Array = (seen.bad[lossy] * weight)[place]
        self.kept: Array = kept_of[lossy][place]
        self.flows = len(lossy)
        self.single = len(place) == self.flows
        components, rows = seen.paths.take(paths)
        self.crossed = components
        self.crossing_row = rows
        ends = np.concatenate(([0], np.cumsum(seen.paths.lengths[paths])))
        self.steps = csr_matrix((np.ones(len(components)), components, ends), shape=(len(paths), self.size))
        self.turned = self.steps.T.tocsr()
        self.of = Lists(starts=self.turned.indptr.astype(np.int64), values=self.turned.indices.astype(np.int64))
        self.first_rows = np.flatnonzero(np.diff(place, prepend=-1))
        self.flow_weight = kept_of
        self._lossless(seen, kept_of)
        soft = np.bincount(self.soft_component, self.soft_count * self.soft_share * self.soft_kept, minlength=self.size)
        lossy_too = np.bincount(components, (self.kept * self.row_share)[rows], minlength=self.size)
        self.exposure: Array = np.sum([self.sure_exposure, soft, lossy_too], axis=0, dtype=np.float64)
        self.good: Array = np.zeros(self.size)
        self.average = USUAL_RATE
        self.picks: dict[int, float] = {}
        self.estimate_good(first_guess=True)

    def _lossless(self, seen: Observations, kept_of: Array) -> None:
        """Sum up the flows that lost nothing: linear where a flow surely crosses, else by share and size."""
        quiet = (seen.bad == 0) & (kept_of > 0)
        per_way = np.bincount(seen.way[quiet], kept_of[quiet], minlength=len(seen.ways))
        used = per_way > 0
        way, component, share = seen.crossing_shares(used)
        sure = share > 1 - 1e-9
        self.sure_exposure = np.bincount(component[sure], per_way[way[sure]], minlength=self.size)
        way, component, share = way[~sure], component[~sure], share[~sure]
        if not len(way):
            self.soft_component = np.zeros(0, dtype=np.int64)
            self.soft_share = self.soft_kept = self.soft_count = np.zeros(0)
            return
        kinds, kind = np.unique(np.round(share, 6), return_inverse=True)
        places = np.clip(np.round(2 * np.log2(np.maximum(kept_of[quiet], 1.0))), 0, 2 * _BINS - 1).astype(np.int64)
        bins = 2 * _BINS
        counts = np.bincount(seen.way[quiet] * bins + places, minlength=len(seen.ways) * bins)
        total = np.bincount(places, kept_of[quiet], minlength=bins)
        middle = total / np.maximum(np.bincount(places, minlength=bins), 1)
        key = component * len(kinds) + np.asarray(kind).reshape(-1)
        cells = csr_matrix((np.ones(len(key)), (key, way)), shape=(self.size * len(kinds), len(seen.ways)))
        cells = cells @ csr_matrix(counts.reshape(len(seen.ways), bins).astype(np.float64))
        cells.sort_indices()
        cell = np.repeat(np.arange(cells.shape[0]), np.diff(cells.indptr))
        self.soft_component = cell // len(kinds)
        self.soft_share = kinds[cell % len(kinds)]
        self.soft_kept = middle[cells.indices]
        self.soft_count = cells.data

    # --- the state ---------------------------------------------------------------------------------------------

    def rates(self, without: int | None = None, uneven: Mapping[int, Array] | None = None) -> Array:
        """x of every row under the good rates and the picks (but ``without``), these times what ``uneven`` holds."""
        good = self.good.copy()
        good[[one for one in self.picks if one != without]] = 0.0  # a fault's rate stands in place of its good one
        x: Array = self.steps @ good
        for index, rate in self.picks.items():
            if index != without:
                x[self.rows_of(index)] += rate if uneven is None else rate * uneven.get(index, 1.0)
        return np.maximum(x, 1e-12)

    def uneven(self, without: int) -> dict[int, Array]:
        """For the picks (but ``without``) that take more from some flows than from others, how much more, per row.

        A queue that drops what waits takes nothing from most flows and much from a few; taken as one rate for all, what
        these lost beyond it would be blamed on whatever else they cross.  A factor per flow with a Gamma prior of mean
        1, whose variance is that of the losses beyond Poisson's, where that is sure.
        """
        found: dict[int, Array] = {}
        x = self.rates(without)
        for index, rate in self.picks.items():
            rows = self.rows_of(index)
            if index == without or not self.single or len(rows) < _LEAST_FLOWS:
                continue
            own, expected = self.lost[rows] * rate / x[rows], self.kept[rows] * rate
            squares = float((expected**2).sum())
            beyond = float(((own - expected) ** 2 - own).sum())
            if beyond > _SURELY * math.sqrt(2 * squares + float(expected.sum())) and beyond > _LEAST_VARIANCE * squares:
                inverse = squares / beyond
                found[index] = (inverse + own) / (inverse + expected)
        return found

    def rows_of(self, component: int) -> Indices:
        """The rows that cross a component, each once."""
        return self.of.values[self.of.starts[component] : self.of.starts[component + 1]]

    def weights(self, x: Array) -> Array:
        """The probability of each row given its flow: 1 where the way is known."""
        if self.single:
            return np.ones(len(x))
        log = np.log(self.row_share) + self.lost * log_lost(x) - self.kept * x
        odds = np.exp(log - np.maximum.reduceat(log, self.first_rows)[self.row_flow])
        result: Array = odds / np.add.reduceat(odds, self.first_rows)[self.row_flow]
        return result

    def estimate_good(self, *, first_guess: bool = False) -> None:
        """What each link loses by itself, under the picks; and what they lose on average."""
        exposure = np.where(self.is_link, self.exposure, 0.0)
        exposure[list(self.picks)] = 0.0
        # What carries most of the traffic has no more say in what is usual than others: it may be what is faulty.
        seen = exposure[exposure > 0]
        often = 3 * float(np.median(seen)) if len(seen) else 0.0
        say = often / np.maximum(exposure, often) if often else exposure
        whole = float((say * exposure).sum())
        if first_guess:
            self.average = self._guess(exposure)
            self.good = np.where(self.is_link, self.average, 0.0)
        for _ in range(6):
            x = self.rates()
            own = self.turned @ (self.lost * self.weights(x) / x) * self.good
            own[list(self.picks)] = 0.0
            usual = np.minimum(own, self.settings.good_cap * self.average * exposure)
            self.average = float(((say * usual).sum() + 1) / (whole + 1 / USUAL_RATE))
            rate = (own + _SHAPE) / (exposure + _SHAPE / self.average)
            self.good = np.where(self.is_link, np.minimum(rate, self.settings.good_cap * self.average), 0.0)

    def _guess(self, exposure: Array) -> float:
        """What a link loses on average if each has an even part in what its ways lose; the worst fifth left out."""
        hops = np.maximum(np.bincount(self.crossing_row, self.is_link[self.crossed], minlength=len(self.lost)), 1)
        own = np.bincount(self.crossed, (self.lost * self.row_share / hops)[self.crossing_row], minlength=self.size)
        there = exposure > 0
        rate = np.sort(own[there] / exposure[there])[: max(1, int(0.8 * there.sum()))]
        losses = float(rate.sum() / max(len(rate), 1) * exposure.sum())
        return (losses + 1) / (float(exposure.sum()) + 1 / USUAL_RATE)

    @property
    def least(self) -> float:
        """The smallest excess rate that is a fault beside such good links."""
        return max(self.settings.least_loss, self.settings.above_good * self.average)

    def log_likelihood(self) -> float:
        """Of the state; of the lossless flows to first order in the shares of their ways."""
        x = self.rates()
        each = self.lost * log_lost(x) - self.kept * x
        if self.single:
            lossy = float(each.sum())
        else:
            each = each + np.log(self.row_share)
            top = np.maximum.reduceat(each, self.first_rows) if self.flows else each
            total = np.bincount(self.row_flow, np.exp(each - top[self.row_flow]), minlength=self.flows)
            lossy = float((np.log(total) + top).sum())
        rate = self.good.copy()
        for index, picked in self.picks.items():
            rate[index] = picked
        quiet = float((self.sure_exposure * rate).sum())
        soft = np.log1p(self.soft_share * np.expm1(-self.soft_kept * rate[self.soft_component]))
        return lossy - quiet + float((self.soft_count * soft).sum())

    # --- what components would explain --------------------------------------------------------------------------

    def promising(self, x: Array, least_deviations: float = 1.0) -> NDArray[np.bool_]:
        """The components that losses pull upwards: a score test at a rate of nothing."""
        pull = self.lost * self.weights(x)
        slope = self.turned @ (pull / np.expm1(np.minimum(x, 50.0)))
        spread = self.turned @ (pull / x**2)
        excess = slope - self.exposure
        promising: NDArray[np.bool_] = (excess > 0) & (excess**2 > least_deviations**2 * spread)
        return promising

    def best(self, components: Indices, x: Array) -> Best:
        """The rate of each component that explains most, each by itself, the others as in ``x``.

        Of what is picked already it is looked for near its rate: everywhere if it is not there.
        """
        asked = _Asked(self, components, x)
        low, high = math.log(self.least), math.log(HIGHEST)
        step = (high - low) / (_GRID - 1)
        picked = self.picks.get(int(components[0])) if len(components) == 1 else None
        if picked is not None:
            middle = min(max(math.log(picked), low), high)
            near = [min(max(middle + turn * step, low), high) for turn in (0, -1, 1)]
            gains = [float(asked.gains(np.array([u]))[0]) for u in near]
            if gains[0] >= max(gains):
                return self._refined(asked, components, np.array(near[:1]), np.array(gains[:1]))
        at, top = np.full(len(components), low), asked.gains(np.full(len(components), low))
        for turn in range(1, _GRID):
            u = np.full(len(components), low + turn * step)
            gain = asked.gains(u)
            at, top = np.where(gain > top, u, at), np.maximum(gain, top)
        # Between two points of the grid less is won than this; most components are far from explaining anything.
        most = top + 2 + 0.3 * asked.information(at + step) - math.log(high - low)
        worth = most > self._usual(asked, components)
        if not worth.all():
            rate, evidence = np.exp(at), np.full(len(components), -np.inf)
            if worth.any():
                best = self._refined(_Asked(self, components[worth], x), components[worth], at[worth], top[worth])
                rate[worth], evidence[worth] = best.rate, best.evidence
            return Best(rate=rate, evidence=evidence)
        return self._refined(asked, components, at, top)

    def _refined(self, asked: _Asked, components: Indices, at: Array, top: Array) -> Best:
        """From the best points of the grid, ``at`` with the gains ``top``."""
        low, high = math.log(self.least), math.log(HIGHEST)
        step = (high - low) / (_GRID - 1)
        for shrink in _REFINEMENTS:  # to the vertex of the parabola through three points
            step /= shrink
            below, above = asked.gains(np.maximum(at - step, low)), asked.gains(np.minimum(at + step, high))
            bend = below - 2 * top + above
            move = np.where(bend < 0, (below - above) / np.minimum(2 * bend, -1e-300), 0.0)
            for u, gain in (
                (np.maximum(at - step, low), below),
                (np.minimum(at + step, high), above),
                (vertex := np.clip(at + np.clip(move, -1, 1) * step, low, high), asked.gains(vertex)),
            ):
                at, top = np.where(gain > top, u, at), np.maximum(gain, top)
        bad = top + 0.5 * np.log(2 * math.pi / np.maximum(asked.information(at), 1.0)) - math.log(high - low)
        return Best(rate=np.exp(at), evidence=bad - self._usual(asked, components))

    def _usual(self, asked: _Asked, components: Indices) -> Array:
        """What all share: the likelihood with every other component good, at the rates that fit best."""
        good = np.maximum(self.good[components], 1e-12)
        usual: Array = np.where(self.is_link[components], asked.gains(np.log(good)) + self._unusual(good), 0.0)
        return usual

    def _unusual(self, good: Array) -> Array:
        """The logarithm of the Gamma prior's density at good rates, over that at their average."""
        ratio = good / self.average
        return _SHAPE * (np.log(ratio) - ratio + 1)

    def interval(self, component: int, rate: float, x: Array) -> tuple[float, float]:
        """Where the log-likelihood is less than 1.92 below its best: 95 % of profile likelihood, as rates."""
        asked = _Asked(self, np.array([component]), x)
        top = float(asked.gains(np.array([math.log(rate)]))[0])

        def edge(away: float) -> float:
            near, far = math.log(rate), away
            for _ in range(30):
                middle = (near + far) / 2
                inside = top - float(asked.gains(np.array([middle]))[0]) < 1.92
                near, far = (middle, far) if inside else (near, middle)
            return math.exp(near)

        return edge(math.log(1e-9)), edge(math.log(HIGHEST))

    def visible(self, needed: float) -> Array:
        """Per component the excess rate that would be expected to gain ``needed``; infinite where nothing shows it.

        A fault of rate r among E packets, of which a path loses b otherwise, gains E (r ln((r + b) / b) - r) on
        average.
        """
        rows = np.bincount(self.crossing_row, self.good[self.crossed], minlength=len(self.lost))
        background = max(float(rows.mean()) if len(rows) else 5 * self.average, 1e-9)
        low, high = np.full(self.size, math.log(1e-9)), np.full(self.size, math.log(HIGHEST))
        for _ in range(40):
            middle = (low + high) / 2
            rate = np.exp(middle)
            enough = self.exposure * -np.expm1(-rate) * (np.log1p(rate / background) - 1) >= needed
            low, high = np.where(enough, low, middle), np.where(enough, middle, high)
        return np.where(high >= math.log(HIGHEST) - 1e-6, np.inf, np.maximum(np.exp(high), self.least))


class _Asked:
    """The rows that some components cross, laid out once for many rates."""

    def __init__(self, losses: Losses, components: Indices, x: Array) -> None:
        self.count = len(components)
        self.rows, self.place = losses.of.take(components)
        self.x = np.maximum(x[self.rows] - losses.good[components][self.place], 1e-12)
        self.lost, self.kept = losses.lost[self.rows], losses.kept[self.rows]
        self.base = log_lost(self.x)
        self.single = losses.single
        self.sure = losses.sure_exposure[components]
        slot = np.full(losses.size, -1)
        slot[components] = np.arange(self.count)
        soft = slot[losses.soft_component] >= 0 if len(losses.soft_component) else np.zeros(0, dtype=bool)
        self.soft_place = slot[losses.soft_component[soft]]
        self.soft = losses.soft_share[soft], losses.soft_kept[soft], losses.soft_count[soft]
        self.weight = np.ones(len(self.rows))
        if not self.single:
            self.weight = losses.weights(x)[self.rows]
            flow = losses.row_flow[self.rows]
            new = np.ones(len(flow), dtype=bool)
            new[1:] = (flow[1:] != flow[:-1]) | (self.place[1:] != self.place[:-1])
            self.group, self.first = np.cumsum(new) - 1, np.flatnonzero(new)
            self.group_place = self.place[new]
            self.missing = np.maximum(1 - np.bincount(self.group, self.weight), 0.0)

    def gains(self, u: Array) -> Array:
        """The log-likelihood gained by a rate exp(u) of each component over none."""
        rate = np.exp(u)
        added = rate[self.place]
        change = self.lost * (log_lost(self.x + added) - self.base) - self.kept * added
        if self.single:
            total: Array = np.bincount(self.place, change, minlength=self.count).astype(np.float64)
        else:
            # At least 0, as the paths that do not cross it have it.
            top = np.maximum(np.maximum.reduceat(change, self.first), 0.0) if len(change) else change
            inside = np.bincount(self.group, self.weight * np.exp(change - top[self.group]), minlength=len(top))
            flow = np.log(np.maximum(inside + self.missing * np.exp(-top), 1e-300)) + top
            total = np.bincount(self.group_place, flow, minlength=self.count).astype(np.float64)
        share, kept, count = self.soft
        if len(share):
            quiet = np.log1p(share * np.expm1(-kept * rate[self.soft_place]))
            total = total + np.bincount(self.soft_place, count * quiet, minlength=self.count)
        result: Array = total - self.sure * rate
        return result

    def information(self, u: Array) -> Array:
        """Minus the second derivative by ln r at its best, for small rates."""
        rate = np.exp(u)[self.place]
        each = self.weight * self.lost * (rate / (self.x + rate)) ** 2
        total: Array = np.bincount(self.place, each, minlength=self.count).astype(np.float64)
        return total


def log_lost(x: Array) -> Array:
    """ln(1 - exp(-x)): the log-probability that a packet is lost at rate x."""
    result: Array = np.log(-np.expm1(-x))
    return result
