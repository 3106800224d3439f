"""A run's folder as something to ask: over, going on, killed, of another version; and the commands that ask it."""

from __future__ import annotations

import csv
import fcntl
import json
import threading
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from click.testing import CliRunner, Result

from shadowlab.cli.commands import shadowlab
from shadowlab.cli.interrupt import Interrupt
from shadowlab.cli.records import query
from shadowlab.errors import InputError
from shadowlab.lab.recorded.folder import Recorded
from shadowlab.lab.recorded.watched import WATCHED_FILE, Watched, derive, to_json
from shadowlab.model.flow import Path as FlowPath
from shadowlab.model.kpi import SeriesTable
from shadowlab.monitor.raw_files import RawFiles
from shadowlab.store import window
from shadowlab.store.folder import MARK, format_json
from shadowlab.store.tables import encode_table
from shadowlab.store.window import Window

S = 1_000_000_000
MS = 1_000_000
WATCHED = Watched(
    window_ns=S,
    paths=(FlowPath(source="a", target="b"), FlowPath(source="b", target="a")),
    flows=(FlowPath(source="a", target="b"),),
    directions=("a>b",),
    rates_bps=(1_000_000,),
    lines=(),
)
SERVICES = SeriesTable(
    times_ns=np.array([S]),
    subjects=("api",),
    values={"failures": np.array([[0.5]]), "fairness": np.array([[np.nan]])},
)
NOBODY = SeriesTable(times_ns=np.array([S]), subjects=(), values={"instance_queue": np.zeros((1, 0))})
NAMES = {"path": ["a→b", "b→a"], "flow": ["one"], "interface": ["a>b"]}


def record(files: RawFiles, seconds: range, late_ns: Mapping[int, int] = MappingProxyType({})) -> None:
    """Two probes a second, that of b→a always lost; 125 bytes a second over the link."""
    for second in seconds:
        files.rows("probes").append(second * S + 1, 0, second, (10 + second) * MS, -1)
        files.rows("probes").append(second * S + 2, 1, second, -1, -1)
        files.rows("tcp").append(second * S, 0, 0, 0, 0, 0, b"\1" * 248)
        files.rows("queues").append(second * S, 0, 0, 125 * second, second, 0, 0, 0, second, 0, 0, 0, 0)
        files.rows("lateness").append(second * S, max(0, second - 1) * S, 100, late_ns.get(second, 0), 0, 0)
    files.flush()


def a_run(
    folder: Path, *, seconds: int = 10, over: bool = True, late_ns: Mapping[int, int] = MappingProxyType({})
) -> Path:
    raw = folder / "raw"
    raw.mkdir(parents=True)
    (folder / WATCHED_FILE).write_text(format_json(to_json(WATCHED)))
    with RawFiles(str(raw), NAMES) as files:
        record(files, range(seconds + 1), late_ns)
    if over:
        (folder / "kpis").mkdir()
        for kind, table in (derive(raw, WATCHED, seconds * S) | {"service": SERVICES, "instance": NOBODY}).items():
            (folder / "kpis" / f"{kind}s.blocks").write_bytes(encode_table(kind, table))
    else:
        (folder / MARK).write_text(f"{WATCHED_FILE}\nraw\n")
    return folder


def asked(*words: object) -> Result:
    return CliRunner().invoke(shadowlab, [str(word) for word in words], obj=QuietInterrupt())


class QuietInterrupt(Interrupt):
    def nothing_to_lose(self, state: str = "") -> None: ...


def rows(result: Result) -> list[dict[str, str]]:
    assert result.exit_code == 0, result.output
    return list(csv.DictReader(result.output.splitlines()))


def test_a_run_that_is_over_and_one_that_was_killed_tell_the_same(tmp_path: Path) -> None:
    over, killed = a_run(tmp_path / "over"), a_run(tmp_path / "killed", over=False)
    asked_for = Window(from_ns=S, to_ns=5 * S)

    one, other = (Recorded(folder).ask(("loss", "link_utilisation"), (), asked_for) for folder in (over, killed))

    assert list(one) == list(other) == ["path", "link"]
    for kind in one:
        assert one[kind].times_ns.tolist() == other[kind].times_ns.tolist() == [2 * S, 3 * S, 4 * S, 5 * S]
        assert one[kind].subjects == other[kind].subjects
        for name, values in one[kind].values.items():
            np.testing.assert_allclose(values, other[kind].values[name], rtol=1e-9)
    assert one["path"].values["loss"].tolist() == [[0.0, 1.0]] * 4


