"""Results that show themselves in a notebook, each with its tables.

In: what the rooms below have found.  Out: values with ``_repr_html_`` and :class:`~shadowlab.notebook.table.Table`.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from shadowlab.model.calibration import Calibration
from shadowlab.model.calibration.parts import PROPERTIES
from shadowlab.model.network import Network
from shadowlab.model.result import RunResult
from shadowlab.notebook.table import Table
from shadowlab.predict.sweep.answer import Answer
from shadowlab.report import markup
from shadowlab.store.series import read_series

if TYPE_CHECKING:
    from shadowlab.localize.findings import Found, Localisation
    from shadowlab.report.figure import Plot


@dataclass(frozen=True, kw_only=True)
class MapView:
    """A network."""

    network: Network

    @property
    def nodes(self) -> Table:
        """A row for each node."""
        names = ("node", "kind", "label", "addresses", "latitude", "longitude")
        rows = [
            (one.id, one.kind, one.label, " ".join(one.addresses), one.latitude, one.longitude)
            for one in self.network.nodes
        ]
        return Table.of_rows("Nodes", names, rows)

    @property
    def links(self) -> Table:
        """A row for each direction of each link.  ``rate_bps`` NaN: as fast as the kernel is; ``loss`` is the mean
        share of packets."""
        names = ("direction", "link", "rate_bps", "delay_ms", "jitter_ms", "loss", "queue_packets", "mtu", "metric")
        rows = []
        for link in self.network.links:
            for direction in link.directions:
                one = link.impairment(direction)
                numbers = (one.delay_ns / 1e6, one.jitter_ns / 1e6, one.mean_loss)
                metric = link.metric_of(direction)
                rows.append((str(direction), link.id, one.rate_bps, *numbers, one.queue_packets, one.mtu, metric))
        return Table.of_rows("Links", names, rows)

    def __repr__(self) -> str:
        return f"<map {self.network.name}: {len(self.network.nodes)} nodes, {len(self.network.links)} links>"

    def _repr_html_(self) -> str:
        from shadowlab.report.plots.network import draw_network

        return _picture(draw_network(self.network))


@dataclass(frozen=True, kw_only=True)
class RunView:
    """A run that has ended.  ``folder`` is its run folder, ``result`` all that it found out."""

    folder: Path
    result: RunResult

    @property
    def headline(self) -> str:
        return self.result.headline

    @property
    def holds(self) -> bool:
        """Whether the service levels hold, or the scenario's expectations are met."""
        return self.result.holds

    @property
    def map(self) -> MapView:
        return MapView(network=self.result.network)

    @property
    def levels(self) -> Table:
        """A row for each service level and path (or service), after the last event."""
        names = ("level", "path", "limit", "median", "worst", "broken_share", "holds")
        rows = [
            (one.level, one.path, one.limit, one.median, one.worst, one.broken_share, one.holds)
            for one in self.result.levels_after
        ]
        return Table.of_rows("Service levels", names, rows)

    @property
    def paths(self) -> Table:
        """A row for each path, each indicator before and after the last event."""
        known = sorted({kpi for one in self.result.path_summaries for kpi in (*one.before, *one.after)})
        names = ("path", "flows", *(f"{kpi}_{when}" for kpi in known for when in ("before", "after")))
        rows = [
            (one.path, one.flows, *(_number(side.get(kpi)) for kpi in known for side in (one.before, one.after)))
            for one in self.result.path_summaries
        ]
        return Table.of_rows("Paths", names, rows)

    @property
    def links(self) -> Table:
        """A row for each direction: utilisation and share of packets dropped, before and after the last event."""
        names = ("direction", "rate_bps", "utilisation_before", "utilisation_after", "loss_before", "loss_after")
        rows = [
            (
                one.direction,
                one.rate_bps,
                one.utilisation_before,
                one.utilisation_after,
                one.loss_before,
                one.loss_after,
            )
            for one in self.result.link_summaries
        ]
        return Table.of_rows("Links", names, rows)

    @property
    def suspects(self) -> Table:
        """A row for each suspect of the fault domain; none where nothing was at fault."""
        domain = self.result.fault_domain
        names = ("suspect", "fault", "posterior", "loss", "excess_delay_ms", "paths_affected", "paths_crossing")
        rows = [
            (
                *(one.name, one.fault or (domain.kind if domain else ""), one.posterior),
                *(one.loss, one.excess_delay_ns / 1e6, one.paths_affected, one.paths_crossing),
            )
            for one in (domain.suspects if domain else ())
        ]
        return Table.of_rows("Suspects", names, rows)

    @property
    def cures(self) -> Table:
        """A row for each cure that was rehearsed, best first; shares are of windows with a broken level."""
        names = ("cure", "rank", "broken_share", "recovered", "harm", "summary", "note")
        rows = [
            (one.cure, one.rank, one.broken_share, one.recovered, one.harm, one.summary, one.note)
            for one in self.result.cures
        ]
        return Table.of_rows("Cures", names, rows)

    def path_series(self) -> Table:
        """Every indicator of every path, second by second.  Raises ShadowLabError if the folder has lost the file."""
        return Table.of_series("Paths, second by second", "path", read_series(self.folder / "paths.csv"))

    def link_series(self) -> Table:
        """The same of every direction."""
        return Table.of_series("Links, second by second", "direction", read_series(self.folder / "links.csv"))

    def __repr__(self) -> str:
        return f"<run {self.result.scenario}: {self.headline}>"

    def _repr_html_(self) -> str:
        from shadowlab.report.plots.map import draw_map

        parts = [_head(self.headline, holds=self.holds), markup.items(self.result.conclusions)]
        if not self.result.provenance.valid:
            parts.append(markup.tag("p", f"Not valid: {self.result.provenance.validity}"))
        tables = [self.levels] + [one for one in (self.suspects, self.cures) if len(one)]
        return markup.join(*parts, _picture(draw_map(self.result)), *_tables(tables))


