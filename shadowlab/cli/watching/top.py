"""``shadowlab top``: paths, links and incidents of a run or a watch, on a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shadowlab.cli.interrupt import Interrupt, Unwind

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from shadowlab.serve.picture.shapes import DirectionShown, Source
    from shadowlab.serve.picture.source import Shown

FORMAT = "top/1"
_COLOURS = {"critical": "bold red", "warning": "yellow", "info": "cyan", "good": "green", "unknown": "dim"}
_STATES = {"broken": "bold red", "off": "yellow", "good": "green", "unknown": "dim"}
_STANDINGS = {"suspect": "bold red", "full": "yellow", "alternative": "yellow"}
_KPIS = (("srtt_ms", "RTT ms"), ("retransmission_share", "sent again"), ("throughput_mbps", "Mbit/s"))


@click.command()
@click.argument("source", type=click.Path(path_type=Path), metavar="RUN|STATE")
@click.option("--once", is_flag=True, help="Print the tables and end.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and end.")
@click.option("--rows", type=click.IntRange(1, 10_000), help="Of each table.  [default: as many as fit, or 20]")
@click.option(
    "--every", type=click.FloatRange(0.2, 3600), default=2.0, show_default=True, help="Seconds between looks."
)
@click.pass_obj
def command(interrupt: Interrupt, source: Path, once: bool, as_json: bool, rows: int | None, every: float) -> None:
    """Show the paths, links and incidents of a run, finished or going on, or of a watch, worst first, and follow them.
    The key q ends it.

    \b
    Examples:
      shadowlab top watch
      shadowlab top runs/abilene-incident-1 --once --rows 5
    """
    from rich.console import Console

    from shadowlab.errors import InputError
    from shadowlab.report.layout import place_nodes
    from shadowlab.serve.picture.library import Library

    library = Library((source,), place_nodes)
    library.check()
    library.scan()
    if not library.sources():
        raise InputError(f"{source} is empty: there is nothing to show yet")
    shown = library.sources()[0]
    if as_json:
        print(json.dumps(document(shown, rows), ensure_ascii=False))
        return
    console = Console()
    if once or not console.is_terminal:
        console.print(table(shown, rows or 20))
        return
    try:
        _follow(console, shown, rows, every)
    except Unwind:
        return


def document(shown: Shown, rows: int | None) -> dict[str, object]:
    """What the tables show; ``rows`` of each list at most."""
    links = _busiest(shown)
    return {
        "format": FORMAT,
        "overview": shown.overview().model_dump(mode="json"),
        "incidents": [one.model_dump(mode="json") for one in shown.incidents().incidents[:rows]],
        "paths": [one.model_dump(mode="json") for one in shown.paths().paths[:rows]],
        "directions": [one.model_dump(mode="json") for one in links[:rows]],
    }


def table(shown: Shown, rows: int) -> RenderableType:
    """All of it, ``rows`` of each table."""
    from rich.console import Group
    from rich.text import Text

    head = shown.head()
    title = Text.assemble((f" {head.severity} ", f"reverse {_COLOURS[head.severity]}"), " ", head.title)
    parts: list[RenderableType] = [title, Text(head.headline), Text(_state(shown, head), style="dim")]
    incidents = shown.incidents().incidents
    if incidents:
        parts.append(_incidents(shown, rows))
    return Group(*parts, _paths(shown, rows), _links(shown, rows))


def _state(shown: Shown, head: Source) -> str:
    words = [head.state, head.verdict]
    now = shown.overview().now
    if now is not None and head.state == "watching":
        words.append(f"cycle {now.cycle}: {now.stage or 'waits'}")
    until_s = shown.known_until_s()
    if until_s is not None:
        words.append(f"measured up to {until_s:.0f} s")
    return ", ".join(word for word in words if word)


def _incidents(shown: Shown, rows: int) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    found = Table(title="Incidents", title_justify="left", expand=True, show_edge=False)
    for name in ("id", "severity", "since", "paths", "what", "proposed"):
        found.add_column(name, overflow="ellipsis", no_wrap=name not in ("what", "proposed"))
    clock = shown.head().clock
    for one in shown.incidents().incidents[:rows]:
        severity = Text(one.severity if one.open else "resolved", style=_COLOURS[one.severity] if one.open else "dim")
        since = _moment(one.opened_s, clock)
        found.add_row(one.id, severity, since, str(one.affected_paths), Text(one.title), Text(one.proposal or "–"))
    return found


def _paths(shown: Shown, rows: int) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    every = shown.paths().paths
    found = Table(title=f"Paths ({len(every)})", title_justify="left", expand=True, show_edge=False)
    found.add_column("path", ratio=3, overflow="ellipsis", no_wrap=True)
    found.add_column("state", no_wrap=True)
    for _, words in _KPIS:
        found.add_column(f"{words}: production", justify="right")
        found.add_column("shadow", justify="right")
    found.add_column("broken", ratio=2, overflow="ellipsis", no_wrap=True)
    for one in every[:rows]:
        cells = [_figure(side.get(name)) for name, _ in _KPIS for side in (one.production, one.shadow)]
        state = Text(one.state + (" *" if one.affected else ""), style=_STATES[one.state])
        found.add_row(Text(one.id), state, *cells, Text(", ".join(one.broken_levels)))
    return found


def _links(shown: Shown, rows: int) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    busiest = _busiest(shown)
    found = Table(title=f"Links ({len(busiest)} directions)", title_justify="left", expand=True, show_edge=False)
    found.add_column("direction", ratio=3, overflow="ellipsis", no_wrap=True)
    found.add_column("standing", no_wrap=True)
    for name in ("utilisation", "ahead", "loss", "latency ms", "fidelity"):
        found.add_column(name, justify="right")
    for one in busiest[:rows]:
        found.add_row(
            Text(one.id),
            Text(one.standing, style=_STANDINGS.get(one.standing, "dim")),
            _share(one.utilisation),
            _share(one.utilisation_forecast),
            _share(one.loss),
            _figure(one.latency_ms),
            _figure(one.fidelity),
        )
    return found


def _busiest(shown: Shown) -> list[DirectionShown]:
    rank = {"suspect": 0, "full": 1, "alternative": 2}
    every = [way for link in shown.map().links for way in link.directions]
    return sorted(every, key=lambda one: (rank.get(one.standing, 3), -(one.utilisation or 0.0), one.id))


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.3g} %"


def _moment(at_s: float, clock: str) -> str:
    from datetime import UTC, datetime

    if clock == "run":
        return f"{int(at_s) // 60}:{int(at_s) % 60:02d}"
    return datetime.fromtimestamp(at_s, UTC).strftime("%d %b %H:%M:%SZ")


def _follow(console: Console, shown: Shown, rows: int | None, every: float) -> None:
    from rich.live import Live

    with _keys() as key, Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(table(shown, rows or max(2, (console.size.height - 16) // 3)), refresh=True)
            if key(every) in ("q", "Q"):
                return


@contextmanager
def _keys() -> Iterator[Callable[[float], str]]:
    """A function that waits so many seconds for a key, and says which; empty for none."""
    import select
    import termios
    import tty

    if not sys.stdin.isatty():
        import time

        def wait(seconds: float) -> str:
            time.sleep(seconds)
            return ""

        yield wait
        return
    before = termios.tcgetattr(sys.stdin)

    def key(seconds: float) -> str:
        ready, _, _ = select.select([sys.stdin], [], [], seconds)
        return sys.stdin.read(1) if ready else ""

    try:
        tty.setcbreak(sys.stdin)
        yield key
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
