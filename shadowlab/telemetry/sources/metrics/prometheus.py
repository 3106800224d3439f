"""Prometheus: a scraped page (text exposition, also OpenMetrics), and answers of its ``query_range`` and ``query``.

In: text, or JSON.  Out: one record per host or pair of ends and moment, with what the known metrics say of it; what
the metrics are is in :mod:`prometheus_names`.  Metrics of other things are passed over and counted.
Never: more than :data:`MOST_GROUPS` records held while their samples come in: then what is complete so far is given.

A page says no time unless its samples do: then the caller must.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

from shadowlab.model.telemetry import TcpRecord, field_kinds, record_of
from shadowlab.model.units import NS_PER_MS, NS_PER_S
from shadowlab.telemetry.addresses import parse_address
from shadowlab.telemetry.blocks import LONGEST_LINE_BYTES, split_lines
from shadowlab.telemetry.json_stream import json_values
from shadowlab.telemetry.source import Source
from shadowlab.telemetry.sources.metrics.prometheus_names import (
    IDLE_MODES,
    Ends,
    Meaning,
    ends_of,
    meaning_of,
)
from shadowlab.telemetry.sources.values import LARGEST
from shadowlab.telemetry.tally import Tally

EXPECTED_TEXT = (
    "expected a page of Prometheus metrics with TCP figures: of node_exporter, Retina, Hubble, ebpf_exporter"
)
EXPECTED_JSON = 'expected an answer of Prometheus: {"status": "success", "data": {"result": […]}} with named series'
MOST_GROUPS = 200_000
_CPUS = "cpus"
_SCRAPE_SLACK = 0.05
OTHER_METRICS = "samples of metrics that say nothing of TCP"
_SAMPLE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+(-?[\d.]+))?(?:\s+#\s.*)?", re.ASCII)
_LABEL = re.compile(r'\s*([a-zA-Z_]\w*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)', re.ASCII)
_ESCAPE = re.compile(r"\\(.)")
_PAGE = re.compile(
    rb"(?:^|\n)# (?:HELP|TYPE) [a-zA-Z_:][\w:]* "
    rb"|^[a-zA-Z_:][\w:]*(?:\{[^\n]*\})? [-+.\deE]*(?:NaN|Inf)?(?: -?[\d.]+)?(?:\n|$)"
)
_ANSWER = re.compile(rb'"resultType"\s*:|"metric"\s*:\s*\{')
_MILLISECONDS_FROM = 1e11
"""A larger timestamp is in milliseconds (Prometheus), a smaller one in seconds (OpenMetrics)."""


def recognise_text(head: bytes) -> bool:
    """Whether it begins with comments or samples as exporters write them."""
    return _PAGE.search(head[:4096]) is not None and head[:1] not in b"{["


def recognise_json(head: bytes) -> bool:
    """Whether it is an answer to a query."""
    return head.lstrip()[:1] == b"{" and b'"status"' in head[:200] and _ANSWER.search(head) is not None


def read_text(source: Source) -> Iterator[TcpRecord]:
    """The records of a page."""
    groups = Groups(source)
    for number, raw in enumerate(split_lines(source.blocks), start=1):
        if len(raw) > LONGEST_LINE_BYTES:
            source.tally.refuse(number, f"longer than {LONGEST_LINE_BYTES} bytes")
            continue
        line = raw.decode("utf-8", "replace").strip()
        if not line or line[0] == "#":
            continue
        try:
            match = _SAMPLE.fullmatch(line)
            if match is None:
                raise ValueError("no sample: NAME{LABELS} VALUE expected")
            stamp = match[4]
            at_ns = source.at_ns if stamp is None else _stamp(float(stamp))
            groups.add(match[1], _labels(match[2] or ""), float(match[3]), at_ns)
        except (ValueError, OverflowError) as error:
            source.tally.refuse(number, str(error))
        if groups.full:
            yield from groups.records()
    yield from groups.records()


def read_json(source: Source) -> Iterator[TcpRecord]:
    """The records of one answer or several."""
    groups = Groups(source)
    yield from add_answer(groups, source.blocks, source.tally)
    yield from groups.records()


Stated = Callable[[dict[str, str], float], tuple[Meaning, Ends, float] | None]
"""What a value of a series with these labels is: its field, whom it is about, itself in the field's unit."""


def add_answer(
    groups: Groups, blocks: Iterator[bytes], tally: Tally, stated: Stated | None = None, *, place: str = ""
) -> Iterator[TcpRecord]:
    """Put the series of an answer into the groups; records come only where these are full.

    ``stated`` says what the values are; without it the series' names do."""
    for where, series in json_values(blocks, tally, inside="result"):
        at = f"{place}, {where}" if place else where
        try:
            name, labels, values = _series(series)
        except ValueError as error:
            tally.refuse(at, str(error))
            continue
        if stated is None and not name:
            tally.pass_over("a series without a name: the result of an expression")
            continue
        if stated is None and meaning_of(name, labels) is None:
            tally.pass_over(OTHER_METRICS, len(values))
            continue
        if stated is not None and stated(labels, 0.0) is None:
            tally.pass_over("a series without the labels that name its ends", len(values))
            continue
        for index, pair in enumerate(values):
            try:
                moment, value = _stamp(float(pair[0])), float(pair[1])
                if stated is None:
                    groups.add(name, labels, value, moment)
                elif (known := stated(labels, value)) is not None and not math.isnan(value):
                    groups.put(*known, moment)
            except (ValueError, TypeError, IndexError, KeyError, OverflowError) as error:
                tally.refuse(f"{at}, value {index}", f"no [time, value] pair: {error}")
            if groups.full:
                yield from groups.records()


