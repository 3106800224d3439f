"""Prometheus as a source of telemetry, as it is written in a watch file or in a file of its own.

In: the form, the folder that paths are relative to.  Out: a source that can be asked.
Never: an address spoken to.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from shadowlab.errors import Fault, InputError
from shadowlab.lab.scenario_form import Duration
from shadowlab.model.units import NS_PER_S
from shadowlab.telemetry.live.http import Site, site_fault
from shadowlab.telemetry.live.prometheus import FIELDS, PrometheusSource, Query
from shadowlab.topology.formats import read_input
from shadowlab.topology.positioned import in_file_order, load_positioned, validate
from shadowlab.topology.wording import subject

LEAST_STEP_NS, MOST_STEP_NS = NS_PER_S, 3600 * NS_PER_S
_LONGEST_QUERY = 4096
Where = tuple[str | int, ...]
Tell = Callable[[Where, str], None]


class _Raw(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RawQuery(_Raw):
    """``field`` says which field of a record the values are; the rest but ``times`` are names of labels."""

    query: str
    field: str = ""
    times: float = 1.0
    instance: str = "instance"
    peer: str = ""
    address: str = ""
    peer_address: str = ""
    port: str = ""


class RawPrometheus(_Raw):
    """Where Prometheus is and what it is asked."""

    url: str
    queries: list[str | RawQuery] = Field(min_length=1, max_length=100)
    step: Duration = 15 * NS_PER_S
    patience: Duration = 20 * NS_PER_S
    """For one whole answer."""
    token_file: str | None = None
    ca_file: str | None = None


class RawPrometheusFile(RawPrometheus):
    """The same as a file of its own."""

    shadowlab: Literal["prometheus/1"]


def load_prometheus(path: Path) -> PrometheusSource:
    """The source of a file.  Raises InputError with every fault found."""
    document = load_positioned(read_input(path, what="Prometheus source"), name=str(path))
    raw = validate(RawPrometheusFile, document)
    faults: list[Fault] = []

    def fault(where: Where, message: str) -> None:
        faults.append(Fault(place=document.place(where), message=f"{subject(where)}: {message}"))

    found = prometheus_of(raw, path.parent, (), fault)
    if faults:
        raise InputError(*in_file_order(faults))
    return found


def prometheus_of(raw: RawPrometheus, folder: Path, where: Where, fault: Tell) -> PrometheusSource:
    """The source; what is wrong is told with its place."""
    if words := site_fault(raw.url, with_token=raw.token_file is not None):
        fault((*where, "url"), words)
    for name, value, least, most in (
        ("step", raw.step, LEAST_STEP_NS, MOST_STEP_NS),
        ("patience", raw.patience, NS_PER_S, 300 * NS_PER_S),
    ):
        if not least <= value <= most:
            fault((*where, name), f"must lie between {least // NS_PER_S} s and {most // NS_PER_S} s")
    files = {}
    for name, text in (("token_file", raw.token_file), ("ca_file", raw.ca_file)):
        files[name] = None if text is None else folder / text
        if text is not None and not (folder / text).is_file():
            fault((*where, name), f"{text} is not a file (looked for {(folder / text).resolve()})")
    queries = tuple(
        _query(RawQuery(query=one) if isinstance(one, str) else one, (*where, "queries", index), fault)
        for index, one in enumerate(raw.queries)
    )
    site = Site(
        base=raw.url.rstrip("/"),
        token_file=files["token_file"],
        ca_file=files["ca_file"],
        patience_ns=max(raw.patience, NS_PER_S),
    )
    return PrometheusSource(site=site, queries=queries, step_ns=max(raw.step, LEAST_STEP_NS))


def _query(raw: RawQuery, where: Where, fault: Tell) -> Query:
    if not raw.query.strip() or len(raw.query) > _LONGEST_QUERY:
        fault((*where, "query") if raw.field else where, f"a query has 1 to {_LONGEST_QUERY} characters")
    if raw.field and raw.field not in FIELDS:
        fault((*where, "field"), f"{raw.field!r} is no number of a record; there are {', '.join(FIELDS)}")
    if not raw.field and raw != RawQuery(query=raw.query):
        fault(where, "says how to read its values, but not as what: give `field`")
    if not math.isfinite(raw.times) or raw.times <= 0:
        fault((*where, "times"), "must be above zero")
    return Query(**raw.model_dump())
