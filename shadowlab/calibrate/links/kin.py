"""What links of one kind have in common: rates and buffers where nothing ever waited, as a word beforehand.

In: what was seen, what the map states, bottlenecks.  Out: rates and buffers with the standing ``prior``; which full
links are rather the trunks behind an instance's own link.  Never: a value called measured.

Trunks, links between nodes that are no instances, are of one kind.  Instances' own links are of none: they are seldom
the slowest of a way, and a first window does not tell of any other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from shadowlab.calibrate.links.capacity import FULL_WIRE_BYTES, Capacity, Scattering, most_of, unfilled
from shadowlab.calibrate.links.congestion import Bottleneck, Congestion
from shadowlab.calibrate.links.delay import DelayPrior
from shadowlab.calibrate.links.dispersion import Beforehand, Kinds, Told, rates_beforehand
from shadowlab.calibrate.links.numbers import Flags, Floats
from shadowlab.calibrate.links.seen import Seen
from shadowlab.model.calibration import LinkCalibration, Value
from shadowlab.model.units import NS_PER_S

_STATED_ERROR, _FULL_ERROR, _SOMEWHERE_ERROR = 0.05, 0.03, 0.1
_SCATTER_ERROR = 0.15
_ROOM = 1.2
"""A link that carried its most without a queue is taken to be this much faster."""
_NEAR = 2.0
"""A trunk that is taken to be no faster than so many times what filled a queue may be the one that was full."""
_POSSIBLE = 0.01
_CERTAIN = 0.99
_EAGER = 0.5
_PEAK = 0.95
_LEAST_WAITS = 4
_LEAST_PACKETS, _ROOMY_PACKETS, _BUFFER_FACTOR = 8.0, 40.0, 4.0
"""A buffer that nobody saw holds at least 8 packets, or 40 (some first windows at once) where short connections hardly
lose any.  It is bounded by 0.25 and 4 times what it is taken to be."""
_CLEAN, _LEAST_SHORT = 0.05, 10
"""Hardly any: so many of a pair's short connections sent something again, of at least 10."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Shifted:
    """A queue that stood before one of several trunks, ``directions``; ``peak_ns`` is the longest it was."""

    directions: tuple[int, ...]
    rate_bps: float
    peak_ns: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Kin:
    """``stated_bps`` (D,) is NaN where the map states nothing; ``least_rtt_ns`` (C,) that of small packets."""

    seen: Seen
    prior: DelayPrior
    stated_bps: Floats
    least_rtt_ns: Floats
    trusted: Flags

    def rates(
        self,
        full: Mapping[int, Capacity],
        shifted: Sequence[Shifted],
        scattering: Sequence[Scattering],
        congestion: Congestion | None = None,
    ) -> Beforehand:
        """Rates beforehand; what is known of full links, and what the map states of links, tells of the others."""
        prior = self.prior
        links = int(prior.link.max(initial=-1)) + 1
        kind = np.full(links, -1, dtype=np.int64)
        kind[prior.link[~prior.access]] = 0
        told = [
            Told(links=(int(prior.link[one]),), rate_bps=float(self.stated_bps[one]), error=_STATED_ERROR)
            for one in np.flatnonzero(np.isfinite(self.stated_bps) & ~prior.access).tolist()
        ]
        for one, capacity in full.items():
            rate = capacity.rate_bps
            if rate.standing in ("measured", "unidentifiable") and rate.value and not prior.access[one]:
                error = _FULL_ERROR if rate.standing == "measured" else _SOMEWHERE_ERROR
                fastest = max(rate.value, capacity.ceiling_bps)  # unseen traffic may take the rest, now and then
                told.append(Told(links=(int(prior.link[one]),), rate_bps=fastest, error=error))
        filled = {one for number in full if full[number].congested > 0 for one in self._crossing(number)}
        suspects = {number for number in full if full[number].congested > 0}
        for queue in shifted:
            suspects |= set(queue.directions)
            told.append(Told(links=self._links(queue.directions), rate_bps=queue.rate_bps, error=_SOMEWHERE_ERROR))
        for some in scattering:
            places = [one for one in some.bottleneck.places if not prior.access[one]]
            if places and some.rate_bps and not filled & set(some.bottleneck.connections):
                suspects |= set(places)
                told.append(Told(links=self._links(places), rate_bps=some.rate_bps, error=_SCATTER_ERROR))
        least, likely = np.zeros(links), np.zeros(links)
        if congestion is not None and len(congestion.load_bps):
            most = np.array([most_of(congestion.load_bps[:, one]) for one in range(len(prior.link))])
            room = np.array([1.0 if one in suspects else _ROOM for one in range(len(prior.link))])
            np.maximum.at(least, prior.link, most)
            np.maximum.at(likely, prior.link, most * room)
        usable = self.trusted & self.seen.usable
        kinds = Kinds(kind=kind, least_bps=least, likely_bps=likely, link=prior.link)
        return rates_beforehand(self.seen, self.least_rtt_ns, usable, kinds, told)

    def _links(self, directions: Sequence[int]) -> tuple[int, ...]:
        return tuple(sorted({int(self.prior.link[one]) for one in directions}))

    def _crossing(self, direction: int) -> list[int]:
        return np.flatnonzero(self.seen.forward[:, direction] > _POSSIBLE).tolist()

    def shifted(
        self, found: Mapping[int, Capacity], congestion: Congestion, beforehand: Beforehand
    ) -> tuple[dict[int, Capacity], tuple[Shifted, ...]]:
        """Where flows are spread over equal ways, only instances' own links are surely crossed by all of them.  A queue
        there is rather one of the trunks', if these are taken to be about as slow."""
        result = dict(found)
        moved = []
        for bottleneck in congestion.bottlenecks:
            trunks = self._trunks(bottleneck)
            known = [one for one in bottleneck.places if found.get(one) and found[one].congested > 0]
            if not trunks or not known:
                continue
            capacity = found[known[0]]
            rate, packets = capacity.rate_bps.value, capacity.queue_packets.value
            slowest = np.fmin.reduce(beforehand.rate_bps[list(trunks)])  # NaN if nobody knows any of them
            if not rate or not slowest <= _NEAR * rate:
                continue
            for one in known:
                result[one] = unfilled(self.seen, congestion, one, self.stated_bps[one])
            peak = (packets or _LEAST_PACKETS) * FULL_WIRE_BYTES * 8 * NS_PER_S / rate
            moved.append(Shifted(directions=trunks, rate_bps=rate, peak_ns=peak))
        return result, tuple(moved)

    def _trunks(self, bottleneck: Bottleneck) -> tuple[int, ...]:
        """The trunks that its connections may, but need not, cross; none if the queue is at a trunk anyway, or the map
        states the rate of the link where it seems to be."""
        places = list(bottleneck.places)
        if not self.prior.access[places].all() or np.isfinite(self.stated_bps[places]).any():
            return ()
        ways = self.seen.forward[list(bottleneck.connections)]
        spread = ((ways > _POSSIBLE) & (ways < _CERTAIN)).any(axis=0)
        unknown = ~self.prior.access & ~np.isfinite(self.stated_bps)
        return tuple(np.flatnonzero(spread & unknown).tolist())

    def completed(
        self,
        links: Sequence[LinkCalibration],
        beforehand: Beforehand,
        congestion: Congestion,
        shifted: Sequence[Shifted],
        buffers: Flags,
    ) -> list[LinkCalibration]:
        """``links`` with a rate beforehand wherever neither they nor the map know one; ``buffers`` (D,) says of which
        the map leaves the buffer open."""
        peaks = self._peaks(congestion, shifted, links)
        usual, roomy = self._round_trips(), self._roomy()
        result = []
        for one, link in enumerate(links):
            rate = float(beforehand.rate_bps[one])
            unknown = link.rate_bps.standing == "bounded" or link.rate_bps.value is None
            if not (unknown and np.isfinite(rate)) or np.isfinite(self.stated_bps[one]) or self.prior.access[one]:
                result.append(link)
                continue
            directly = int(beforehand.connections[one])
            how = f"how the first windows of {directly} connections drew apart, and " if directly else ""
            low = max(float(beforehand.low_bps[one]), link.rate_bps.low or 0.0)
            value = Value(
                value=max(rate, low),
                low=low,
                high=max(float(beforehand.high_bps[one]), low),
                flows=directly,
                samples=directly,
                seen_ns=link.rate_bps.seen_ns,
                why=f"nothing waited there: {how}links of its kind",
            )
            link = replace(link, rate_bps=value)
            if buffers[one] and link.queue_packets.value is None:
                link = replace(
                    link,
                    queue_packets=_buffer(
                        value.value or rate, peaks.get(one), float(usual[one]), roomy=bool(roomy[one])
                    ),
                )
            result.append(link)
        return result

    def _peaks(
        self, congestion: Congestion, shifted: Sequence[Shifted], links: Sequence[LinkCalibration]
    ) -> dict[int, float]:
        """By direction the longest wait of those that surely or possibly filled a queue on their way, but no known
        one."""
        seen = self.seen
        surely: dict[int, list[float]] = defaultdict(list)
        perhaps: dict[int, list[float]] = defaultdict(list)
        for queue in shifted:
            for one in queue.directions:
                perhaps[one].append(queue.peak_ns)
        explained = {
            one
            for bottleneck in congestion.bottlenecks
            if any(links[place].congested > 0 for place in bottleneck.places)
            for one in bottleneck.connections
        }
        told = np.bincount(seen.connection, minlength=len(seen.pairs))
        eager = np.bincount(seen.connection, weights=seen.eager > 0, minlength=len(seen.pairs))
        for connection in np.flatnonzero(eager > _EAGER * np.maximum(told, 1)).tolist():
            waits = congestion.wait_ns[:, connection] if len(congestion.wait_ns) else np.zeros(0)
            waits = waits[np.isfinite(waits)]
            if connection in explained or len(waits) < _LEAST_WAITS:
                continue
            longest = float(np.quantile(waits, _PEAK))
            for one in np.flatnonzero(seen.forward[connection] > _POSSIBLE).tolist():
                (surely if seen.forward[connection, one] > _CERTAIN else perhaps)[one].append(longest)
        # A queue before one of several equal links was at one of them only: what is usual there counts.
        usual = {one: float(np.median(each)) for one, each in perhaps.items()}
        return usual | {one: max(*each, usual.get(one, 0.0), 0.0) for one, each in surely.items()}

    def _roomy(self) -> Flags:
        """Of which directions short connections tell that hardly anything was dropped there, (D,): those of the
        cleanest pair that crosses it; of what no pair crosses, as of most of the others."""
        flights = self.seen.flights
        groups: dict[tuple[str, str], list[int]] = {}
        for row, connection in enumerate(flights.short.tolist()):
            groups.setdefault(self.seen.pairs[connection], []).append(row)
        cleanest = np.full(len(self.prior.link), np.nan)
        for rows in groups.values():
            if len(rows) >= _LEAST_SHORT:
                crossed = self.seen.forward[flights.short[rows[0]]] > _POSSIBLE
                cleanest[crossed] = np.fmin(cleanest[crossed], float(flights.lossy[rows].mean()))
        known = cleanest[np.isfinite(cleanest)]
        usual = float(np.median(known)) if len(known) else 1.0
        return np.asarray(np.where(np.isfinite(cleanest), cleanest, usual) <= _CLEAN)

    def _round_trips(self) -> Floats:
        """By direction the middle one of the least RTTs of the connections that may cross it, in nanoseconds; of what
        nothing crosses, of all."""
        known = np.isfinite(self.least_rtt_ns) & self.trusted
        if not known.any():
            return np.full(len(self.prior.link), 0.0)
        middle = float(np.median(self.least_rtt_ns[known]))
        result = np.full(len(self.prior.link), middle)
        either = (self.seen.forward + self.seen.back) > _POSSIBLE
        for one in range(len(result)):
            crossing = known & either[:, one]
            if crossing.any():
                result[one] = np.median(self.least_rtt_ns[crossing])
        return result


def _buffer(rate_bps: float, peak_ns: float | None, round_trip_ns: float, *, roomy: bool) -> Value:
    per_packet_ns = FULL_WIRE_BYTES * 8 * NS_PER_S / rate_bps
    if peak_ns is not None:
        packets, why = peak_ns / per_packet_ns, "the longest wait of connections that fill some link of their way"
    else:
        packets, why = round_trip_ns / per_packet_ns, "nothing filled it: the bandwidth-delay product, a rule of thumb"
    packets = max(packets, _ROOMY_PACKETS if roomy and peak_ns is None else _LEAST_PACKETS)
    return Value(value=packets, low=max(packets / _BUFFER_FACTOR, 1.0), high=packets * _BUFFER_FACTOR, why=why)
