"""Telemetry that cannot be true: found, named, and kept from what it would spoil.

In: connections, what was seen of them, the least delay of each direction.  Out: corrected connections; which RTTs are
to be believed; findings.  Never: a record dropped without a word.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from shadowlab.calibrate.links.numbers import Flags, Floats, Ints
from shadowlab.calibrate.links.seen import USUAL_MSS, Seen
from shadowlab.calibrate.observed import ObservedConnection
from shadowlab.model.calibration import Finding
from shadowlab.model.network import Network
from shadowlab.model.telemetry import TcpRecord, record_of
from shadowlab.model.units import format_duration

FACTOR = 8
_NEAR = 1.25
"""A ratio of two counters of the same bytes is the factor if it lies within this one of it."""
_AGREED = 0.6
"""Of an instance's connections that can be tested so many must be wrong by the factor."""
_BYTE_FIELDS = ("bytes_sent", "bytes_acked", "bytes_received", "bytes_retransmitted")
_NAMED = 5
_BELOW = 0.98
_ODD_SHARE = 0.6
"""A least RTT below this share of the middle one of its pair's others is not believed."""
_ODD_CONNECTIONS = 4


@dataclass(frozen=True, kw_only=True)
class Corrected:
    """A connection with the same ends, and records whose units are right."""

    source: str
    target: str
    source_port: int
    target_port: int
    sender_records: tuple[TcpRecord, ...]
    receiver_records: tuple[TcpRecord, ...]


def unit_factors(
    connections: Sequence[ObservedConnection],
) -> tuple[list[ObservedConnection], list[Finding]]:
    """The connections with every instance's byte counters in bytes.

    An instance whose counters are eight times those of its peers, or whose segments would hold eight times what a
    segment holds, counts bits; the other way round its peers would seem to.  Where two ends disagree and neither breaks
    that rule, the one that disagrees with more of its peers is wrong.
    """
    wrong: dict[str, Counter[int]] = defaultdict(Counter)
    tested: Counter[str] = Counter()
    undecided: list[tuple[str, str, int]] = []
    for one in connections:
        own, peer = _moved(one.sender_records, sent=True), _moved(one.receiver_records, sent=False)
        for end, figures in ((one.source, own), (one.target, peer)):
            tested[end] += figures is not None
        if own is not None and peer is not None and (power := _power(own[0] / max(peer[0], 1e-9))):
            if own[1] > _NEAR:
                wrong[one.source][1] += 1
            elif peer[1] > _NEAR:
                wrong[one.target][1] += 1
            else:
                undecided.append((one.source, one.target, power))
        elif own is not None and peer is None and _power(own[1]) == 1:
            wrong[one.source][1] += 1
        elif peer is not None and own is None and _power(peer[1]) == 1:
            wrong[one.target][1] += 1
    disputes = Counter(end for source, target, _ in undecided for end in (source, target))
    for source, target, power in undecided:
        blamed = max((source, target), key=lambda end: (disputes[end] / max(tested[end], 1), end))
        wrong[blamed][power if blamed == source else -power] += 1
    factors: dict[str, float] = {}
    findings = []
    for instance, votes in sorted(wrong.items()):
        power, count = votes.most_common(1)[0]
        if count < _AGREED * tested[instance]:
            continue
        factors[instance] = float(FACTOR**power)
        findings.append(
            Finding(
                kind="unit factor",
                subject=instance,
                message=f"its byte counters are {'eight times' if power > 0 else 'an eighth of'} what its peers and "
                f"its segments allow, in {count} of {tested[instance]} connections: bits and bytes were confused",
                effect="its counters were brought to bytes",
                records=sum(
                    len(one.sender_records) * (one.source == instance)
                    + len(one.receiver_records) * (one.target == instance)
                    for one in connections
                ),
            )
        )
    if not factors:
        return list(connections), findings
    return [_corrected(one, factors) for one in connections], findings


def _moved(records: Sequence[TcpRecord], *, sent: bool) -> tuple[float, float] | None:
    """Bytes a second that the data's direction moved by this end's account, and how full that makes its segments."""
    if len(records) < 2:
        return None
    names = ("bytes_acked", "data_segments_out") if sent else ("bytes_received", "data_segments_in")
    first, last = records[0], records[-1]
    bounds = [(getattr(first, name), getattr(last, name)) for name in names]
    (before, after), (segments_before, segments_after) = bounds
    if before is None or after is None or after - before < 10_000 or last.at_ns <= first.at_ns:
        return None
    rate = (after - before) * 1e9 / (last.at_ns - first.at_ns)
    if segments_before is None or segments_after is None or segments_after <= segments_before:
        return rate, 0.0
    return rate, (after - before) / (segments_after - segments_before) / (last.mss or USUAL_MSS)