def test_of_an_unfinished_run_only_what_cannot_change_is_told(tmp_path: Path) -> None:
    recorded = Recorded(a_run(tmp_path / "run", seconds=10, over=False))

    assert recorded.known_until_ns() == 8 * S  # probes are given up after two seconds
    assert recorded.ask(("loss",), (), Window())["path"].times_ns.max() == 8 * S
    assert not recorded.goes_on


def test_indicators_of_services_are_there_when_a_run_is_over(tmp_path: Path) -> None:
    over, killed = a_run(tmp_path / "over"), a_run(tmp_path / "killed", over=False)

    found = rows(asked("query", over, "failures", "--csv"))

    assert found == [{"time_s": "1", "subject": "api", "failures": "0.5"}]
    assert [one.subject for one in Recorded(over).listed() if one.name == "fairness"] == ["service"]
    with pytest.raises(InputError, match="has no indicator 'failures': of a run that is not over"):
        Recorded(killed).ask(("failures",), (), Window())


def test_raw_records_alone_can_be_asked(tmp_path: Path) -> None:
    rehearsal = a_run(tmp_path / "run") / "rehearsals" / "0"
    rehearsal.mkdir(parents=True)
    for path in (tmp_path / "run" / "raw").iterdir():
        path.rename(rehearsal / path.name)

    assert Recorded(rehearsal).ask(("latency_ms",), ("a->b",), Window())["path"].values["latency_ms"][0] == [10.0]


def test_a_folder_from_before_the_store_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "probes.bin").write_bytes(bytes(32))

    with pytest.raises(InputError, match=r"was written by a ShadowLab from before the store \(probes\.bin\)"):
        Recorded(tmp_path)


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is no folder of a run: it holds neither raw/probes\.blocks nor"):
        Recorded(tmp_path)
    with pytest.raises(InputError, match="missing is no folder: name the folder of a run"):
        Recorded(tmp_path / "missing")


