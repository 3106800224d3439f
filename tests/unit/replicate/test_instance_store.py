"""An instance's folder after whatever ended the process: all that was acknowledged, once, and nothing half."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from replicate_pieces import STREAM, line
from test_spool import disk_of

from shadowlab.model.telemetry import TcpRecord
from shadowlab.replicate.batch import Head, decode_batch, encode_batch
from shadowlab.replicate.receiving.instance_store import JOURNAL, InstanceStore
from shadowlab.telemetry.reading import open_telemetry


def records(*numbers: int) -> list[TcpRecord]:
    lines = [line(one) for one in numbers]
    return decode_batch(encode_batch(Head(instance="web", stream=STREAM, sequence=1, records=len(lines)), lines))[1]


def stored(folder: Path) -> list[int | None]:
    """What a reader of telemetry finds."""
    with open_telemetry(folder) as reading:
        found = [one.bytes_acked for one in reading.records]
    assert reading.tally.unreadable == 0
    return found


def put(store: InstanceStore, sequence: int) -> str:
    judgement = store.judge(STREAM, sequence, 1)
    if judgement == "new":
        store.store(STREAM, sequence, 1, records(2 * sequence, 2 * sequence + 1))
    return judgement


def test_batches_are_stored_once_in_the_order_they_came(tmp_path: Path) -> None:
    store = InstanceStore(tmp_path / "web")

    judgements = [put(store, one) for one in (1, 3, 2, 3, 1)]

    assert judgements == ["new", "new", "new", "known", "known"]
    assert stored(tmp_path) == [2, 3, 6, 7, 4, 5]


def test_segments_are_cut_between_batches(tmp_path: Path) -> None:
    store = InstanceStore(tmp_path / "web", segment_bytes=1000)

    for sequence in range(1, 21):
        put(store, sequence)

    segments = sorted((tmp_path / "web").glob("*.jsonl"))
    assert len(segments) > 3
    assert all(one.stat().st_size <= 1000 for one in segments)
    assert stored(tmp_path) == list(range(2, 42))


def test_a_process_that_died_anywhere_in_a_batch_leaves_the_ones_before(tmp_path: Path) -> None:
    """The order of writing is data, then journal: every state that a kill can leave is a prefix of that."""
    folder = tmp_path / "whole" / "web"
    store = InstanceStore(folder)
    put(store, 1)
    before = {name: (folder / name).stat().st_size for name in ("000001.jsonl", JOURNAL)}
    put(store, 2)
    store.close()
    data, journal = ((folder / name).read_bytes() for name in before)
    states = [(cut, before[JOURNAL]) for cut in range(before["000001.jsonl"], len(data) + 1, 5)]
    states += [(len(data), cut) for cut in range(before[JOURNAL], len(journal))]

    for number, (data_end, journal_end) in enumerate(states):
        there = tmp_path / str(number) / "web"
        there.mkdir(parents=True)
        (there / "000001.jsonl").write_bytes(data[:data_end])
        (there / JOURNAL).write_bytes(journal[:journal_end])
        again = InstanceStore(there)

        assert put(again, 1) == "known"
        assert put(again, 2) == "new"
        again.close()
        assert stored(there.parent) == [2, 3, 4, 5]
        shutil.rmtree(there.parent)


@pytest.mark.parametrize("room", range(0, 700, 50))
def test_a_full_disk_refuses_whole_batches(tmp_path: Path, room: int) -> None:
    store, acknowledged = InstanceStore(tmp_path / "web"), []

    with disk_of(room):
        for sequence in range(1, 6):
            try:
                put(store, sequence)
                acknowledged.append(sequence)
            except OSError:
                continue
    before = [one for sequence in acknowledged for one in (2 * sequence, 2 * sequence + 1)]
    store.close()
    again = InstanceStore(tmp_path / "web")
    for sequence in range(1, 6):
        put(again, sequence)

    found = stored(tmp_path)
    assert found[: len(before)] == before
    assert sorted(found) == list(range(2, 12))  # type: ignore[type-var]


def test_the_journal_is_shortened_and_forgets_nothing(tmp_path: Path) -> None:
    store = InstanceStore(tmp_path / "web")
    put(store, 1)
    store.close()
    journal = tmp_path / "web" / JOURNAL
    journal.write_bytes(journal.read_bytes() * 30_000)

    again = InstanceStore(tmp_path / "web")

    assert put(again, 1) == "known"
    assert put(again, 2) == "new"
    assert journal.stat().st_size < 1000
    assert stored(tmp_path) == [2, 3, 4, 5]


def test_a_segment_that_somebody_cut_is_left_as_it_is(tmp_path: Path) -> None:
    store = InstanceStore(tmp_path / "web")
    put(store, 1)
    store.close()
    (tmp_path / "web" / "000001.jsonl").write_bytes(b"")

    again = InstanceStore(tmp_path / "web")
    put(again, 2)

    assert stored(tmp_path) == [4, 5]
