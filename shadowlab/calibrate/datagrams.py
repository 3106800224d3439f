"""Recorded UDP becomes streams and lookups.

In: who sent datagrams to whom, when and how large.  Out: workloads, and a reason for what becomes none.
Never: a datagram at its own moment: the rate, the sizes and the pattern of bursts are what a network feels.

A stream has at least :data:`LEAST_PACKETS` in one direction.  It is bursty where silences much longer than its usual
gaps take a good part of its time; bursts and silences are then drawn from those that were seen.  Fewer datagrams that
were answered from the other end are lookups: one question, one answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shadowlab.calibrate.dialogues import weighted
from shadowlab.calibrate.short_connections import distribution_of
from shadowlab.model.traffic.distribution import Distribution
from shadowlab.model.traffic.workload import (
    LEAST_DATAGRAM_BYTES,
    MOST_DATAGRAM_BYTES,
    Arrivals,
    Datagrams,
    Lookups,
)
from shadowlab.model.units import NS_PER_S

LEAST_PACKETS = 10
SILENCE_GAPS = 10
"""Times the usual gap: a longer one is a silence."""
LEAST_SILENCE_NS = 20_000_000
SILENT_SHARE = 0.2
MOST_SIZES = 64
EDGE_NS = NS_PER_S
"""A stream that is there so near the beginning or the end of the recording was there before, or goes on."""
MOST_STREAMS = 1_000
"""To one node: each listens on a port of its own there."""
MANY = f"UDP streams beyond the {MOST_STREAMS} largest to one instance"
SHORT = "UDP datagrams that are no stream and were not answered"
LATE = "UDP streams that began later in the recording than the run lasts"


@dataclass(frozen=True, kw_only=True, eq=False)
class ObservedStream:
    """Datagrams from a port of a node to a port of another: moments (Unix time) and payloads, in order of time."""

    source: str
    source_port: int
    target: str
    target_port: int
    at_ns: NDArray[np.int64]
    payload_bytes: NDArray[np.int64]
    dscp: int = 0
    ipv6: bool = False


@dataclass(frozen=True, kw_only=True)
class DatagramDemands:
    """``driven`` counts the datagrams that the workloads stand for, ``left_out`` the others by reason."""

    workloads: tuple[Datagrams | Lookups, ...]
    driven: int
    left_out: Mapping[str, int]


def read_datagram_demands(
    streams: Sequence[ObservedStream],
    *,
    from_ns: int,
    to_ns: int,
    run_ns: int | None = None,
    services: Mapping[int, str] | None = None,
) -> DatagramDemands:
    """The workloads of a recording that lasted from ``from_ns`` to ``to_ns`` (Unix time), ordered by name."""
    found: dict[str, Datagrams | Lookups] = {}
    left_out: Counter[str] = Counter()
    driven = 0
    names = services or {}
    few: list[ObservedStream] = []
    kept = _largest(streams)
    for one in sorted(streams, key=lambda one: (one.source, one.target, one.target_port, one.source_port)):
        if len(one.at_ns) < LEAST_PACKETS or one.at_ns[-1] == one.at_ns[0]:
            few.append(one)
        elif id(one) not in kept:
            left_out[MANY] += len(one.at_ns)
        elif run_ns is not None and one.at_ns[0] - from_ns >= run_ns:
            left_out[LATE] += len(one.at_ns)
        else:
            name = _distinct(f"{one.source}→{one.target}:{one.target_port}/udp", found)
            found[name] = _stream(one, name, from_ns, to_ns, names)
            driven += len(one.at_ns)
    rest = sum(len(one.at_ns) for one in few)
    for lookups, count in _lookups(few, max(to_ns - from_ns, 1), names):
        found[lookups.name] = lookups
        driven += count
        rest -= count
    if rest:
        left_out[SHORT] = rest
    return DatagramDemands(
        workloads=tuple(found[name] for name in sorted(found)), driven=driven, left_out=dict(sorted(left_out.items()))
    )


def _largest(streams: Sequence[ObservedStream]) -> frozenset[int]:
    """Those that are driven, by identity: of each target's streams the ones of the most bytes."""
    by_target: dict[str, list[ObservedStream]] = {}
    for one in streams:
        if len(one.at_ns) >= LEAST_PACKETS:
            by_target.setdefault(one.target, []).append(one)
    return frozenset(
        id(one)
        for some in by_target.values()
        for one in sorted(some, key=lambda one: (-int(one.payload_bytes.sum()), one.source, one.source_port))[
            :MOST_STREAMS
        ]
    )


