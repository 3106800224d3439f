"""Which links explain the evidence: a greedy likelihood ratio with a rate and a delay per component.

In: per path the directions its packets crossed, packets sent and lost, delay over the baseline and its noise.
Out: a :class:`Ranking`.  Never: one name out of a class that no evidence tells apart.

The model, for path i over its directions c::

    lost_i   ~ Binomial(sent_i, 1 - exp(-x_i)),   x_i = b + sum of r_c        -ln(1 - loss) adds along a path
    excess_i ~ sum of d_c + noise_i               delays add; Huber's likelihood forgives outliers

``b`` is the background, ``r_c`` and ``d_c`` are zero except for the faulty.  The search (Harsh et al., "Flock", CoNEXT
2023, with a rate per component as in our own measurements): for each candidate the one-dimensional
maximum-likelihood rate and delay, given what was picked already; pick the best; estimate all anew; drop a pick that no
longer pays; stop when the gain is below log(components) + 3.  The log-likelihood of the losses is concave in every
rate, so one-dimensional steps in turn reach the joint optimum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shadowlab.localize.incidence import Incidence, build_incidence
from shadowlab.model.network import Direction
from shadowlab.model.verdict import PathEvidence, Suspect

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What counts as a fault.

    ``least_loss`` and ``least_delay_ns`` are the smallest effects worth a name.  ``delay_floor_ns`` is the least noise
    of a path's delay, ``delay_model_error`` the share of an excess that adding up delays cannot explain (queues do not
    add exactly).  ``dispersion`` above 1 weakens counts that come in bursts (variance over mean of the counts).
    """

    least_loss: float = 0.002
    least_delay_ns: float = 1e6
    delay_floor_ns: float = 2e5
    delay_model_error: float = 0.15
    dispersion: float = 1.0
    penalty: float = 3.0
    most_suspects: int = 10
    runners_up: int = 5


DEFAULTS = Settings()
HUBER = 2.5
"""Beyond this many deviations an outlier's weight stops growing."""
LEAST_BACKGROUND = 1e-6
_STEPS = 45


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """``suspects`` in the order of the search; ``runners_up`` would explain nearly as well in the place of one."""

    suspects: tuple[Suspect, ...]
    runners_up: tuple[Suspect, ...]
    background_loss: float
    needed_gain: float


def rank(evidence: Sequence[PathEvidence], *, settings: Settings = DEFAULTS) -> Ranking:
    """The components that explain the evidence.  No suspects on evidence that the background explains.

    Raises ValueError for a path that lost more than it sent.
    """
    for one in evidence:
        if not 0 <= one.lost <= one.sent:
            raise ValueError(f"path {one.path}: {one.lost} packets lost of {one.sent} sent")
    incidence = build_incidence(evidence)
    search = _Search(incidence, evidence, settings)
    needed = math.log(max(len(incidence.classes), 1)) + settings.penalty
    if not incidence.classes:
        return Ranking(suspects=(), runners_up=(), background_loss=0.0, needed_gain=needed)
    while len(search.picks) < settings.most_suspects:
        gains, rates, delays = search.candidates()
        gains[list(search.picks)] = 0.0
        best = int(gains.argmax())
        if gains[best] < needed:
            break
        search.pick(best, rates[best], delays[best])
        search.drop_what_does_not_pay(needed)
        if best not in search.picks:
            break
    suspects, rivals = search.verdicts()
    return Ranking(
        suspects=suspects,
        runners_up=rivals,
        background_loss=float(1 - math.exp(-search.background)),
        needed_gain=needed,
    )


@dataclass
class _Pick:
    rate: float = 0.0
    delay: float = 0.0