def test_a_run_of_a_later_version_is_refused(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")
    (run / WATCHED_FILE).write_text('{"format": "watched/2"}')

    with pytest.raises(InputError, match="of a newer ShadowLab than this one"):
        Recorded(run)


def test_query_sums_up_in_steps(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")

    found = rows(asked("query", run, "latency_ms", "--from", "0:02", "--to", "8s", "--every", "3s", "--csv"))

    assert [(row["time_s"], row["subject"], row["latency_ms"]) for row in found] == [
        ("5", "a→b", "13"),
        ("5", "b→a", ""),
        ("8", "a→b", "16"),
        ("8", "b→a", ""),
    ]


def test_query_json_is_one_document_with_units_and_nulls(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")

    result = asked("query", run, "latency_ms", "--to", "1", "--json")

    assert json.loads(result.output) == {
        "run": str(run),
        "from_s": None,
        "to_s": 1.0,
        "every_s": None,
        "aggregate": None,
        "units": {"latency_ms": "ms", "time_s": "s"},
        "rows": [
            {"time_s": 1.0, "subject": "a→b", "latency_ms": 10.0},
            {"time_s": 1.0, "subject": "b→a", "latency_ms": None},
        ],
    }


def test_query_prints_a_table_and_prometheus_text(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")

    table = asked("query", run, "loss", "--to", "1").output.splitlines()
    text = asked("query", run, "loss", "--to", "1", "--prometheus", "--zero", "100").output

    assert table == [
        "time_s  subject  loss [fraction]",
        "     1  a→b                    0",
        "     1  b→a                    1",
    ]
    assert 'shadowlab_path_loss_ratio{source="b",target="a"} 1 101000\n' in text


def test_query_raw_gives_the_records_of_a_window(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")

    found = rows(asked("query", run, "--raw", "probes", "--from", "3", "--to", "5", "--subject", "a->b", "--csv"))

    assert [(row["sent_ns"], row["path"], row["one_way_ns"]) for row in found] == [
        ("3000000001", "a→b", ""),
        ("4000000001", "a→b", ""),
    ]


def test_query_raw_gives_events_and_routes_too_but_for_a_line_that_is_cut(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")
    with RawFiles(str(tmp_path)) as files:
        for second in (1, 2, 3):
            files.record_event(second * S, "failure", "link a-b: down", {"failed": ""})
        files.record_trace(0, "a→b", ("a-b|a|b",))
    (run / "raw" / "events.jsonl").write_bytes((tmp_path / "events.jsonl").read_bytes()[:-5])
    (run / "raw" / "trace.jsonl").write_bytes((tmp_path / "trace.jsonl").read_bytes())

    events = rows(asked("query", run, "--raw", "events", "--from", "2", "--csv"))
    (trace,) = rows(asked("query", run, "--raw", "trace", "--csv"))

    assert [(row["at_ns"], row["operation"], row["outcome"]) for row in events] == [
        ("2000000000", "link a-b: down", '{"failed": ""}')
    ]
    assert trace == {"at_ns": "0", "hops": '["a-b|a|b"]', "path": "a→b"}


def test_query_list_names_everything(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", over=False)

    text, document = asked("query", run, "--list").output, json.loads(asked("query", run, "--list", "--json").output)

    assert f"{run}: measured up to 8 s" in text
    assert "link_utilisation       fraction  throughput over rate" in text
    assert document["subjects"] == {"path": ["a→b", "b→a"], "link": ["a>b"]}
    assert document["raw"] == sorted(path.stem for path in (run / "raw").iterdir())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fairnes"], "has no indicator 'fairnes'; did you mean fairness?"),
        (["latency"], "has no indicator 'latency'; did you mean latency_ms?"),
        (["loss", "--subject", "c"], "no subject fits 'c' among the paths of"),
        (["--raw", "frames"], "has no raw records 'frames'; it has events, exchanges, instances"),
        (["--raw", "tcp", "--every", "1"], "--raw gives whole records"),
        (["--json", "--csv"], "choose one of"),
        (["--follow", "--json"], "--follow prints a table"),
        (["--from", "5", "--to", "5"], "the window ends before it begins"),
        (["--every", "0"], "a step must be longer than nothing"),
        (["--from", "soon"], "'soon' is not a moment; write it like '1:30'"),
    ],
)
def test_query_refuses_what_makes_no_sense(tmp_path: Path, words: list[str], said: str) -> None:
    result = asked("query", a_run(tmp_path / "run"), *words)

    assert result.exit_code != 0
    assert said in (result.output + str(result.exception))


def test_follow_prints_every_row_once_until_the_writer_is_gone(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", seconds=0, over=False)
    raw = run / "raw"
    grown = threading.Event()

    def go_on() -> None:
        """What a run does: writes, and lets go of its mark at the end."""
        with (run / MARK).open("a") as mark, RawFiles(str(raw), NAMES) as files:
            fcntl.flock(mark, fcntl.LOCK_EX)
            grown.set()
            for second in range(0, 12, 3):
                record(files, range(second, second + 3))

    writer = threading.Thread(target=go_on)
    writer.start()
    grown.wait()
    followed = rows(asked("query", run, "loss", "--subject", "a->b", "--follow", "--csv"))
    writer.join()

    # Up to the last sample, at 11 s, less the two seconds that probes may take.
    assert [row["time_s"] for row in followed] == [str(second) for second in range(1, 10)]


def test_the_aggregates_offered_are_those_there_are() -> None:
    assert set(query.AGGREGATES) == set(window.AGGREGATES)


def test_export_writes_every_file_of_a_form(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")

    for form in ("csv", "prometheus"):
        result = asked("export", run, "--to", form, "--out", tmp_path / form)
        assert result.exit_code == 0, result.output

    files = sorted(str(path.relative_to(tmp_path / "csv")) for path in (tmp_path / "csv").rglob("*.csv"))
    records = (f"raw/{path.stem}.csv" for path in (run / "raw").iterdir())
    assert files == sorted([*records, "links.csv", "paths.csv", "services.csv"])
    assert (tmp_path / "csv" / "raw" / "probes.csv").read_text().splitlines()[1] == "1,a→b,0,10000000,"
    assert (tmp_path / "prometheus" / "metrics.prom").read_text().startswith("# HELP shadowlab_path_latency_seconds")


def test_export_never_writes_over_something(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")

    result = asked("export", run, "--to", "csv", "--out", run)

    assert "already holds" in str(result.exception)


@pytest.mark.parametrize("over", [True, False])
def test_a_second_measured_late_holds_nothing_and_is_flagged_in_every_form(tmp_path: Path, over: bool) -> None:
    run = a_run(tmp_path / "run", over=over, late_ns={4: 5 * MS})

    found = rows(asked("query", run, "latency_ms", "--subject", "a->b", "--to", "5", "--csv"))
    document = json.loads(asked("query", run, "latency_ms", "--subject", "a->b", "--to", "5", "--json").output)

    assert [(one["latency_ms"] != "", one["void"]) for one in found] == [
        (True, "0"),
        (True, "0"),
        (True, "0"),
        (False, "1"),
        (True, "0"),
    ]
    assert "void" in json.dumps(document)


def test_a_punctual_run_shows_no_flags_unless_asked(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")

    assert "void" not in rows(asked("query", run, "latency_ms", "--csv"))[0]
    assert rows(asked("query", run, "void", "--subject", "a->b", "--csv"))[0]["void"] == "0"
