"""Detectors on the records themselves, between cycles.

In: records as they come.  Out: anomalies, in words, by the pair of ends they concern.
Never: a verdict: that is a cycle's; more than so many series held.

Of every pair of an instance and a peer two series are heard: the mean smoothed round-trip time of its connections in
one reading (by the panel), and the segments sent again of those sent since the reading before (by the ratio of counts).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from shadowlab.detect.online.count_ratio import CountRatio
from shadowlab.detect.panel.panel import Panel
from shadowlab.detect.threshold.policy import Policy
from shadowlab.model.telemetry import TcpRecord

MOST_SERIES = 5000
"""The longest unheard go."""
_Pair = tuple[str, str]
_Socket = tuple[str, str, int, str, str, int]


@dataclass(frozen=True, kw_only=True)
class Noticed:
    """``text`` is one line for a timeline."""

    instance: str
    peer: str
    kpi: str
    onset_ns: int
    at_ns: int
    score: float
    text: str


@dataclass(slots=True)
class _Series:
    delay: Panel = field(default_factory=Panel)
    losses: CountRatio = field(default_factory=CountRatio)
    delay_alarm: Policy = field(default_factory=Policy)
    loss_alarm: Policy = field(default_factory=Policy)
    last_ns: int = 0


@dataclass(kw_only=True)
class Stream:
    """What is kept of each pair, the least recently heard first."""

    most: int = MOST_SERIES
    _pairs: OrderedDict[_Pair, _Series] = field(default_factory=OrderedDict)
    _counters: OrderedDict[_Socket, tuple[int, int]] = field(default_factory=OrderedDict)

    def observe(self, records: Iterable[TcpRecord]) -> tuple[Noticed, ...]:
        """Readings of one pair and moment are one sample."""
        samples: dict[tuple[int, _Pair], list[float]] = {}
        for one in records:
            if one.scope == "host" or (one.srtt_ns is None and one.retransmits_total is None):
                continue
            pair = (one.instance, one.peer or one.peer_address)
            again, sent = self._grown(one)
            sample = samples.setdefault((one.at_ns, pair), [0.0, 0.0, 0.0, 0.0])
            # A receiver's is the handshake's; of a pair whoever states one means the path's.
            if one.srtt_ns is not None and (one.bytes_acked or one.scope == "pair"):
                sample[0] += one.srtt_ns
                sample[1] += 1
            sample[2] += again
            sample[3] += sent
        return tuple(found for key in sorted(samples) for found in self._sample(*key, samples[key]))

    def _sample(self, at_ns: int, pair: _Pair, sample: list[float]) -> list[Noticed]:
        series = self._pairs.get(pair)
        if series is None:
            series = self._pairs[pair] = _Series()
            if len(self._pairs) > self.most:
                self._pairs.popitem(last=False)
        self._pairs.move_to_end(pair)
        if at_ns <= series.last_ns:
            return []
        series.last_ns = at_ns
        found = []
        if sample[1]:
            delay_ms = sample[0] / sample[1] / 1e6
            reading = series.delay.observe(at_ns, delay_ms)
            if series.delay_alarm.alarm(at_ns, 2 * reading.score, reading.onset_ns) and reading.onset_ns is not None:
                words = f"round-trip time {delay_ms:.1f} ms"
                found.append(_noticed(pair, "srtt_ms", reading.onset_ns, at_ns, reading.score, words))
        if sample[3] > 0:
            reading = series.losses.observe(at_ns, [min(sample[2], sample[3]), sample[3]])
            if series.loss_alarm.alarm(at_ns, 2 * reading.score, None) and reading.onset_ns is not None:
                words = f"{sample[2]:.0f} of {sample[3]:.0f} segments sent again"
                found.append(_noticed(pair, "retransmission_share", reading.onset_ns, at_ns, reading.score, words))
        return found

    def _grown(self, one: TcpRecord) -> tuple[float, float]:
        """Segments sent again and sent since this socket was last heard."""
        if one.data_segments_out is None or one.retransmits_total is None:
            return 0.0, 0.0
        key = (one.instance, one.local_address, one.local_port, one.peer, one.peer_address, one.peer_port)
        needless = one.dsack_duplicates or 0
        now = (max(0, one.retransmits_total - needless), one.data_segments_out)
        before = self._counters.pop(key, None)
        self._counters[key] = now
        if len(self._counters) > 10 * self.most:
            self._counters.popitem(last=False)
        if before is None or now[1] < before[1]:  # new, or another connection between the same ports
            return 0.0, 0.0
        return float(max(0, now[0] - before[0])), float(now[1] - before[1])


def _noticed(pair: _Pair, kpi: str, onset_ns: int, at_ns: int, score: float, words: str) -> Noticed:
    return Noticed(
        instance=pair[0],
        peer=pair[1],
        kpi=kpi,
        onset_ns=onset_ns,
        at_ns=at_ns,
        score=round(score, 3),
        text=f"{pair[0]} to {pair[1]}: {words}",
    )