@dataclass
class _Search:
    """The state of one search: what is picked, with which rate and delay."""

    incidence: Incidence
    evidence: Sequence[PathEvidence]
    settings: Settings
    picks: dict[int, _Pick] = field(default_factory=dict)
    background: float = LEAST_BACKGROUND

    def __post_init__(self) -> None:
        def column(values: list[float]) -> Array:
            return np.array(values, dtype=np.float64)

        weight = 1 / self.settings.dispersion
        self.lost = column([float(one.lost) for one in self.evidence]) * weight
        self.kept = column([float(one.sent - one.lost) for one in self.evidence]) * weight
        excess = column([one.excess_delay_ns for one in self.evidence])
        noise = column([one.delay_noise_ns for one in self.evidence])
        self.excess = np.where(np.isfinite(excess), excess, 0.0)
        spread = np.hypot(noise, np.hypot(self.settings.delay_floor_ns, self.settings.delay_model_error * self.excess))
        self.weights = np.where(np.isfinite(excess) & np.isfinite(spread), 1 / spread, 0.0)
        self._estimate()

    # --- the model ---------------------------------------------------------------------------------------------

    def _rates(self, without: int | None = None) -> Array:
        """x of every path under the picks, the background included."""
        x = np.full(len(self.lost), self.background)
        for index, pick in self.picks.items():
            if index != without:
                x[self.incidence.paths_of(index)] += pick.rate
        return x

    def _delays(self, without: int | None = None) -> Array:
        """What the picks do not explain of every path's excess delay."""
        left = self.excess.copy()
        for index, pick in self.picks.items():
            if index != without:
                left[self.incidence.paths_of(index)] -= pick.delay
        return left

    def _log_likelihood(self) -> float:
        return float(
            _loss_terms(self.lost, self.kept, self._rates()).sum() - _huber(self._delays() * self.weights).sum()
        )

    # --- one-dimensional steps, for all candidates at once -----------------------------------------------------

    def candidates(self, without: int | None = None) -> tuple[Array, Array, Array]:
        """Gain, rate and delay of each component, added to the picks (but ``without``)."""
        x, left = self._rates(without), self._delays(without)
        rates, loss_gain = self._best_rates(x)
        delays, delay_gain = self._best_delays(left)
        small = -np.expm1(-rates) < self.settings.least_loss
        rates, loss_gain = np.where(small, 0.0, rates), np.where(small, 0.0, loss_gain)
        small = delays < self.settings.least_delay_ns
        delays, delay_gain = np.where(small, 0.0, delays), np.where(small, 0.0, delay_gain)
        # A second parameter has its price: half of BIC's log(paths).
        second = 0.5 * math.log(max(len(x), 2))
        rates = np.where((loss_gain < second) & (delay_gain > loss_gain), 0.0, rates)
        delays = np.where((delay_gain < second) & (loss_gain >= delay_gain), 0.0, delays)
        loss_gain, delay_gain = np.where(rates > 0, loss_gain, 0.0), np.where(delays > 0, delay_gain, 0.0)
        both = (rates > 0) & (delays > 0)
        return loss_gain + delay_gain - np.where(both, second, 0.0), rates, delays

    def _best_rates(self, x: Array) -> tuple[Array, Array]:
        """Bisection on the derivative of a concave function, on a logarithmic scale."""
        at = self.incidence
        lost, kept, base = self.lost[at.columns], self.kept[at.columns], x[at.columns]

        def slope(rate: Array) -> Array:
            return at.sum(lost / np.expm1(base + rate[at.rows]) - kept)

        low, high = np.full(at.size, math.log(1e-8)), np.full(at.size, math.log(20.0))
        for _ in range(_STEPS):
            middle = (low + high) / 2
            rising = slope(np.exp(middle)) > 0
            low, high = np.where(rising, middle, low), np.where(rising, high, middle)
        rate = np.where(slope(np.zeros(at.size)) > 0, np.exp((low + high) / 2), 0.0)
        gain = at.sum(_loss_terms(lost, kept, base + rate[at.rows]) - _loss_terms(lost, kept, base))
        return rate, np.maximum(gain, 0.0)

    def _best_delays(self, left: Array) -> tuple[Array, Array]:
        """Huber's location of what is left, by reweighting from the median (a mean would follow the outliers)."""
        at = self.incidence
        value, weight = left[at.columns], self.weights[at.columns]
        delay = at.medians(value)
        for _ in range(20):
            off = np.abs((value - delay[at.rows]) * weight)
            pull = weight**2 * np.where(off > HUBER, HUBER / np.maximum(off, HUBER), 1.0)
            delay = at.sum(pull * value) / np.maximum(at.sum(pull), 1e-300)
        delay = np.maximum(delay, 0.0)
        gain = at.sum(_huber(value * weight) - _huber((value - delay[at.rows]) * weight))
        return delay, np.maximum(gain, 0.0)

    # --- the search --------------------------------------------------------------------------------------------

    def pick(self, index: int, rate: float, delay: float) -> None:
        self.picks[index] = _Pick(rate=float(rate), delay=float(delay))
        self._estimate()

    def _estimate(self) -> None:
        """All rates, delays and the background anew, one after the other until they rest."""
        for _ in range(30):
            before = [self.background, *(pick.rate for pick in self.picks.values())]
            self._estimate_background()
            for index, pick in self.picks.items():
                _, rates, delays = self.candidates(without=index)
                pick.rate, pick.delay = float(rates[index]), float(delays[index])
            after = [self.background, *(pick.rate for pick in self.picks.values())]
            if np.allclose(before, after, rtol=1e-4, atol=1e-9):
                break

    def _estimate_background(self) -> None:
        others = self._rates() - self.background
        low, high = math.log(LEAST_BACKGROUND), math.log(20.0)
        for _ in range(_STEPS):
            middle = (low + high) / 2
            slope = (self.lost / np.expm1(others + math.exp(middle)) - self.kept).sum()
            low, high = (middle, high) if slope > 0 else (low, middle)
        self.background = max(math.exp(low), LEAST_BACKGROUND)

    def drop_what_does_not_pay(self, needed: float) -> None:
        """Remove each pick without which the rest explains as much, less what a component must gain."""
        for index in list(self.picks):
            if len(self.picks) < 2:
                return
            kept, background = {one: _Pick(p.rate, p.delay) for one, p in self.picks.items()}, self.background
            whole = self._log_likelihood()
            del self.picks[index]
            self._estimate()
            if whole - self._log_likelihood() >= needed:
                self.picks, self.background = kept, background

    def verdicts(self) -> tuple[tuple[Suspect, ...], tuple[Suspect, ...]]:
        """Each pick with its posterior against every other component in its place, and the best of those others."""
        suspects: list[Suspect] = []
        rivals: dict[int, Suspect] = {}
        for index in self.picks:
            gains, rates, delays = self.candidates(without=index)
            odds = np.exp(gains - gains.max())
            posterior = odds / odds.sum()
            suspects.append(self._suspect(index, gains, posterior, rates, delays))
            for other in np.argsort(-gains, kind="stable")[: self.settings.runners_up + 1].tolist():
                better = other not in rivals or rivals[other].posterior < posterior[other]
                if other not in self.picks and gains[other] > 0 and better:
                    rivals[other] = self._suspect(other, gains, posterior, rates, delays)
        ordered = sorted(rivals.values(), key=lambda one: (-one.posterior, -one.score, one.name))
        suspects.sort(key=lambda one: (-one.score, one.name))
        return tuple(suspects), tuple(ordered[: self.settings.runners_up])

    def _suspect(self, index: int, gains: Array, posterior: Array, rates: Array, delays: Array) -> Suspect:
        crossing = [self.evidence[path] for path in self.incidence.paths_of(index)]
        directions: tuple[Direction, ...] = self.incidence.classes[index]
        return Suspect(
            directions=directions,
            score=round(float(gains[index]), 6),
            posterior=round(float(posterior[index]), 6),
            loss=round(float(-np.expm1(-rates[index])), 9),
            excess_delay_ns=round(float(delays[index]), 1),
            paths_affected=sum(one.affected for one in crossing),
            paths_crossing=len(crossing),
        )


def _loss_terms(lost: Array, kept: Array, x: Array) -> Array:
    """The binomial log-likelihood at loss 1 - exp(-x), without its constant."""
    terms: Array = lost * np.log(-np.expm1(-x)) - kept * x
    return terms


def _huber(off: Array) -> Array:
    """Half the square up to :data:`HUBER` deviations, a line beyond."""
    off = np.abs(off)
    return np.where(off <= HUBER, off * off / 2, HUBER * (off - HUBER / 2))
