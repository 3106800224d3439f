"""What the judging rooms say: anomalies, suspects, fault domains, cures, agreement.

In: plain values.  Out: frozen verdicts, each with the evidence it stands on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from shadowlab.model.cure.action import Action
from shadowlab.model.diagnosis.ablation import Ablation
from shadowlab.model.network import Direction


@dataclass(frozen=True, kw_only=True)
class Anomaly:
    """One path left its baseline.  ``zscores`` holds the z-score of each indicator in the window that decided."""

    path: str
    onset_ns: int
    detected_ns: int
    score: float
    leading_kpi: str
    zscores: Mapping[str, float]
    detector: str


@dataclass(frozen=True, kw_only=True)
class PathEvidence:
    """What one path tells about the links it crosses: packets sent and lost, and its delay over the baseline.

    ``excess_delay_ns`` is the rise of the median RTT over the baseline; ``delay_noise_ns`` its standard deviation in
    the baseline.  ``affected`` says whether a detector flagged the path.
    """

    path: str
    directions: tuple[Direction, ...]
    sent: int
    lost: int
    excess_delay_ns: float = 0.0
    delay_noise_ns: float = 1.0
    affected: bool = False


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """A direction (or a class of directions that no evidence tells apart) that may explain the symptoms."""

    directions: tuple[Direction, ...]
    score: float
    posterior: float
    loss: float
    excess_delay_ns: float
    paths_affected: int
    paths_crossing: int
    label: str = ""
    """``node r1`` or ``group duct`` where that explains them; ``directions`` are then those of it that are hit."""
    fault: str = ""
    loss_interval: tuple[float, float] = (0.0, 0.0)
    excess_delay_interval_ns: tuple[float, float] = (0.0, 0.0)
    split_by: str = ""
    """The measurement that would tell the members of the class apart."""

    @property
    def name(self) -> str:
        """The directions, as a report names them."""
        return self.label or " or ".join(str(direction) for direction in self.directions)


@dataclass(frozen=True, kw_only=True)
class FaultDomain:
    """The isolated segment: the links that explain the anomalies, and what hangs on them."""

    links: tuple[str, ...]
    kind: Literal["loss", "delay", "loss and delay", "capacity", "overload", "black hole", "loop", "unknown"]
    onset_ns: int
    confidence: float
    suspects: tuple[Suspect, ...]
    runners_up: tuple[Suspect, ...]
    affected_paths: tuple[str, ...]
    affected_flows: tuple[str, ...]
    groups: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    """Directions that carried no evidence at all: nothing can be said of them."""
    overloaded: tuple[str, ...] = ()
    """Directions that lose or delay because they are full, which is no fault of theirs."""
    visible_loss: float = 1.0
    """The least loss that half of the directions would have shown."""
    affected_services: tuple[str, ...] = ()
    """Services with an exchange on an affected path, either way."""
    evidence: tuple[str, ...] = ()
    """What the claim stands on, in sentences."""
    ablation: Ablation | None = None
    """What imposing each leading explanation in a shadow showed; None where there was no fault to explain."""


@dataclass(frozen=True, kw_only=True)
class CureOutcome:
    """A candidate cure after its rehearsal.

    ``broken_share`` is the share of the judged level-windows in which a level was broken once the cure had settled,
    ``transient_share`` the same while it settled.  ``recovered`` is the share of what is broken when nothing is done
    that the cure mended (1 = all, negative = worse).  ``harm`` counts levels that held on a path without the cure and
    broke with it.  ``severity`` is the mean relative excess over the limits.
    """

    cure: str
    kind: str
    summary: str
    rank: int
    broken_share: float
    transient_share: float
    severity: float
    recovered: float
    harm: int
    worst: Mapping[str, float] = field(default_factory=dict)
    """Level name to the worst median over its paths, after the cure settled."""
    steps: tuple[str, ...] = ()
    roll_back: tuple[str, ...] = ()
    note: str = ""
    """Why it does not count: it could not be tried here, or a part of it failed."""
    terms: Mapping[str, float] = field(default_factory=dict)
    """Indicators that the objective asks for, after the cure settled."""
    effort: int = 0
    penalty: float = 0.0
    """Share of broken windows beyond that of the best."""
    best_probability: float = 0.0
    harm_probability: float = 0.0
    """That it is worse than doing nothing."""
    warnings: tuple[str, ...] = ()
    """What was to be expected of it that is not good, before it was tried."""
    rolled_back_share: float | None = None
    """Share of broken windows after it was taken back; None: that was not tried."""
    roll_back_failures: tuple[str, ...] = ()
    actions: tuple[Action, ...] = ()
    """What it asks of production, for :mod:`shadowlab.mitigate.export`."""
    short: bool = False
    """It was clearly behind after a short course, and tried no longer."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Shadow and production side by side on one path, after the event.

    ``score`` is their difference in units of production's own run-to-run noise: what two runs of production differ by,
    half of the time less, half of the time more, is 1.
    """

    path: str
    kpi: str
    production: float
    shadow: float
    noise: float
    agrees: bool
    records: int
    score: float = 0.0


Standing = Literal["true", "doubtful", "not to be trusted", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Fidelity:
    """How true the shadow is about one subject: the median score of an indicator, the worst of those where there are
    several; 1 is as good as repeating production.  It stands on ``values``; ``worst`` names the one that is furthest
    off, and ``worst_score`` how far."""

    kind: Literal["whole", "path", "link", "kpi"]
    subject: str
    score: float
    standing: Standing
    values: int
    worst: str = ""
    worst_score: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Hypothesis:
    """One account of what happened: how well it fits, and what it costs in parameters.

    ``bic`` is the sum of squared deviations in units of noise plus the price of the parameters (Schwarz 1978), choosing
    among many included (Chen and Chen 2008): the least is the best account.  ``parameters`` names what it found, with
    its size.
    """

    name: str
    verdict: str
    bic: float
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ClockOffset:
    """How far an instance's clock is ahead of most others', by both ends' counters of its connections."""

    instance: str
    offset_ns: int
    spread_ns: int
    connections: int


@dataclass(frozen=True, kw_only=True)
class Correlation:
    """Whether the shadow tells the truth, path by path, and what that means.

    ``suspects`` are directions (a broken network) or instances (a measurement fault).  ``advice`` says what would make
    the shadow truer, or the verdict surer.
    """

    verdict: Literal[
        "confirmed",
        "demand moved",
        "network broke",
        "shadow drifted",
        "measurement fault",
        "unsure",
        "not compared",
    ]
    why: str
    agreements: tuple[Agreement, ...] = ()
    share_agreeing: float = 0.0
    fidelity: tuple[Fidelity, ...] = ()
    hypotheses: tuple[Hypothesis, ...] = ()
    suspects: tuple[str, ...] = ()
    offsets: tuple[ClockOffset, ...] = ()
    advice: tuple[str, ...] = ()

    @property
    def whole(self) -> Fidelity | None:
        """How true the shadow is all in all; None where nothing was compared."""
        return next((one for one in self.fidelity if one.kind == "whole"), None)
