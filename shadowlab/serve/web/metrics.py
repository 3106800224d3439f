"""Figures for Prometheus: what the watches wrote, and what the server does.

In: texts of expositions, counts.  Out: one exposition.  Units are seconds, bytes and ratios.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families

MEDIA = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, kw_only=True)
class Served:
    """Of the server itself: requests that were answered, by method and status; refused ones by status; sources by
    kind and state; jobs by state; who listens."""

    requests: Mapping[tuple[str, int], int]
    refused: Mapping[int, int]
    sources: Mapping[tuple[str, str], int]
    jobs: Mapping[str, int]
    listeners: int


def metrics_text(watches: Iterable[str], served: Served) -> str:
    """Families of one name become one; a text that is none is left out."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected([*_merged(watches), *_own(served)]))
    return generate_latest(registry).decode()


class _Collected:
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        """What :mod:`prometheus_client` asks for."""
        yield from self._families


def _merged(texts: Iterable[str]) -> list[Metric]:
    found: dict[str, Metric] = {}
    for text in texts:
        try:
            families = list(text_string_to_metric_families(text))
        except (ValueError, KeyError, IndexError):  # written by another version
            continue
        for one in families:
            known = found.setdefault(one.name, one)
            if known is not one and known.type == one.type:
                known.samples.extend(one.samples)
    return [found[name] for name in sorted(found)]


def _own(served: Served) -> Iterator[Metric]:
    requests = CounterMetricFamily("shadowlab_serve_requests", "Answered requests.", labels=["method", "status"])
    for (method, status), count in sorted(served.requests.items()):
        requests.add_metric([method, str(status)], count)
    refused = CounterMetricFamily(
        "shadowlab_serve_requests_refused", "Requests refused before anything was read.", labels=["status"]
    )
    for status, count in sorted(served.refused.items()):
        refused.add_metric([str(status)], count)
    sources = GaugeMetricFamily("shadowlab_serve_sources", "Runs and watches shown.", labels=["kind", "state"])
    for (kind, state), count in sorted(served.sources.items()):
        sources.add_metric([kind, state], count)
    jobs = GaugeMetricFamily("shadowlab_serve_jobs", "What-if questions that are kept.", labels=["state"])
    for state, count in sorted(served.jobs.items()):
        jobs.add_metric([state], count)
    listeners = GaugeMetricFamily("shadowlab_serve_listeners", "Streams of events.", value=served.listeners)
    yield from (requests, refused, sources, jobs, listeners)