@dataclass(frozen=True, kw_only=True)
class AnswerView:
    """The answer to a what-if question, or that of a sweep."""

    answer: Answer

    @property
    def headline(self) -> str:
        return self.answer.headline

    @property
    def holds(self) -> bool:
        """Whether every variant keeps what was promised."""
        return self.answer.holds

    @property
    def variants(self) -> Table:
        """A row for each variant, the baseline first.  ``nearness`` 1 is at a limit, infinite is cut off."""
        names = ("variant", "verdict", "broken", "unsure", "cut_off", "nearness", "runs")
        rows = [
            (one.name, one.verdict, one.broken, one.unsure, len(one.cut), float(one.nearness), one.runs)
            for one in (self.answer.baseline, *self.answer.variants)
        ]
        return Table.of_rows("Variants", names, rows)

    @property
    def levels(self) -> Table:
        """A row for each variant, service level and subject, with its 95 % interval and change from the baseline."""
        names = ("variant", "level", "subject", "kpi", "limit", "predicted", "low", "high", "change", "verdict")
        rows = []
        for variant in (self.answer.baseline, *self.answer.variants):
            for one in variant.predictions:
                sure, change = one.predicted, one.difference
                interval = (None, None, None) if sure is None else (sure.mean, sure.low, sure.high)
                more = None if change is None else change.mean
                rows.append((variant.name, one.level, one.subject, one.kpi, one.limit, *interval, more, one.verdict))
        return Table.of_rows("Service levels", names, rows)

    @property
    def links(self) -> Table:
        """A row for each direction: utilisation as it is and at its worst, and the variant that makes it so."""
        rows = [(one.direction, one.before, one.worst, one.loss, one.cause) for one in self.answer.links]
        return Table.of_rows("Links", ("direction", "before", "worst", "loss", "cause"), rows)

    def __repr__(self) -> str:
        return f"<answer: {self.headline}>"

    def _repr_html_(self) -> str:
        return markup.join(_head(self.headline, holds=self.holds), *_tables((self.variants, self.levels)))


@dataclass(frozen=True, kw_only=True)
class CalibrationView:
    """What telemetry says of a map."""

    calibration: Calibration

    @property
    def map(self) -> MapView:
        """The map with its links as telemetry saw them."""
        return MapView(network=self.calibration.network())

    @property
    def values(self) -> Table:
        """A row for each property of each direction: its value (in the unit its name ends in; losses and reordering are
        shares), the 95 % interval, and what it stands on."""
        names = ("direction", "property", "value", "low", "high", "standing", "flows", "samples", "why")
        rows = []
        for link in self.calibration.links:
            for name in PROPERTIES:
                one = getattr(link, name)
                numbers = (_number(one.value), _number(one.low), _number(one.high))
                rows.append((str(link.direction), name, *numbers, one.standing, one.flows, one.samples, one.why))
        return Table.of_rows("Calibrated links", names, rows)

    @property
    def findings(self) -> Table:
        """A row for each thing that does not fit."""
        rows = [(one.kind, one.subject, one.message, one.effect, one.records) for one in self.calibration.findings]
        return Table.of_rows("What does not fit", ("kind", "subject", "message", "effect", "records"), rows)

    def __repr__(self) -> str:
        return f"<calibration of {self.calibration.map.name}: {len(self.calibration.links)} directions>"

    def _repr_html_(self) -> str:
        return markup.join(*_tables((self.values, self.findings)))


@dataclass(frozen=True, kw_only=True)
class LocalisationView:
    """Which components explain what flows lost."""

    localisation: Localisation

    @property
    def suspects(self) -> Table:
        """A row for each class of components that explains something, the surest first."""
        return _found("Suspects", self.localisation.suspects)

    @property
    def overloaded(self) -> Table:
        """The same of what only carries too much."""
        return _found("Overloaded", self.localisation.overloaded)

    def __repr__(self) -> str:
        names = ", ".join(one.name for one in self.localisation.suspects)
        return f"<localisation by {self.localisation.method}: {names or 'nothing found'}>"

    def _repr_html_(self) -> str:
        return markup.join(*_tables([self.suspects] + ([self.overloaded] if len(self.overloaded) else [])))


def _found(caption: str, some: Iterable[Found]) -> Table:
    names = ("components", "fault", "posterior", "loss", "loss_low", "loss_high", "delay_ms", "flows", "flows_bad")
    rows = [
        (one.name, one.fault, one.posterior, one.loss, *one.loss_interval, one.delay_ns / 1e6, one.flows, one.flows_bad)
        for one in some
    ]
    return Table.of_rows(caption, names, rows)


def _number(value: float | None) -> float | None:
    """As a float, so that the columns of a property are of one kind."""
    return None if value is None else float(value)


def _head(words: str, *, holds: bool) -> markup.Html:
    return markup.tag("p", markup.tag("strong", words), " ", "(holds)" if holds else "(does not hold)")


def _tables(tables: Iterable[Table]) -> list[markup.Html]:
    return [markup.Html(one._repr_html_()) for one in tables]


def _picture(plot: Plot) -> markup.Html:
    """As an image: the SVG takes its colours from the report's page, which a notebook has not."""
    data = base64.b64encode(plot.png).decode()
    style = "max-width:100%;background:#fff"
    attributes: Mapping[str, str] = {"src": f"data:image/png;base64,{data}", "alt": plot.alt, "style": style}
    return markup.tag("figure", markup.tag("img", **attributes), markup.tag("figcaption", plot.title))
