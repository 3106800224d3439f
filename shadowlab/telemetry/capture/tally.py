"""Counts and extremes per flow, and its round trips.

In: :class:`Rows`, verdicts and samples, piece by piece.  Out: sums by flow of the state.  Never: all round trips of a
long capture: beyond a bound every second one is dropped, evenly over time, so that quantiles keep their meaning.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shadowlab.telemetry.capture.packets.frames import Column
from shadowlab.telemetry.capture.packets.segments import FIN, RST, SYN, Segments, signed
from shadowlab.telemetry.capture.round_trips import Samples
from shadowlab.telemetry.capture.rows import NEVER, Rows
from shadowlab.telemetry.capture.state import State
from shadowlab.telemetry.capture.verdicts import Verdict

MOST_SAMPLES = 1 << 22
"""Round trips kept for quantiles (16 octets each); their number, sum and least are exact in any case."""
COUNTED = tuple(verdict for verdict in Verdict)
SUMS = (
    *(str(verdict.name).lower() for verdict in COUNTED),
    "segments",
    "data_segments",
    "octets",
    "resent_octets",
    "acked_octets",
    "syns",
    "fins",
    "resets",
    "duplicate_sacks",
    "congestion_experienced",
    "round_trips",
    "round_trip_sum_ns",
)
"""Names of what is added up, in the order of the columns.  ``acked_octets`` of a flow are those that the other side
acknowledged; ``duplicate_sacks`` are reports that the flow's sender made."""
PLACE = {name: number for number, name in enumerate(SUMS)}
_NONE = np.iinfo(np.int64).max


@dataclass(frozen=True, kw_only=True)
class RoundTripSummary:
    """Of ``count`` round trips; quantiles are exact unless samples were thinned."""

    count: int
    least_ns: int
    median_ns: int
    p95_ns: int
    mean_ns: int


