"""A run folder and a watch's state folder, made up but whole, and an application that shows both."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from report.example import example_run
from starlette.types import ASGIApp

from shadowlab.kernel.commands.own import OwnCommand, start
from shadowlab.lab.recorded.watched import WATCHED_FILE, Watched
from shadowlab.lab.watch.folder import StateFolder
from shadowlab.model.flow import Path as FlowPath
from shadowlab.model.network import Direction
from shadowlab.model.plain import to_plain
from shadowlab.model.result import FORMAT
from shadowlab.model.units import NS_PER_S
from shadowlab.model.verdict import FaultDomain, Suspect
from shadowlab.model.watch.cycle import Ahead, Cycle, StageTime, WatchedLink, WatchedPath
from shadowlab.model.watch.incident import Incident, IncidentEntry
from shadowlab.model.watch.state import WatchState
from shadowlab.report.layout import place_nodes
from shadowlab.serve.jobs.job import Job
from shadowlab.serve.jobs.keeper import Keeper, Limits
from shadowlab.serve.picture.library import Library
from shadowlab.serve.web.access import Allowance, Tokens
from shadowlab.serve.web.app import Parts, make_app, page_at
from shadowlab.serve.web.guard import Rules
from shadowlab.serve.web.operations import Question
from shadowlab.store.folder import format_json
from shadowlab.store.tables import encode_table

DAY_S = 1_795_000_000
PATH = "seattle-host→newyork-host"


def a_run(folder: Path) -> Path:
    """The example of the report, as a run would have left it."""
    result, paths, links = example_run()
    (folder / "kpis").mkdir(parents=True)
    (folder / "raw").mkdir()
    (folder / "raw" / "probes.blocks").write_bytes(b"")
    (folder / "result.json").write_text(format_json({"format": FORMAT, **to_plain(result)}))
    watched = Watched(
        window_ns=NS_PER_S,
        paths=tuple(FlowPath(source=one.source, target=one.target) for one in result.paths),
        flows=(),
        directions=links.subjects,
        rates_bps=(10_000_000,) * len(links.subjects),
        lines=(),
    )
    (folder / WATCHED_FILE).write_text(format_json({"format": "watched/1", **to_plain(watched)}))
    for kind, table in (("path", paths), ("link", links)):
        (folder / "kpis" / f"{kind}s.blocks").write_bytes(encode_table(kind, table))
    return folder


def an_incident(*, entries: int = 2) -> Incident:
    """Open, with a domain."""
    way = Direction(link="denver-kansascity", source="denver", target="kansascity")
    suspect = Suspect(
        directions=(way,), score=9, posterior=0.9, loss=0.02, excess_delay_ns=0, paths_affected=1, paths_crossing=1
    )
    return Incident(
        id="2-1-network",
        kind="network",
        severity="critical",
        title="denver-kansascity: loss",
        opened_ns=(DAY_S + 60) * NS_PER_S,
        updated_ns=(DAY_S + 60) * NS_PER_S,
        opened_cycle=2,
        subjects=("denver-kansascity",),
        affected_paths=(PATH,),
        domain=FaultDomain(
            links=("denver-kansascity",),
            kind="loss",
            onset_ns=(DAY_S + 30) * NS_PER_S,
            confidence=0.9,
            suspects=(suspect,),
            runners_up=(),
            affected_paths=(PATH,),
            affected_flows=(),
        ),
        timeline=tuple(
            IncidentEntry(at_ns=(DAY_S + 60 + number) * NS_PER_S, cycle=2, kind="opened", text=f"entry {number}")
            for number in range(entries)
        ),
    )


def a_watch(folder: Path) -> Path:
    """Two cycles; the second one looks ahead, and has an incident open."""
    network = example_run()[0].network
    state = StateFolder(folder, keep_cycles=10, keep_incidents_ns=10**18, keep_bytes=10**9)
    state.open("backbone")
    for number in (1, 2):
        link = WatchedLink(
            direction="denver>kansascity",
            link="denver-kansascity",
            source="denver",
            target="kansascity",
            rate_bps=10_000_000,
            utilisation=0.3 * number,
            loss=0.0,
            delay_ns=3_000_000,
            forecast_utilisation=0.9,
            suspect=number == 2,
        )
        path = WatchedPath(
            path=PATH,
            state="good" if number == 1 else "off",
            production={"srtt_ms": 30.0 + number},
            shadow={"srtt_ms": 30.0},
            before={"srtt_ms": 29.0},
            affected=number == 2,
        )
        at_ns = (DAY_S + 60 * number) * NS_PER_S
        cycle = Cycle(
            number=number,
            began_ns=at_ns,
            ended_ns=at_ns + 9 * NS_PER_S,
            status="complete",
            headline=f"cycle {number}",
            verdict="network broke",
            telemetry_from_ns=at_ns - 60 * NS_PER_S,
            telemetry_to_ns=at_ns,
            demand_mbps=10.0,
            stages=(StageTime(name="shadow", wall_s=8.0),),
            paths=(path,),
            links=(link,),
            ahead=Ahead(horizon_s=3600, headline="grows", growth={"0.1": 0.9, "0.5": 1.1, "0.9": 1.5}, model="naive"),
            open_incidents=("2-1-network",) if number == 2 else (),
        )
        known = WatchState(
            name="backbone",
            cycle=number,
            open_incidents=(an_incident(),) if number == 2 else (),
            demand=((float(DAY_S), 9.0), (DAY_S + 60.0, 10.0)),
        )
        document = {"format": "watch-map/1", "file": "map.yaml", "network": to_plain(network)}
        state.commit(known, cycle, network=format_json(document).encode())
    state.write_metrics('# TYPE shadowlab_cycles counter\nshadowlab_cycles_total{watch="backbone"} 2.0\n')
    state.tell_now({"cycle": 3, "stage": "shadow", "since_ns": (DAY_S + 130) * NS_PER_S})
    return folder


ANSWER = 'print(\'{"format": "answer/1", "holds": false, "headline": "it breaks"}\')'


def an_app(
    *folders: Path,
    scratch: Path,
    tokens: Tokens | None = None,
    program: str = ANSWER,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    now_ns: Callable[[], int] = lambda: 0,
    page: Path | None = None,
) -> ASGIApp:
    """What is shown of these folders; a question is answered by a small program."""

    def begin(argv: Sequence[str], output: Path) -> OwnCommand:
        return start([sys.executable, "-S", "-c", program, *argv], environment={}, folder=scratch, output=output)

    def keeper(tell: Callable[[Job], None]) -> Keeper:
        return Keeper(start=begin, tell=tell, now_s=lambda: 1.0, scratch=scratch, limits=limits)

    def ask(question: Sequence[str], asked: Question) -> Sequence[str]:
        return [*question, *asked.scenarios]

    library = Library(folders, place_nodes, dict.fromkeys(folders, ("map.yaml",)))
    library.scan()
    return make_app(
        Parts(
            library=library,
            rules=Rules(
                names=("127.0.0.1",),
                requests=Allowance(per_s=1, burst=1e6),
                tokens=None if tokens is None else lambda: tokens,
                now_ns=now_ns,
            ),
            page=page_at(page or scratch / "no page", ""),
            keeper=keeper,
            ask=ask,
            first_event=1,
        )
    )
