"""A production made of formulas: what TCP would tell of flows over links whose truth is known.

Greedy flows share each full link equally, its queue saws between 0.6 and 1 of its buffer, drops come in the moments in
which it is full.  Nothing of the calibration is used here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from shadowlab.lab.inputs.ways import ways_of
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Direction, Link, Network, Node
from shadowlab.model.telemetry import TcpRecord

MSS = 1448
SEGMENT_WIRE = MSS + 66 + 24
START_NS = 1_760_000_000 * 10**9


@dataclass(frozen=True, kw_only=True)
class Talk:
    """A connection of production.  ``rate_bps`` None: greedy."""

    source: str
    target: str
    rate_bps: float | None = None
    port: int = 40000


@dataclass(kw_only=True)
class Production:
    """``network`` is the truth, whose unlimited links are unlimited."""

    network: Network
    talks: Sequence[Talk]
    seconds: int = 40
    seed: int = 1
    silent: Sequence[str] = ()
    rates: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """By direction, its rate in each second, where it does not stay."""

    def records(self) -> list[TcpRecord]:
        """What every instance records, once a second."""
        chance = np.random.default_rng(self.seed)
        directions = self.network.directions
        number = {one: index for index, one in enumerate(directions)}
        ways = ways_of(self.talks, self.network)
        there, back = (
            [[number[one] for one in getattr(way, side).ways[0].directions] for way in ways]
            for side in ("there", "back")
        )
        links = [self.network.impairment(one) for one in directions]
        rtt = np.array(
            [sum(links[one].delay_ns for one in (*a, *b)) for a, b in zip(there, back, strict=True)], dtype=float
        )
        rtt += np.array([sum(_sending(links[one], 98) for one in (*a, *b)) for a, b in zip(there, back, strict=True)])
        full = np.array([sum(_sending(links[one], 1538 - 98) for one in a) for a in there])
        totals = np.zeros((len(self.talks), 4))  # delivered, lost, reordered, received bytes
        found: list[TcpRecord] = []
        for second in range(self.seconds):
            capacity = np.array(
                [
                    self.rates.get(str(one), {second: links[index].rate_bps or np.inf})[second]  # type: ignore[index]
                    for index, one in enumerate(directions)
                ]
            )
            rates, saturated = self._shared(there, capacity)
            queue = np.zeros(len(directions))
            for one in saturated:
                room = links[one].queue_packets * SEGMENT_WIRE * 8e9 / capacity[one]
                queue[one] = room * chance.uniform(0.6, 1.0)
            for index, talk in enumerate(self.talks):
                segments = rates[index] / 8 / SEGMENT_WIRE
                lost = sum(chance.poisson(segments * links[one].loss) for one in there[index])
                full_ones = [one for one in there[index] if one in saturated]
                if full_ones and second % 3 == 0 and talk.rate_bps is None:
                    lost += 1 + int(chance.poisson(2))
                shuffled = sum(
                    chance.poisson(segments * (links[one].reorder.share if links[one].reorder else 0.0))
                    for one in there[index]
                )
                totals[index] += (segments, lost, shuffled, segments * MSS)
                jitter = np.sqrt(sum((links[one].jitter_ns / 2) ** 2 for one in (*there[index], *back[index])))
                waited = queue[there[index]].sum() + queue[back[index]].sum()
                srtt = rtt[index] + full[index] + waited + abs(chance.normal(0, 30_000))
                found += self._recorded(index, second, rtt[index], srtt, totals[index], 50_000 + jitter)
        return found

    def _shared(self, there: Sequence[Sequence[int]], capacity: np.ndarray) -> tuple[np.ndarray, set[int]]:
        """Max-min shares of wire rates, and the links that greedy flows fill."""
        wanted = np.array([(one.rate_bps or np.inf) * SEGMENT_WIRE / MSS for one in self.talks])
        rates, left, saturated = np.zeros(len(wanted)), capacity.astype(float).copy(), set[int]()
        open_flows = set(range(len(wanted)))
        while open_flows:
            used = {one for flow in open_flows for one in there[flow]}
            fair = {one: left[one] / sum(one in there[flow] for flow in open_flows) for one in used}
            tightest = min(fair.values(), default=np.inf)
            paced = [flow for flow in open_flows if wanted[flow] <= tightest]
            if paced:
                done = {min(paced, key=lambda flow: wanted[flow])}
                share = wanted[next(iter(done))]
            else:
                link = min(fair, key=lambda one: fair[one])
                done, share = {flow for flow in open_flows if link in there[flow]}, tightest
                saturated.add(link)
            for flow in done:
                rates[flow] = share
                left[there[flow]] -= share
            open_flows -= done
        return np.where(np.isfinite(rates), rates, 1e9), saturated

    def _recorded(
        self, index: int, second: int, least: float, srtt: float, totals: np.ndarray, rttvar: float
    ) -> list[TcpRecord]:
        talk = self.talks[index]
        delivered, lost, shuffled, payload = (int(one) for one in totals)
        ends = {
            talk.source: {
                "min_rtt_ns": round(least),
                "srtt_ns": round(srtt),
                "rttvar_ns": round(rttvar),
                "bytes_sent": (delivered + lost) * MSS,
                "bytes_acked": payload,
                "data_segments_out": delivered + lost,
                "delivered_segments": delivered,
                "segments_in": delivered // 2,
                "retransmits_total": lost,
                "reordering_seen": shuffled,
                "dsack_duplicates": 0,
                "delivered_ce_segments": 0,
                "app_limited": talk.rate_bps is not None,
                "busy_ns": round((second + 1) * (0.3e9 if talk.rate_bps is not None else 1e9)),
                "rwnd_limited_ns": 0,
                "sndbuf_limited_ns": 0,
                "cwnd_segments": max(10, round(srtt / 1e9 * delivered / (second + 1))),
            },
            talk.target: {"bytes_received": payload, "data_segments_in": delivered},
        }
        return [
            self._record(own, peer, second, known)
            for own, peer, known in (
                (talk.source, talk.target, ends[talk.source]),
                (talk.target, talk.source, ends[talk.target]),
            )
            if own not in self.silent
            for talk_port in [talk.port]
            for known in [known | {"local_port": talk_port if own == talk.source else 5001 + index}]
            for known in [known | {"peer_port": 5001 + index if own == talk.source else talk_port}]
        ]

    def _record(self, own: str, peer: str, second: int, known: dict[str, Any]) -> TcpRecord:
        return TcpRecord(
            at_ns=START_NS + second * 10**9,
            instance=own,
            local_address=address_of(own),
            peer_address=address_of(peer),
            congestion_control="cubic",
            mss=MSS,
            **known,
        )


def _sending(link: Impairment, size: int) -> float:
    return size * 8e9 / link.rate_bps if link.rate_bps else 0.0


def address_of(name: str) -> str:
    """Of an instance called ``hN``."""
    return f"10.0.0.{int(name[1:]) + 1}"


def star_of_two(*, hosts: int, trunk: Impairment, access_delay_ns: Sequence[int], metric: int = 1) -> Network:
    """Hosts on two routers joined by a trunk; the first half hangs on the left one."""
    names = [f"h{one}" for one in range(hosts)]
    routers = ["left" if one < hosts // 2 else "right" for one in range(hosts)]
    return Network(
        name="two-stars",
        nodes=(
            Node(id="left", kind="router"),
            Node(id="right", kind="router"),
            *(Node(id=one, kind="host", addresses=(address_of(one),)) for one in names),
        ),
        links=(
            Link(id="trunk", a="left", b="right", forward=trunk, backward=replace(trunk, loss=0.0), metric=metric),
            *(
                Link(
                    id=f"{name}-{router}",
                    a=name,
                    b=router,
                    forward=Impairment(delay_ns=delay),
                    backward=Impairment(delay_ns=delay),
                )
                for name, router, delay in zip(names, routers, access_delay_ns, strict=True)
            ),
        ),
    )


def bare(network: Network) -> Network:
    """The map without any value."""
    return replace(
        network,
        links=tuple(replace(one, forward=Impairment(), backward=Impairment()) for one in network.links),
    )


def direction_of(network: Network, text: str) -> Direction:
    """By how it is called."""
    return next(one for one in network.directions if str(one) == text)