class RoundTripPool:
    """Round trips by flow, for quantiles."""

    def __init__(self) -> None:
        self._flows: list[Column] = []
        self._took: list[Column] = []
        self._held = 0
        self.stride = 1
        """Every how-many-th sample is kept."""

    def add(self, flow: Column, took_ns: Column) -> None:
        """Further samples."""
        self._flows.append(flow[:: self.stride])
        self._took.append(took_ns[:: self.stride])
        self._held += len(self._flows[-1])
        if self._held > MOST_SAMPLES:
            flows, took = self._all()
            self._flows, self._took = [flows[::2]], [took[::2]]
            self._held = len(self._flows[0])
            self.stride *= 2

    def quantiles(self, flows: Column) -> dict[int, tuple[int, int]]:
        """Median and 95th percentile of each of these flows that has samples."""
        all_flows, all_took = self._all()
        wanted = np.isin(all_flows, flows)
        flow, took = all_flows[wanted], all_took[wanted]
        order = np.lexsort((took, flow))
        flow, took = flow[order], took[order]
        starts = np.flatnonzero(np.diff(flow, prepend=-1))
        count = np.diff(starts, append=len(flow))
        middle = (took[starts + (count - 1) // 2] + took[starts + count // 2]) // 2
        high = took[starts + np.minimum((count * 95) // 100, count - 1)]
        pairs = zip(middle.tolist(), high.tolist(), strict=True)
        return dict(zip(flow[starts].tolist(), pairs, strict=True))

    def forget(self, flows: Column) -> None:
        """Drop the samples of these flows."""
        all_flows, all_took = self._all()
        keep = ~np.isin(all_flows, flows)
        self._flows, self._took = [all_flows[keep]], [all_took[keep]]
        self._held = len(self._flows[0])

    def _all(self) -> tuple[Column, Column]:
        if len(self._flows) > 1:
            self._flows, self._took = [np.concatenate(self._flows)], [np.concatenate(self._took)]
        if not self._flows:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        return self._flows[0], self._took[0]


class Interval:
    """What was already counted when the present interval began, and the round trips since."""

    def __init__(self) -> None:
        self.before = np.zeros((0, len(SUMS)), np.int64)
        self.least_ns = np.zeros(0, np.int64)
        self.pool = RoundTripPool()

    def begin(self, tally: Tally, flows: Column) -> None:
        """These flows' last interval has been told; all round trips belong to it."""
        self.before[flows] = tally.sums[flows]
        self.least_ns[flows] = _NONE
        self.pool = RoundTripPool()

    def make_room(self, flows: int) -> None:
        """As many flows as the state has."""
        added = flows - len(self.before)
        if added > 0:
            self.before = np.concatenate([self.before, np.zeros((added, len(SUMS)), np.int64)])
            self.least_ns = np.concatenate([self.least_ns, np.full(added, _NONE, np.int64)])

    def reset(self, flows: Column) -> None:
        """These flows begin anew."""
        self.before[flows] = 0
        self.least_ns[flows] = _NONE
        self.pool.forget(flows)

    def add(self, flow: Column, took_ns: Column) -> None:
        """Further round trips."""
        np.minimum.at(self.least_ns, flow, took_ns)
        self.pool.add(flow, took_ns)


class Tally:
    """Arrays by flow of the state; ``sums`` has a column for each of :data:`SUMS`.  Unknown is -1 (``least_ns``: the
    greatest integer)."""

    def __init__(self, interval: Interval | None = None) -> None:
        self.sums = np.zeros((0, len(SUMS)), np.int64)
        self.extremes: dict[str, Column] = {}
        self.pool = RoundTripPool()
        self._interval = interval

    def make_room(self, state: State) -> None:
        """As many flows as the state has."""
        flows = state.capacity * 2
        added = flows - len(self.sums)
        if added <= 0:
            return
        self.sums = np.concatenate([self.sums, np.zeros((added, len(SUMS)), np.int64)])
        if self._interval is not None:
            self._interval.make_room(flows)
        for name in ("window", "window_most", "flight_most", "mss", "sack_permitted", "stamps", "opening_ns"):
            old = self.extremes.get(name, np.zeros(0, np.int64))
            self.extremes[name] = np.concatenate([old, np.full(added, -1, np.int64)])
        for name in ("least_ns", "window_least"):
            old = self.extremes.get(name, np.zeros(0, np.int64))
            self.extremes[name] = np.concatenate([old, np.full(added, _NONE, np.int64)])

    def reset(self, flows: Column) -> None:
        """These flows begin anew."""
        self.sums[flows] = 0
        for name, column in self.extremes.items():
            column[flows] = _NONE if name in ("least_ns", "window_least") else -1
        self.pool.forget(flows)
        if self._interval is not None:
            self._interval.reset(flows)

    def add(
        self, rows: Rows, bits: Column, samples: Samples, state: State, selected: NDArray[np.bool_] | None
    ) -> NDArray[np.int64]:
        """Count the rows (all, or those ``selected``); the flows of the state that are touched."""
        real = rows.is_real if selected is None else selected & rows.is_real
        row = np.flatnonzero(real)
        flow = rows.flow[row]
        local = np.zeros((2 * len(rows.slots), len(SUMS)), np.int64)
        self._count(local, rows, bits[row], row, flow, state)
        self._extremes(rows, row, flow, state)
        mine = slice(None) if selected is None else real[samples.row]
        self._sample(local, rows, samples.flow[mine], samples.took_ns[mine], samples.opening[mine])
        self.sums[rows.state_flow] += local
        touched = np.zeros(len(local), bool)
        touched[flow] = True
        return rows.state_flow[touched]

    def _count(
        self, local: NDArray[np.int64], rows: Rows, bits: Column, row: Column, flow: Column, state: State
    ) -> None:
        flows = len(local)

        def add(name: str, which: Column, weight: Column | None = None) -> None:
            local[:, PLACE[name]] += np.bincount(which, weight, flows).astype(np.int64)

        add("segments", flow)
        length, flags = rows.length[row], rows.flags[row]
        add("data_segments", flow[length > 0])
        add("octets", flow, length)
        again = (bits & Verdict.RESENT) != 0
        add("resent_octets", flow[again], length[again])
        unusual = np.flatnonzero(bits)
        for verdict in COUNTED:
            add(str(verdict.name).lower(), flow[unusual[(bits[unusual] & verdict) != 0]])
        marked = np.flatnonzero(flags & (SYN | FIN | RST))
        for name, flag in (("syns", SYN), ("fins", FIN), ("resets", RST)):
            add(name, flow[marked[(flags[marked] & flag) != 0]])
        top, before = rows.top[row], rows.top_before[row]
        # Of the first acknowledgement only what is behind the other side's first octet seen here is known.
        floor = np.where(before > NEVER, before, 0)
        moves = np.flatnonzero(top > floor)
        other, top, floor, before = flow[moves] ^ 1, top[moves], floor[moves], before[moves]
        acked = top - floor
        for marks in (state.syn_end, state.fin_end):  # SYN and FIN count as one each, and are no octets
            mark = marks[rows.state_flow]
            end = np.where(mark >= 0, signed(mark - rows.base), NEVER)[other]
            acked -= (end > floor) & (end <= top) & (end > before)
        add("acked_octets", other, np.maximum(acked, 0))  # a SYN that is a FIN as well counts as one

    def _extremes(self, rows: Rows, row: Column, flow: Column, state: State) -> None:
        target = rows.state_flow[flow]
        scale = state.scale[target].astype(np.int64)
        window = np.where(rows.is_syn[row], rows.window[row], rows.window[row] << np.maximum(scale, 0))
        usable = (scale != -1) & ((rows.flags[row] & RST) == 0)
        self.extremes["window"][target[usable]] = window[usable]
        np.maximum.at(self.extremes["window_most"], target[usable], window[usable])
        np.minimum.at(self.extremes["window_least"], target[usable], window[usable])
        opposite = rows.opposite_row[row]
        top = rows.top[opposite]
        known = (opposite >= 0) & (top > NEVER) & (rows.length[row] > 0)
        flight = rows.reached[row] - top
        np.maximum.at(self.extremes["flight_most"], target[known], flight[known])

    def _sample(
        self, local: NDArray[np.int64], rows: Rows, flow: Column, took_ns: Column, opening: NDArray[np.bool_]
    ) -> None:
        if not len(flow):
            return
        target = rows.state_flow[flow]
        local[:, PLACE["round_trips"]] += np.bincount(flow, minlength=len(local))
        local[:, PLACE["round_trip_sum_ns"]] += np.bincount(flow, took_ns, len(local)).astype(np.int64)
        np.minimum.at(self.extremes["least_ns"], target, took_ns)
        self.extremes["opening_ns"][target[opening]] = took_ns[opening]
        self.pool.add(target, took_ns)
        if self._interval is not None:
            self._interval.add(target, took_ns)

    def learn_options(self, segments: Segments, slot_flow: Column) -> None:
        """What the SYNs say: MSS, SACK-permitted; and the marks that any segment may carry."""
        opening = np.flatnonzero((segments.flags & SYN) != 0)
        flow = slot_flow[opening]
        self.extremes["mss"][flow] = segments.mss[opening]
        self.extremes["sack_permitted"][flow] = segments.sack_permitted[opening]
        self.extremes["stamps"][flow] = segments.stamp[opening] >= 0
        for name, marked in (
            ("duplicate_sacks", segments.duplicate_sack),
            ("congestion_experienced", segments.congestion_experienced),
        ):
            if marked.any():
                np.add.at(self.sums[:, PLACE[name]], slot_flow[marked], 1)