def _series(series: Any) -> tuple[str, dict[str, str], list[Any]]:
    if not isinstance(series, dict) or not isinstance(series.get("metric"), dict):
        raise ValueError("a series is an object with metric and values")
    labels = series["metric"]
    if not all(isinstance(one, str) for one in labels.values()):
        raise ValueError("a label is no text")
    values = series["values"] if "values" in series else [series.get("value")]
    if not isinstance(values, list):
        raise ValueError("values is no list")
    return labels.get("__name__", ""), labels, values


def _labels(text: str) -> dict[str, str]:
    labels, at = {}, 0
    while at < len(text):
        match = _LABEL.match(text, at)
        if match is None:
            if text[at:].strip():
                raise ValueError(f"the labels cannot be read from {text[at : at + 40]!r} on")
            break
        labels[match[1]] = _ESCAPE.sub(lambda one: "\n" if one[1] == "n" else one[1], match[2])
        at = match.end()
    return labels


def _stamp(value: float) -> int:
    at_ns = round(value * (NS_PER_MS if value >= _MILLISECONDS_FROM else NS_PER_S))
    if not 0 <= at_ns < LARGEST:
        raise ValueError(f"{value} is no time")
    return at_ns


class Groups:
    """The records under way: whom they are about and when, to what is known of them."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._fields: dict[tuple[Ends, int], dict[str, float]] = {}
        self._idle: dict[Ends, tuple[int, float, float]] = {}
        """When the processors of a host were last looked at, how many there were, their idle seconds since the boot."""
        self._parted = False

    @property
    def full(self) -> bool:
        return len(self._fields) >= MOST_GROUPS

    def add(self, name: str, labels: dict[str, str], value: float, at_ns: int | None) -> None:
        """A sample of an exporter that is known by its metrics' names, or none of ours."""
        meaning = meaning_of(name, labels)
        if meaning is None:
            self._source.tally.pass_over(OTHER_METRICS)
            return
        if at_ns is None:
            raise ValueError("the page does not say when it was scraped: give --at TIME")
        self.put(meaning, ends_of(meaning.scope, labels, self._source.instance), value, at_ns, name)

    def put(self, meaning: Meaning, ends: Ends, value: float, at_ns: int, name: str = "") -> None:
        """A value of the record about these ends at this moment.  Raises ValueError for one that counts nothing."""
        if not math.isfinite(value) or not 0 <= value < LARGEST:
            raise ValueError(f"{name or meaning.field} is {value}, which counts nothing")
        fields = self._fields.setdefault((ends, at_ns), {})
        fields[meaning.field] = value + (fields.get(meaning.field, 0) if meaning.adds else 0)
        if meaning.field == "idle":
            fields[_CPUS] = fields.get(_CPUS, 0) + 1

    def records(self) -> Iterator[TcpRecord]:
        """The records so far, in the order of time."""
        kinds = field_kinds()
        for (ends, at_ns), numbers in sorted(self._fields.items(), key=lambda one: (one[0][1], one[0][0])):
            available, total = numbers.pop("available", None), numbers.get("host_memory_total_bytes")
            if available is not None and total is not None and total >= available:
                numbers["host_memory_used_bytes"] = total - available
            share = self._cpu_share(ends, at_ns, numbers)
            if share is not None:
                numbers["host_cpu_share"] = share
            if not numbers:
                continue
            fields: dict[str, Any] = {
                name: value if kinds[name] is float else round(value) for name, value in numbers.items()
            }
            fields |= {
                "at_ns": at_ns,
                "scope": ends.scope,
                "instance": ends.instance[:1000],
                "peer": ends.peer[:1000],
                "local_address": _address(ends.local_address),
                "local_port": 0,
                "peer_address": _address(ends.peer_address),
                "peer_port": int(ends.port) if ends.port.isdecimal() and int(ends.port[:6]) <= 65_535 else 0,
                "source": self._source.name,
            }
            yield record_of(fields)
        # What comes later of the same moments would be a part of the processors.
        self._parted = self._parted or self.full
        self._fields.clear()

    def _cpu_share(self, ends: Ends, at_ns: int, numbers: dict[str, float]) -> float | None:
        """What the host's processors were busy since its last sample; None for a first one, after a restart, or where
        the processors are not the same."""
        cpus, idle = numbers.pop(_CPUS, 0), sum(numbers.pop(mode, 0) for mode in IDLE_MODES)
        if not cpus or self._parted or self.full:
            return None
        before = self._idle.get(ends)
        if before is None and len(self._idle) >= MOST_GROUPS:
            return None
        self._idle[ends] = (at_ns, cpus, idle)
        if before is None or before[1] != cpus or idle < before[2] or at_ns <= before[0]:
            return None
        share = 1 - (idle - before[2]) * NS_PER_S / (at_ns - before[0]) / cpus
        # A scrape takes its time, so that a resting host seems to rest a little longer than the time between two.
        return max(0.0, share) if share > -_SCRAPE_SLACK else None


def _address(text: str) -> str:
    """The address, or an empty text for a label that holds something else."""
    try:
        return parse_address(text) if text else ""
    except ValueError:
        return ""
