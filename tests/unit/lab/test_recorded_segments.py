"""What a receiver stored, asked in the same words as a run."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from shadowlab.cli.commands import shadowlab
from shadowlab.cli.interrupt import Interrupt
from shadowlab.errors import InputError
from shadowlab.lab.recorded.asking import open_asked
from shadowlab.lab.recorded.segments import Segments
from shadowlab.model.telemetry import TcpRecord
from shadowlab.replicate.receiving.instance_store import InstanceStore
from shadowlab.store.window import Window

S = 1_000_000_000
ZERO = 1_795_336_000 * S
STREAM = "00000000000000ab"


class QuietInterrupt(Interrupt):
    def nothing_to_lose(self, state: str = "") -> None: ...


def record(second: int, instance: str = "web", *, port: int = 5001, srtt_ms: int | None = None) -> TcpRecord:
    return TcpRecord(
        at_ns=ZERO + second * S,
        instance=instance,
        local_address="192.0.2.1",
        local_port=port,
        peer_address="192.0.2.9",
        peer_port=80,
        srtt_ns=None if srtt_ms is None else srtt_ms * 1_000_000,
        bytes_acked=1_000 * second,
    )


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """Two instances; the first sampled every second of ten, without its round trip in the fourth."""
    for name in ("web", "db"):
        store = InstanceStore(tmp_path / name, segment_bytes=600)
        for number, second in enumerate(range(0, 10, 2), start=1):
            batch = [record(at, name, srtt_ms=None if at == 3 else 10 + at) for at in (second, second + 1)]
            store.store(STREAM, number, 1, batch)
        store.close()
    return tmp_path


def asked(*words: object) -> Result:
    return CliRunner().invoke(shadowlab, [str(word) for word in words], obj=QuietInterrupt())


def test_the_fields_of_records_are_its_indicators(stored: Path) -> None:
    segments = open_asked(stored)

    assert isinstance(segments, Segments)
    assert [(one.name, one.unit) for one in segments.listed()] == [("srtt_ns", "ns"), ("bytes_acked", "bytes")]
    assert segments.subjects("connection") == ("db:5001→192.0.2.9:80", "web:5001→192.0.2.9:80")
    assert (segments.zero_ns, segments.known_until_ns()) == (ZERO, 9 * S)


def test_a_window_is_summed_up_over_several_segments(stored: Path) -> None:
    assert len(list((stored / "web").glob("*.jsonl"))) > 1

    found = open_asked(stored).ask(("srtt_ns",), ("web:*",), Window(from_ns=2 * S, to_ns=5 * S, every_ns=S))

    (table,) = found.values()
    assert table.times_ns.tolist() == [3 * S, 4 * S, 5 * S]
    assert [None if math.isnan(one) else one / 1e6 for one in table.values["srtt_ns"][:, 0]] == [None, 14, 15]


def test_one_instances_folder_can_be_asked_alone(stored: Path) -> None:
    result = asked("query", stored / "db", "srtt_ns", "--every", "10s", "--aggregate", "max", "--csv")

    assert list(csv.DictReader(result.output.splitlines())) == [
        {"time_s": "9", "subject": "db:5001→192.0.2.9:80", "srtt_ns": "19000000"}
    ]


def test_raw_records_have_the_fields_that_are_known(stored: Path) -> None:
    result = asked("query", stored, "--raw", "telemetry", "--subject", "web:*", "--from", "3", "--to", "4", "--json")

    (row,) = json.loads(result.output)["rows"]
    assert (row["instance"], row["at_ns"], row["bytes_acked"]) == ("web", ZERO + 3 * S, 3_000)
    assert "srtt_ns" not in row


def test_prometheus_text_has_the_time_of_the_records(stored: Path) -> None:
    result = asked("query", stored, "srtt_ns", "--subject", "db:*", "--every", "9s", "--prometheus")

    line = 'shadowlab_connection_srtt_seconds{connection="db:5001→192.0.2.9:80"}'
    assert result.output.splitlines()[-1].startswith(line)
    assert result.output.splitlines()[-1].endswith(f" {(ZERO + 9 * S) // 1_000_000}")


def test_a_batch_that_is_being_stored_is_left_out(stored: Path) -> None:
    newest = sorted((stored / "web").glob("*.jsonl"))[-1]
    with newest.open("a") as file:
        file.write('{"at_ns": 99, "instance": "web", "local_addr')

    assert open_asked(stored).known_until_ns() == 9 * S


def test_without_a_step_or_with_nothing_stored_the_reason_is_told(stored: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"sum them up in steps with --every, or take them as they are with --raw"):
        open_asked(stored).ask(("srtt_ns",), (), Window())
    with pytest.raises(InputError, match=r"has no indicator 'srtt'; did you mean srtt_ns\?"):
        open_asked(stored).ask(("srtt",), (), Window(every_ns=S))
    empty = InstanceStore(tmp_path / "new" / "web")
    empty.judge(STREAM, 1, 1)
    empty.close()
    with pytest.raises(InputError, match="holds no readable record yet"):
        open_asked(tmp_path / "new").listed()