def _stream(one: ObservedStream, name: str, from_ns: int, to_ns: int, services: Mapping[int, str]) -> Datagrams:
    sizes = np.clip(one.payload_bytes, LEAST_DATAGRAM_BYTES, MOST_DATAGRAM_BYTES)
    on_ns, off_ns, sending_ns = _bursts(one.at_ns)
    begin = int(one.at_ns[0]) - from_ns
    ends_early = to_ns - int(one.at_ns[-1]) > EDGE_NS + (round(off_ns.mean()) if off_ns is not None else 0)
    # Each packet takes the time to the next one, and so does the last of every burst.
    rate = float(sizes.sum()) * 8 * NS_PER_S / max(sending_ns, 1)
    places = np.linspace(0, len(sizes) - 1, min(MOST_SIZES, len(sizes))).round().astype(int)
    mixed = bool((sizes != sizes[0]).any())
    return Datagrams(
        name=name,
        source=one.source,
        target=one.target,
        rate_bps=max(1, round(rate)),
        payload_bytes=int(sizes[0]),
        mix_bytes=tuple(int(size) for size in sizes[places]) if mixed else (),
        on_ns=on_ns,
        off_ns=off_ns,
        dscp=one.dscp,
        service=services.get(one.target_port) or services.get(one.source_port) or "",
        ipv6=one.ipv6,
        begin_ns=begin if begin > EDGE_NS else 0,
        end_ns=int(one.at_ns[-1]) - from_ns + 1 if ends_early else None,
    )


def _bursts(at_ns: NDArray[np.int64]) -> tuple[Distribution | None, Distribution | None, int]:
    """The lengths of bursts and of silences, where there are some, and the time spent sending."""
    gaps = np.diff(at_ns)
    usual = float(np.median(gaps))
    silent = gaps > max(SILENCE_GAPS * usual, LEAST_SILENCE_NS)
    whole = int(at_ns[-1] - at_ns[0])
    if silent.sum() < 2 or gaps[silent].sum() < SILENT_SHARE * whole:
        return None, None, round(whole * len(at_ns) / len(gaps))
    ends = np.flatnonzero(silent)
    starts = np.concatenate([[0], ends + 1])
    lengths = at_ns[np.concatenate([ends, [len(at_ns) - 1]])] - at_ns[starts] + round(usual)
    silences = np.maximum(gaps[silent] - round(usual), 1)
    on = weighted((float(one), 1) for one in lengths)
    return on, weighted((float(one), 1) for one in silences), int(lengths.sum())


def _lookups(few: Sequence[ObservedStream], recorded_ns: int, services: Mapping[int, str]) -> list[tuple[Lookups, int]]:
    """Questions that were answered, by pair of nodes and port, and how many datagrams that is; the first one asked."""
    by_ends = {(one.source, one.source_port, one.target, one.target_port): one for one in few}
    asked: dict[tuple[str, str, int], list[tuple[ObservedStream, ObservedStream]]] = {}
    for one in few:
        answer = by_ends.get((one.target, one.target_port, one.source, one.source_port))
        if answer is not None and one.at_ns[0] < answer.at_ns[0]:
            asked.setdefault((one.source, one.target, one.target_port), []).append((one, answer))
    found = []
    for (client, server, port), pairs in sorted(asked.items()):
        count = sum(len(question.at_ns) for question, _ in pairs)
        found.append(
            (
                Lookups(
                    name=f"{client}→{server}:{port}/udp (lookups)",
                    clients=(client,),
                    servers=(server,),
                    arrivals=Arrivals(process="poisson", rate_per_s=count * NS_PER_S / recorded_ns),
                    request=distribution_of(sorted(float(size) for one, _ in pairs for size in one.payload_bytes)),
                    response=distribution_of(sorted(float(size) for _, one in pairs for size in one.payload_bytes)),
                    dscp=pairs[0][0].dscp,
                    service=services.get(port, ""),
                    ipv6=pairs[0][0].ipv6,
                ),
                count + sum(len(answer.at_ns) for _, answer in pairs),
            )
        )
    return found


def _distinct(name: str, taken: Mapping[str, object]) -> str:
    number = 1
    while (wanted := name if number == 1 else f"{name}/{number}") in taken:
        number += 1
    return wanted
