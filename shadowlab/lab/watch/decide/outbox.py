"""What is told to whom, and when it is tried again.

In: news of incidents, receivers, the outbox.  Out: notifications, each with an id of its own that never changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from shadowlab.lab.watch.decide.incidents import News
from shadowlab.model.units import NS_PER_S
from shadowlab.model.watch.incident import Notification, Severity
from shadowlab.model.watch.state import WatchState

FIRST_WAIT_NS = 2 * NS_PER_S
LONGEST_WAIT_NS = 600 * NS_PER_S
MOST_ATTEMPTS = 200
"""More than a day at the longest wait."""
MOST_WAITING = 10_000
_RANK: Mapping[Severity, int] = {"info": 0, "warning": 1, "critical": 2}


def notifications(news: Iterable[News], receivers: Mapping[str, Severity]) -> tuple[Notification, ...]:
    """``receivers``: by name, the least severity that each is told."""
    found = []
    for incident, entry, number in news:
        if entry.kind == "detected":  # it comes with the opening
            continue
        for name, least in receivers.items():
            if _RANK[incident.severity] < _RANK[least]:
                continue
            found.append(
                Notification(
                    id=f"{incident.id}:{number}:{name}",
                    receiver=name,
                    incident=incident.id,
                    event=entry.kind,
                    severity=incident.severity,
                    title=incident.title,
                    text=entry.text,
                    at_ns=entry.at_ns,
                    began_ns=incident.opened_ns,
                    ended_ns=incident.resolved_ns,
                    links=incident.domain.links if incident.domain is not None else (),
                )
            )
    return tuple(found)


def wait_ns(attempts: int) -> int:
    """After so many failures: doubled each time, up to ten minutes."""
    return min(LONGEST_WAIT_NS, FIRST_WAIT_NS << min(attempts - 1, 20)) if attempts > 0 else 0


def due(outbox: Sequence[Notification], now_ns: int) -> tuple[Notification, ...]:
    """What may be tried now: of each receiver in the order of its news, and nothing behind one that waits."""
    found, waiting = [], set()
    for one in outbox:
        if one.receiver in waiting:
            continue
        if one.due_ns > now_ns:
            waiting.add(one.receiver)
        else:
            found.append(one)
    return tuple(found)


def queued(state: WatchState, some: Sequence[Notification]) -> WatchState:
    """With these at the end.  What does not fit pushes out the oldest, which counts as given up."""
    known = {one.id for one in state.outbox}
    outbox = (*state.outbox, *(one for one in some if one.id not in known))
    lost, outbox = outbox[:-MOST_WAITING], outbox[-MOST_WAITING:]
    return _given_up(replace(state, outbox=outbox), lost)


def delivered(state: WatchState, one: Notification) -> WatchState:
    """It left."""
    told = {**state.told, one.receiver: state.told.get(one.receiver, 0) + 1}
    return replace(state, outbox=tuple(each for each in state.outbox if each.id != one.id), told=told)


def failed(state: WatchState, one: Notification, why: str, *, now_ns: int, for_good: bool = False) -> WatchState:
    """It is tried again later; or never, if the receiver refused it for good or it was tried too often."""
    attempts = one.attempts + 1
    if for_good or attempts >= MOST_ATTEMPTS:
        return _given_up(replace(state, outbox=tuple(each for each in state.outbox if each.id != one.id)), (one,))
    again = replace(one, attempts=attempts, due_ns=now_ns + wait_ns(attempts), last_error=why[:200])
    return replace(state, outbox=tuple(again if each.id == one.id else each for each in state.outbox))


def _given_up(state: WatchState, some: Sequence[Notification]) -> WatchState:
    counts = dict(state.given_up)
    for one in some:
        counts[one.receiver] = counts.get(one.receiver, 0) + 1
    return replace(state, given_up=counts)
