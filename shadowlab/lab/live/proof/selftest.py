"""Is a living lab what its map says?  Every object read back, every link measured.

In: a lab, links, time.  Out: differences and graded findings.  Never: a change of the lab; while it is looked at,
nobody else changes it either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from shadowlab.errors import InputError
from shadowlab.lab.live.embedded import EmbeddedGround
from shadowlab.lab.live.inside_program import Message, run_inside
from shadowlab.lab.live.lab import LiveLab
from shadowlab.lab.live.proof import selftest_inside
from shadowlab.lab.live.proof.selftest_inside import Examination, Examined
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Network
from shadowlab.model.plain import from_plain
from shadowlab.monitor.linktest.grade import Finding, grade
from shadowlab.monitor.linktest.record import Precision
from shadowlab.monitor.linktest.trial import End, Trial, plan_trial
from shadowlab.shadow.ledger import Account
from shadowlab.shadow.readback import Difference, ops_of, part_of
from shadowlab.shadow.shape import Shape
from shadowlab.topology.wording import did_you_mean

DEFAULT_TIME_S = 60.0
"""All directions together; fewer directions take less: see :data:`_LONGEST_S`."""
_LONGEST_S = 3.0
"""Of one direction, unless the time is stated."""
_AGAIN, _MOST_AGAIN = 2, 20
"""What is off is measured again so many times, of so many directions at most, before it is called off."""
_PATIENCE_S, _PATIENCE_OF_AN_OP_S = 60.0, 0.01
"""Beyond its time a self-test has so long before it is given up, and so much more for each operation that the lab is
made of, all of which are read back: machines are slow."""

OnShare = Callable[[float], None]
"""Called with the share of directions done, 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class SelfTest:
    """What a self-test found.  ``left_out``: links that were not measured, and why."""

    lab: str
    kernel: str
    directions: int
    left_out: Mapping[str, str]
    precision: Precision | None
    differences: tuple[Difference, ...]
    findings: tuple[Finding, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing was found that differs."""
        return not self.differences and not any(one.grade == "off" for one in self.findings)


def verify_links(
    lab: LiveLab, links: Sequence[str] = (), *, send: bool = True, time_s: float | None = None, on_share: OnShare
) -> SelfTest:
    """Read back, and (with ``send``) measure, the links named; without names all.

    Raises InputError for a link that is not there, ShadowFailedError if the self-test itself died.
    """
    with lab.in_use() as known:
        assert known.network is not None
        strange = [name for name in links if name not in known.shape.links]
        if strange:
            raise InputError(
                f"{strange[0]} is not a link of lab {lab.name}{did_you_mean(strange[0], known.shape.links)}"
            )
        chosen = tuple(dict.fromkeys(links)) or tuple(known.shape.links)
        shape = part_of(known.shape, chosen) if links else known.shape
        trials, wishes = plan_trials(known.shape, known.network, chosen, time_s) if send else ((), {})
        job = Examination(lab=known.begun.lab, ops=ops_of(shape), trials=trials)
        seen = _examine(lab, known, job, on_share)
        findings = tuple(judge(seen, trials, wishes))
        for _ in range(_AGAIN):
            doubtful = {one.direction for one in findings if one.grade == "off"}
            again = tuple(trial for trial in trials if trial.direction in doubtful)[:_MOST_AGAIN]
            if not again:
                break
            repeated = _examine(lab, known, replace(job, read_back=False, trials=again), on_share)
            findings = confirmed(findings, tuple(judge(repeated, again, wishes)))
    return SelfTest(
        lab=lab.name,
        kernel=known.begun.kernel,
        directions=len(trials),
        left_out={name: why for name in chosen if (why := _why_not_measured(known.shape, name))},
        precision=seen.precision,
        differences=seen.differences,
        findings=findings,
    )


def confirmed(before: Sequence[Finding], again: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings of before; what was off and is not off again is as it was found again.

    A machine that stalls for a moment loses packets and time, and does so once; a link that is wrong is wrong again.
    """
    later = {(one.direction, one.quantity): one for one in again}
    kept = []
    for one in before:
        repeated = later.get((one.direction, one.quantity), one)
        if one.grade != "off" or repeated.grade == "off":
            kept.append(one)
        else:
            note = f"{repeated.note + '; ' if repeated.note else ''}measured again, for it was off at first"
            kept.append(replace(repeated, note=note))
    return tuple(kept)


def plan_trials(
    shape: Shape, network: Network, links: Sequence[str], time_s: float | None = None
) -> tuple[tuple[Trial, ...], Mapping[str, Impairment]]:
    """The trials of both directions of every link that is up, and their wishes by direction."""
    up = [name for name in links if not _why_not_measured(shape, name)]
    share_s = (DEFAULT_TIME_S if time_s is None else time_s) / max(1, 2 * len(up))
    budget_ns = round(1e9 * (share_s if time_s is not None else min(share_s, _LONGEST_S)))
    ends = shape.fabric.by_direction
    trials, wishes = [], {}
    for name in up:
        for direction in network.links_by_id[name].directions:
            end, wish = ends[direction], network.impairment(direction)
            trials.append(
                plan_trial(
                    direction=str(direction),
                    sender=End(node=end.node, address=end.address),
                    receiver=End(node=end.peer, address=end.peer_address),
                    wish=wish,
                    leaves_router=network.nodes_by_id[end.node].kind == "router",
                    budget_ns=budget_ns,
                )
            )
            wishes[str(direction)] = wish
    return tuple(trials), wishes


def _why_not_measured(shape: Shape, name: str) -> str:
    """Empty for a link that can be measured."""
    link = shape.links[name]
    if name not in shape.up:
        return "it is down, as it should be"
    if not (link.address_a and link.address_b):
        return "a LAN has no end of its own to measure from: its settings are read back"
    return ""


def judge(seen: Examined, trials: Sequence[Trial], wishes: Mapping[str, Impairment]) -> Iterator[Finding]:
    """Grade what was measured."""
    if seen.precision is None:
        return
    for trial, measured in zip(trials, seen.measured, strict=True):
        yield from grade(wish=wishes[trial.direction], trial=trial, measured=measured, precision=seen.precision)


def _examine(lab: LiveLab, known: Account, job: Examination, on_share: OnShare) -> Examined:
    directions = max(1, len(job.trials))
    ground = lab.ground(known)
    if not isinstance(ground, EmbeddedGround):
        return selftest_inside.adopt_and_examine(job, lambda done: on_share(done / directions))

    def on_message(message: Message) -> None:
        if "done" in message:
            on_share(message["done"] / directions)

    said = run_inside(
        ground,
        selftest_inside.__name__,
        job,
        node=next(iter(known.shape.nodes)),
        what=f"lab {lab.name}: the self-test",
        timeout_s=patience_s(job),
        on_message=on_message,
    )
    seen: Examined = from_plain(Examined, said["seen"])
    return seen


def patience_s(job: Examination) -> float:
    """How long a self-test may take, whatever comes of it."""
    budget_s = sum(trial.part_ns for trial in job.trials) * 4e-9
    return 2 * budget_s + _PATIENCE_S + _PATIENCE_OF_AN_OP_S * len(job.ops)
