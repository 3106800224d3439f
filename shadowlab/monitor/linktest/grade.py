"""Is what was measured what was wished?

In: a direction's wish, what was measured of it, what the clock can tell.  Out: a finding for each of delay, rate, loss
and queue: ``ok``, ``off`` or ``could not tell``.  Never: ``off`` for what a late clock or chance may do.

Every finding has the value wished, the value found, and how far apart they may be: a tolerance for the link itself, and
the doubt of the measurement, from the lateness that the clock was seen to have.  ``off``: further apart than both.
``could not tell``: nothing was measured, or the doubt is so large that a wrong link would look the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from shadowlab.model.impairment import Impairment
from shadowlab.model.units import format_duration, format_fraction, format_rate
from shadowlab.monitor.linktest.chance import allowed
from shadowlab.monitor.linktest.record import Measured, Precision
from shadowlab.monitor.linktest.trial import LEAST_TRAIN, Trial, burstiness, spread_ns, wire_bits, wire_ns

Grade = Literal["ok", "off", "could not tell"]
Quantity = Literal["delay", "rate", "loss", "queue"]

DOUBT = 5e-5
"""Each side of the interval of a loss leaves out one case in 20 000: a lab of 500 links is rarely off by chance."""

_DELAY_TOLERANCE_NS = 1_000.0
_DELAY_BLUR_NS, _DELAY_BLUR_SHARE = 1_000_000.0, 0.1
"""A delay that is known less exactly than to 1 ms or a tenth of it is not known."""
_RATE_SHARE, _RATE_BLUR_SHARE = 0.002, 0.1
_QUEUE_PACKETS, _SHAPER_CREDIT, _QUEUE_BLUR_SHARE = 1.0, 2, 0.1
_LOSSES_NEEDED = 5.0
_LOSSLESS_NEEDED = 100
_SLOW_MACHINE = 4
"""A machine that moves less than so many times the wished rate may be the reason for a lower one."""
_SIGMAS = 4.0
_PILED_UP = 0.75
"""Of the buffer: so full during the loss part, packets may have been lost by overflow."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One quantity of one direction.  ``wished``, ``found`` and ``within`` in ``unit``; None: there is none."""

    direction: str
    quantity: Quantity
    grade: Grade
    unit: str
    wished: float | None
    found: float | None
    within: float | None
    samples: int
    note: str = ""

    def describe(self) -> str:
        """One line: ``ok  r1>r2 delay: 10 ms wished, 10.02 ms found (within 0.4 ms, 30 samples)``."""
        show = _SHOW[self.unit]
        words = [f"{'unlimited' if self.wished is None else show(self.wished)} wished"]
        if self.found is not None:
            words.append(f"{show(self.found)} found")
        basis = [] if self.within is None else [f"within {show(self.within)}"]
        basis += [f"{self.samples} samples"] if self.samples else []
        tail = f" ({', '.join(basis)})" if basis else ""
        note = f": {self.note}" if self.note else ""
        return f"{self.grade:14}  {self.direction} {self.quantity}: {', '.join(words)}{tail}{note}"


_SHOW: Mapping[str, Callable[[float], str]] = {
    "ns": format_duration,
    "bit/s": format_rate,
    "fraction": format_fraction,
    "packets": lambda value: f"{value:g} packets",
}


def grade(*, wish: Impairment, trial: Trial, measured: Measured, precision: Precision) -> tuple[Finding, ...]:
    """The findings of one direction, in the order delay, rate, loss, queue; no queue where nothing ever waits."""
    return tuple(_grade(_Case(wish, trial, measured, precision)))


@dataclass(frozen=True)
class _Case:
    wish: Impairment
    trial: Trial
    measured: Measured
    precision: Precision

    def finding(
        self,
        quantity: Quantity,
        unit: str,
        wished: float | None,
        grade: Grade,
        *,
        found: float | None = None,
        within: float | None = None,
        samples: int = 0,
        note: str = "",
    ) -> Finding:
        return Finding(
            direction=self.measured.direction,
            quantity=quantity,
            grade=grade,
            unit=unit,
            wished=wished,
            found=found,
            within=within,
            samples=samples,
            note=note,
        )

    def reason(self, part: str) -> str:
        """Why a part was left out, or what went wrong; empty where it was measured."""
        return self.measured.trouble or dict(self.trial.reasons).get(part, "")


