"""The sub-commands of ``telemetry``: one document, counted faults, exit codes, nothing left behind."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from shadowlab.cli.commands import shadowlab
from shadowlab.cli.interrupt import Interrupt
from shadowlab.cli.telemetry.options import wait_unless
from shadowlab.errors import InputError
from shadowlab.telemetry.reading import open_telemetry

CAPTURES = Path(__file__).parents[2] / "captures" / "telemetry"
DUMP = CAPTURES / "loopback.ss"


class Quiet(Interrupt):
    """Takes no signal and never ends the process."""

    def nothing_to_lose(self, state: str = "") -> None:
        return


def run(*words: str | Path, stdin: bytes = b"", interrupt: Interrupt | None = None) -> Result:
    arguments = ["telemetry", *map(str, words)]
    return CliRunner().invoke(
        shadowlab, arguments, input=io.BytesIO(stdin), obj=interrupt or Quiet(), standalone_mode=False
    )


def records(path: Path) -> list[dict[str, object]]:
    with open_telemetry(path) as reading:
        return [{name: getattr(one, name) for name in one.known} for one in reading.records]


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz", "x.jsonl.zst", "x.parquet"])
def test_what_is_converted_reads_as_what_it_was(name: str, tmp_path: Path) -> None:
    done = run("convert", DUMP, tmp_path / name)

    assert (done.exit_code, done.stdout) == (0, "")
    assert records(tmp_path / name) == records(DUMP)
    assert [one.name for one in tmp_path.iterdir()] == [name]


def test_several_files_become_one_and_json_tells_of_each(tmp_path: Path) -> None:
    done = run("convert", DUMP, DUMP, tmp_path / "x.jsonl", "--json")

    document = json.loads(done.stdout)
    assert [(one["format"], one["records"], one["unreadable"]) for one in document["sources"]] == [("ss", 20, 0)] * 2
    assert len(records(tmp_path / "x.jsonl")) == 40


def test_a_conversion_of_nothing_leaves_nothing(tmp_path: Path) -> None:
    empty = tmp_path / "empty.ss"
    empty.write_bytes(b"# instance web at 5\nnonsense\n")

    done = run("convert", empty, tmp_path / "x.jsonl")

    assert isinstance(done.exception, InputError)
    assert [one.name for one in tmp_path.iterdir()] == ["empty.ss"]


def test_an_interrupted_conversion_leaves_nothing(tmp_path: Path) -> None:
    class Asked(Quiet):
        def asked(self) -> bool:
            return True

    done = run("convert", DUMP, tmp_path / "x.jsonl", interrupt=Asked())

    assert (done.return_value, list(tmp_path.iterdir())) == (130, [])


def test_a_followed_file_is_converted_up_to_where_the_user_ends_it(tmp_path: Path) -> None:
    class AfterTen(Quiet):
        count = 0

        def asked(self) -> bool:
            self.count += 1
            return self.count >= 10

    done = run("convert", "--follow", DUMP, tmp_path / "x.jsonl", interrupt=AfterTen())

    assert done.exit_code == 0
    assert len(records(tmp_path / "x.jsonl")) == 10


def test_a_followed_file_gives_what_is_appended(tmp_path: Path) -> None:
    path, growth = tmp_path / "growing.ss", [DUMP.read_bytes() for _ in range(2)]
    path.write_bytes(growth.pop())

    def wait() -> bool:
        if not growth:
            return False
        with path.open("ab") as file:
            file.write(growth.pop())
        return True

    with open_telemetry(path, follow=wait) as reading:
        assert len(list(reading.records)) == 40


def test_a_followed_file_that_is_cut_and_written_anew_is_read_from_its_beginning(tmp_path: Path) -> None:
    path, left = tmp_path / "rotated.ss", [1]
    path.write_bytes(DUMP.read_bytes() * 2)

    def wait() -> bool:
        if not left:
            return False
        left.pop()
        path.write_bytes(DUMP.read_bytes())
        return True

    with open_telemetry(path, follow=wait) as reading:
        assert len(list(reading.records)) == 60


def test_following_ends_when_the_user_asks() -> None:
    assert wait_unless(lambda: True)() is False


def test_show_prints_a_line_per_record_and_a_dash_for_the_unknown() -> None:
    text = run("show", CAPTURES / "loopback-two-lines.txt", "--instance", "web", "--at", "5", "--limit", "3")

    lines = text.stdout.splitlines()
    assert (text.exit_code, len(lines), lines[0].split()[:3]) == (0, 4, ["time", "instance", "local"])
    assert lines[1].startswith("1970-01-01T00:00:05Z  web")
    assert any("–" in line for line in lines[1:])
    assert "1 more" in text.stderr


def test_show_json_is_one_document() -> None:
    document = json.loads(run("show", DUMP, "--limit", "3", "--json").stdout)

    assert (len(document["records"]), document["total"], document["format"]) == (3, 20, "ss")


def test_a_name_from_a_file_does_not_steer_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"at_ns": 1, "instance": "\\u001b[2J"}\n')

    assert "\x1b" not in run("show", tmp_path / "x.jsonl").stdout


def test_a_pipe_is_read_like_a_file() -> None:
    done = run("show", "-", "--json", stdin=DUMP.read_bytes())

    assert json.loads(done.stdout)["total"] == 20


def test_summary_sums_growth_and_never_totals() -> None:
    document = json.loads(run("summary", DUMP, "--json").stdout)

    by_connection: dict[object, list[int]] = {}
    with open_telemetry(DUMP) as reading:
        for one in reading.records:
            by_connection.setdefault(one.connection, []).append(one.bytes_acked or 0)
    assert document["grown"]["bytes_acked"] == sum(max(some) - min(some) for some in by_connection.values())
    assert (document["records"], document["connections"], document["estimated"]) == (20, len(by_connection), [])
    assert document["known"]["srtt_ns"] == 20
    assert "20 records of 10 connections" in run("summary", DUMP).stdout


def test_validate_accepts_what_is_whole_and_says_what_is_not(tmp_path: Path) -> None:
    bad = tmp_path / "bad.ss"
    bad.write_bytes(DUMP.read_bytes() + b"garbage\n# instance loop at 1\nESTAB 0 0 1.1.1.1:1 1.1.1.2:2 cubic cwnd:1\n")

    good, found = run("validate", DUMP), run("validate", bad, "--json")

    assert (good.return_value, "20 records, 0 unreadable" in good.stdout) == (0, True)
    (file,) = json.loads(found.stdout)["files"]
    assert (found.return_value, file["unreadable"], file["records"]) == (2, 1, 21)
    assert file["first_unreadable"][0]["place"] == f"{bad}:24"
    assert file["oddities"] == {"the clock of an instance ran backwards": 1}


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("convert", DUMP, "x.txt"), "does not say in which format to write"),
        (("convert", "--follow", DUMP, DUMP, "x.jsonl"), "--follow reads one file"),
        (("convert", "--json", DUMP, "-"), "name a file"),
        (("show", "--follow", "--json", DUMP), "one JSON document"),
        (("show", "--at", "noon", DUMP), "--at: 'noon' is no time"),
        (("show", "--format", "tea", DUMP), "'tea' is no format"),
        (("show", "/nowhere"), "/nowhere: cannot be read: No such file"),
    ],
)
def test_a_wrong_request_is_answered_in_one_line(words: tuple[str | Path, ...], why: str) -> None:
    done = run(*words)

    assert isinstance(done.exception, InputError)
    assert why in str(done.exception)


def test_attached_pairs_are_told_with_their_ways(tmp_path: Path) -> None:
    plan = tmp_path / "map.yaml"
    links = "".join(f"  {a}-{b}: {{ends: [{a}, {b}], delay: 1 ms}}\n" for a, b in ("wr", "rs", "rt", "su", "tu", "ud"))
    plan.write_text(
        "shadowlab: map/1\nname: diamond\nrouting: {ecmp: true}\nnodes:\n"
        "  w: {kind: host, address: 192.0.2.1}\n  d: {kind: host, address: 192.0.2.2}\n"
        + "".join(f"  {name}: {{kind: router}}\n" for name in "rstu")
        + f"links:\n{links}"
    )
    line = "ESTAB 0 0 192.0.2.1:4000 {}:80 cubic rtt:5/1 bytes_acked:9\n"
    dump = "# instance w at 5\n" + line.format("192.0.2.2") + line.format("198.51.100.1")

    told = run("attach", "-", plan, "--json", stdin=dump.encode())
    shown = run("attach", "-", plan, stdin=dump.encode())

    document = json.loads(told.stdout)
    (pair,) = document["pairs"]
    assert (document["attached"], document["left_out"]) == (1, {"the peer's address belongs to no node of the map": 1})
    assert (pair["source"], pair["target"], pair["there"]["count"], pair["back"]["count"]) == ("w", "d", 2, 2)
    assert pair["there"]["crossings"]["s>u"] == 0.5
    assert "    0.5: w r s u d" in shown.stdout
