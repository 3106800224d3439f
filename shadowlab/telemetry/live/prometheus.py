"""Prometheus, asked: queries over a range of time become records.

In: a source, a range, a clock.  Out: records, and what of the answers could not be read.
Never: a moment asked for twice; more points than Prometheus gives in one answer (11 000 of a series).

A query without ``field`` gives series of exporters that are known by their names (:mod:`prometheus_names`).  One with
``field`` says which field of a record its values are, and by which labels the ends are found: any exporter, any
expression.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

from shadowlab.errors import Fault, InputError
from shadowlab.model.telemetry import MEASURED, TcpRecord, field_kinds
from shadowlab.model.units import NS_PER_S
from shadowlab.telemetry.live.http import Answer, Site, get
from shadowlab.telemetry.source import Source
from shadowlab.telemetry.sources.metrics.prometheus import Groups, Stated, add_answer
from shadowlab.telemetry.sources.metrics.prometheus_names import Ends, Meaning
from shadowlab.telemetry.tally import Tally

MOST_STEPS = 10_000
"""Of one answer: Prometheus gives 11 000 points of a series at most."""
FIELDS = tuple(one for one in MEASURED if field_kinds()[one] in (int, float))
"""Of a record what a value can be."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """``field`` empty: of known exporters.  ``times`` makes a value's unit the field's.  The others name labels."""

    query: str
    field: str = ""
    times: float = 1.0
    instance: str = "instance"
    peer: str = ""
    """Empty: of the whole instance."""
    address: str = ""
    peer_address: str = ""
    port: str = ""


@dataclass(frozen=True, kw_only=True)
class PrometheusSource:
    """``site`` is what stands before ``/api/v1``."""

    site: Site
    queries: tuple[Query, ...]
    step_ns: int


def ask(
    source: PrometheusSource, from_ns: int, to_ns: int, *, now_ns: Callable[[], int], tally: Tally
) -> Iterator[TcpRecord]:
    """The records of the moments ``from_ns``, one step on, … up to ``to_ns`` (Unix time).

    Raises InputError where Prometheus cannot be asked or does not understand a query."""
    most_ns = source.step_ns * (MOST_STEPS - 1)
    while from_ns <= to_ns:
        until_ns = min(to_ns, from_ns + most_ns)
        groups = Groups(Source(name=source.site.base, blocks=iter(()), tally=tally))
        for query in source.queries:
            answer = get(source.site, _path(query, from_ns, until_ns, source.step_ns), now_ns=now_ns)
            _check(source, query, answer)
            place = f"answer to {query.query!r}"
            meaning = _meaning(query) if query.field else None
            yield from add_answer(groups, iter((answer.body,)), tally, meaning, place=place)
        yield from groups.records()
        from_ns = until_ns + source.step_ns


def aligned(moment_ns: int, step_ns: int) -> int:
    """The last whole step at or before it: with it two programs that ask are answered alike."""
    return moment_ns - moment_ns % step_ns


def _path(query: Query, from_ns: int, to_ns: int, step_ns: int) -> str:
    words = {
        "query": query.query,
        "start": _seconds(from_ns),
        "end": _seconds(to_ns),
        "step": _seconds(step_ns),
    }
    return f"/api/v1/query_range?{urlencode(words)}"


def _seconds(ns: int) -> str:
    return f"{ns // NS_PER_S}.{ns % NS_PER_S // 1_000_000:03d}"


def _meaning(query: Query) -> Stated:
    """What a series of this query is; None for one without the labels that name its ends."""
    meaning = Meaning(query.field, "pair" if query.peer or query.peer_address else "host")

    def of(labels: dict[str, str], value: float) -> tuple[Meaning, Ends, float] | None:
        ends = Ends(
            meaning.scope,
            _bare(labels.get(query.instance, "")),
            labels.get(query.address, ""),
            _bare(labels.get(query.peer, "")),
            labels.get(query.peer_address, ""),
            labels.get(query.port, ""),
        )
        alone = meaning.scope == "pair" and not (ends.peer or ends.peer_address)
        if alone or not (ends.instance or ends.local_address):
            return None
        return meaning, ends, value * query.times

    return of


def _bare(name: str) -> str:
    """Without the port at which an exporter is scraped."""
    host, colon, port = name.rpartition(":")
    return host if colon and port.isdecimal() and ":" not in host.strip("[]") else name


def _check(source: PrometheusSource, query: Query, answer: Answer) -> None:
    """Raises InputError for an answer that is no success."""

    def refuse(words: str) -> InputError:
        return InputError(Fault(place=source.site.base, message=words))

    if answer.status in (401, 403):
        cure = "give a `token_file`" if source.site.token_file is None else f"is {source.site.token_file} still valid?"
        raise refuse(f"answers {answer.status}, it wants to know who asks: {cure}")
    if answer.status == 404:
        raise refuse("answers 404: `url` is what stands before /api/v1, a prefix of Prometheus included")
    if answer.status == 200 and answer.body[:64].lstrip()[:1] == b"{":
        return
    try:
        document = json.loads(answer.body)
        why = f"{document['errorType']}: {document['error']}"
    except (ValueError, LookupError, TypeError, RecursionError):
        raise refuse(f"answers {answer.status}, and not as Prometheus does: {answer.words!r}") from None
    raise refuse(f"does not answer {query.query!r}: {why[:300]}")