def _grade(case: _Case) -> Iterator[Finding]:
    yield _delay(case)
    yield _rate(case)
    yield _loss(case)
    if case.wish.rate_bps is not None:
        yield _queue(case)


def _delay(case: _Case) -> Finding:
    wish, precision = case.wish, case.precision
    delays = case.measured.delays_ns
    wished = float(wish.delay_ns)
    why = case.reason("delay")
    if not why and not delays:
        why = f"none of {case.trial.probes} probes arrived"
    if not why and (wish.slot is not None or (wish.reorder is not None and wish.reorder.share)):
        why = "slots and reordering hide the delay; the settings are read back"
    if why:
        return case.finding("delay", "ns", wished, "could not tell", samples=len(delays), note=why)
    serial_ns = wire_ns(wish, case.trial.small_bytes) if case.trial.serialised else 0.0
    doubt_ns = float(precision.passage_ns + precision.late_ns)
    if wish.jitter_ns:
        found = fmean(delays) - serial_ns
        correlation = wish.shape.correlation
        stretch = (1 + correlation) / (1 - correlation) if correlation < 1 else float("inf")
        doubt_ns += precision.late_p90_ns + _SIGMAS * wish.jitter_ns * (stretch / len(delays)) ** 0.5
    else:
        found = min(delays) - serial_ns
    # Each netem of a row has a timer of its own, and a machine's idleness makes each late.
    within = _DELAY_TOLERANCE_NS * wish.netems + precision.late_p90_ns * (wish.netems - 1) + doubt_ns
    if abs(found - wished) > within:
        return case.finding("delay", "ns", wished, "off", found=found, within=within, samples=len(delays))
    blurred = doubt_ns > max(_DELAY_BLUR_NS, _DELAY_BLUR_SHARE * wished)
    return case.finding(
        "delay",
        "ns",
        wished,
        "could not tell" if blurred else "ok",
        found=found,
        within=within,
        samples=len(delays),
        note="the clock, or the jitter, is too coarse" if blurred else "",
    )


def _rate(case: _Case) -> Finding:
    wish, trial, measured, precision = case.wish, case.trial, case.measured, case.precision
    wished = None if wish.rate_bps is None else float(wish.rate_bps)
    # What is lost behind the wire has had its time on it; what is lost before has had none.
    passed = measured.train_numbers if wish.split or _loses_behind(case) else measured.train_came
    why = case.reason("rate")
    if not why and passed < LEAST_TRAIN:
        why = f"only {passed} of {trial.train_packets} packets told anything"
    if not why and wish.slot is not None:
        why = "slots hold packets back; the settings are read back"
    if why:
        return case.finding("rate", "bit/s", wished, "could not tell", samples=passed, note=why)
    span_ns = max(1, measured.train_span_ns)
    found = passed * wire_bits(wish, trial.train_bytes) * 1e9 / span_ns
    if wished is None:
        return _unlimited(case, found, passed)
    corrupted = wish.corrupt.share if wish.corrupt is not None else 0.0
    doubt = (precision.passage_ns + 2 * precision.late_p90_ns + spread_ns(wish)) / span_ns + corrupted
    within = wished * (_RATE_SHARE + doubt)
    error = found - wished
    note = ""
    verdict: Grade = "ok" if abs(error) <= within else "off"
    if verdict == "ok" and doubt > _RATE_BLUR_SHARE:
        verdict, note = "could not tell", "the clock, or the jitter, is too coarse for so short a train"
    elif verdict == "off" and error < 0 and precision.most_bps and wished * _SLOW_MACHINE > precision.most_bps:
        verdict = "could not tell"
        note = f"this machine sends no more than {format_rate(precision.most_bps)} from one program"
    elif (
        verdict == "off" and error < 0 and found * span_ns >= (wished - within) * (span_ns - measured.train_stalled_ns)
    ):
        verdict = "could not tell"
        note = f"nothing arrived in {format_duration(measured.train_stalled_ns)}: the machine was busy elsewhere"
    return case.finding("rate", "bit/s", wished, verdict, found=found, within=within, samples=passed, note=note)


def _unlimited(case: _Case, found: float, passed: int) -> Finding:
    """Without a rate packets come as fast as the machine moves them."""
    if case.wish.jitter_ns:
        note = "the jitter hides it; the settings are read back"
        return case.finding("rate", "bit/s", None, "could not tell", samples=passed, note=note)
    span_ns = case.measured.train_span_ns
    explained_ns = 2 * case.precision.late_p90_ns + passed * case.precision.passage_ns
    slow = span_ns > max(20 * explained_ns, passed * 1_000)
    return case.finding("rate", "bit/s", None, "off" if slow else "ok", found=found, samples=passed)