def _power(ratio: float) -> int:
    """1 for about eight, -1 for about an eighth, 0 for anything else."""
    if FACTOR / _NEAR < ratio < FACTOR * _NEAR:
        return 1
    return -1 if 1 / (FACTOR * _NEAR) < ratio < _NEAR / FACTOR else 0


def _corrected(one: ObservedConnection, factors: Mapping[str, float]) -> ObservedConnection:
    if one.source not in factors and one.target not in factors:
        return one
    return Corrected(
        source=one.source,
        target=one.target,
        source_port=one.source_port,
        target_port=one.target_port,
        sender_records=_divided(one.sender_records, factors.get(one.source, 1.0)),
        receiver_records=_divided(one.receiver_records, factors.get(one.target, 1.0)),
    )


def _divided(records: tuple[TcpRecord, ...], factor: float) -> tuple[TcpRecord, ...]:
    if factor == 1:
        return records
    changed = []
    for record in records:
        known = dict(record.__dict__)
        known |= {name: round(value / factor) for name in _BYTE_FIELDS if (value := getattr(record, name)) is not None}
        changed.append(record_of(known))
    return tuple(changed)


def believable(seen: Seen, floor_ns: Floats) -> tuple[Flags, list[Finding]]:
    """Which connections' RTTs may be used, (C,), and why the others may not."""
    trusted = seen.usable & np.isfinite(seen.least_rtt_ns)
    findings = []
    lost = np.flatnonzero(~seen.usable)
    if len(lost):
        findings.append(
            Finding(
                kind="impossible path",
                subject=_some(seen, lost),
                message=f"{len(lost)} connections moved data, but the map has no way there, or none back",
                effect="they are left out of all links' values, and stay in the demand",
                records=int(seen.records[lost].sum()),
            )
        )
    least = (seen.forward + seen.back) @ floor_ns
    below = np.flatnonzero(trusted & seen.certain & (seen.least_rtt_ns < _BELOW * least))
    if len(below):
        worst = below[np.argmin(seen.least_rtt_ns[below] / least[below])]
        rtt, floor = format_duration(round(seen.least_rtt_ns[worst])), format_duration(round(least[worst]))
        findings.append(
            Finding(
                kind="below propagation",
                subject=_some(seen, below),
                message=f"{len(below)} connections have a least RTT below what light needs on their way, as "
                f"{seen.names[worst]}: {rtt}, at least {floor}: a wrong place, a wrong path, or a wrong clock",
                effect="their RTTs are not used",
                records=int(seen.records[below].sum()),
            )
        )
        trusted[below] = False
    odd = _odd(seen, trusted)
    if len(odd):
        findings.append(
            Finding(
                kind="contradicts the map",
                subject=_some(seen, odd),
                message=f"{len(odd)} connections have a least RTT far below that of all others of their pair",
                effect="their RTTs are not used",
                records=int(seen.records[odd].sum()),
            )
        )
        trusted[odd] = False
    return trusted, findings


def _odd(seen: Seen, trusted: Flags) -> Ints:
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for one in np.flatnonzero(trusted & seen.certain):
        groups[seen.pairs[one]].append(int(one))
    found = []
    for members in groups.values():
        if len(members) < _ODD_CONNECTIONS:
            continue
        known = np.sort(seen.least_rtt_ns[members])
        # Queues only ever raise an RTT: one alone far below the second least is a wrong one.
        if known[0] < _ODD_SHARE * known[1] and known[1] > 0.8 * np.median(known):
            found += [one for one in members if seen.least_rtt_ns[one] == known[0]]
    return np.array(found, dtype=np.int64)


def silent_instances(connections: Sequence[ObservedConnection], network: Network) -> tuple[list[str], list[Finding]]:
    """Instances that recorded nothing themselves, though others did; and a finding that says so."""
    spoke = {one.source for one in connections if one.sender_records}
    spoke |= {one.target for one in connections if one.receiver_records}
    met = {end for one in connections for end in (one.source, one.target)}
    hosts = {node.id for node in network.hosts}
    silent = sorted(hosts - spoke)
    if not spoke or not silent:
        return [], []
    named = ", ".join(silent[:_NAMED]) + (f" and {len(silent) - _NAMED} more" if len(silent) > _NAMED else "")
    return silent, [
        Finding(
            kind="silent instances",
            subject=named,
            message=f"{len(silent)} of {len(hosts)} instances recorded nothing ({len(hosts & met - spoke)} of them are "
            "known from their peers' records): what goes between two of them is not seen",
            effect="links that only they use keep the map's values; the rate of a full link that they may share is a "
            "lower bound; what goes between them is estimated by gravity",
        )
    ]


def _some(seen: Seen, which: Ints) -> str:
    names = [seen.names[one] for one in which[:_NAMED]]
    return ", ".join(names) + (f" and {len(which) - _NAMED} more" if len(which) > _NAMED else "")