def _loss(case: _Case) -> Finding:
    wish, measured = case.wish, case.measured
    sent, lost = measured.loss_sent, measured.loss_sent - measured.loss_came
    wished = wish.mean_loss
    why = case.reason("loss")
    if not why and wish.loss_correlation:
        why = "netem's correlated draws lose fewer than stated; the settings are read back"
    if why or not sent:
        return case.finding("loss", "fraction", wished, "could not tell", samples=sent, note=why or "nothing was sent")
    corrupted = wish.corrupt.share if wish.corrupt is not None else 0.0
    stretch = burstiness(wish)
    least = allowed(round(sent / stretch), wished, DOUBT)[0] * stretch
    most = allowed(round(sent / stretch), 1 - (1 - wished) * (1 - corrupted), DOUBT)[1] * stretch
    note = f"{lost} of {sent} were lost, {least:.0f} to {most:.0f} would be as wished"
    verdict: Grade = "ok" if least <= lost <= most else "off"
    small = sent < _LOSSLESS_NEEDED if wished == 0 else min(wished, 1 - wished or 1.0) * sent / stretch < _LOSSES_NEEDED
    if verdict == "ok" and small:
        verdict, note = "could not tell", f"too few packets in the time there is: {note}"
    room = case.trial.burst_room or wish.queue_packets
    if verdict == "off" and lost > most and wish.rate_bps is not None and measured.loss_held >= _PILED_UP * room:
        verdict, note = "could not tell", f"the machine was busy elsewhere, and packets piled up: {note}"
    elif verdict == "off" and wished == 0:
        note += "; an overflow by other traffic counts too"
    within = max(most / sent - wished, wished - least / sent)
    return case.finding("loss", "fraction", wished, verdict, found=lost / sent, within=within, samples=sent, note=note)


def _loses_behind(case: _Case) -> bool:
    """Whether chance strikes behind the wire: where it does, if it does at all."""
    return case.trial.serialised and (case.wish.split or case.wish.with_loss(0.5).netems > 2)


def _queue(case: _Case) -> Finding:
    wish, trial, measured, precision = case.wish, case.trial, case.measured, case.precision
    why = case.reason("queue")
    wished = float(trial.burst_room) if trial.burst_room else float(wish.queue_packets)
    if not why and not measured.burst_came:
        why = "nothing of the burst arrived"
    if not why and wish.slot is not None:
        why = "slots hold packets back; the settings are read back"
    if why:
        return case.finding("queue", "packets", wished, "could not tell", note=why)
    # A shaper lets a frame or two through at once: they are on the wire behind it, not in the queue.
    found = float(measured.burst_held - (_SHAPER_CREDIT if wish.split and trial.serialised else 0))
    apart = wish.split or wish.netems > 1
    late_ns = precision.passage_ns + (precision.late_p90_ns + spread_ns(wish) if apart else 0)
    doubt = float(round(late_ns / wire_ns(wish, trial.burst_bytes)))
    if _loses_behind(case) and wish.mean_loss:
        # Of those that waited some were lost later, and nothing tells of them.
        kept = max(1 - wish.mean_loss, 1 / wished)
        found /= kept
        doubt += _SIGMAS * (burstiness(wish) * wished * wish.mean_loss / kept) ** 0.5
    within = _QUEUE_PACKETS + doubt
    lost = measured.burst_sent - measured.burst_came
    stretch = burstiness(wish)
    overflowed = lost > allowed(round(measured.burst_sent / stretch), wish.mean_loss, DOUBT)[1] * stretch
    note = f"{measured.burst_sent} at once, {measured.burst_came} survived"
    verdict: Grade = "ok" if abs(found - wished) <= within else "off"
    if verdict == "off" and found < wished and not overflowed:
        verdict, note = "could not tell", f"this machine did not fill it: {note}"
    elif verdict == "ok" and doubt > max(2.0, _QUEUE_BLUR_SHARE * wished):
        verdict, note = "could not tell", "the clock is too coarse, or too many are lost"
    return case.finding(
        "queue", "packets", wished, verdict, found=found, within=within, samples=measured.burst_sent, note=note
    )
