"""What a receiver removes: whole, old, closed segments, never the newest, nothing that is not its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_instance_store import put, stored

from shadowlab.errors import InputError
from shadowlab.replicate.receiving.instance_store import InstanceStore
from shadowlab.replicate.receiving.retention import DAY_NS, Keep, Segment, beyond, keep_of, remove_old

NOW_NS = 100 * DAY_NS


def segment(days_old: int, size: int = 10) -> Segment:
    return Segment(changed_ns=NOW_NS - days_old * DAY_NS, path=Path(f"/x/{days_old}"), size_bytes=size)


def ages(found: tuple[Segment, ...]) -> list[int]:
    return [(NOW_NS - one.changed_ns) // DAY_NS for one in found]


def filled(folder: Path, days_old: int = 9) -> InstanceStore:
    """A store with several segments, all but the newest of which are so old."""
    store = InstanceStore(folder, segment_bytes=1000)
    for sequence in range(1, 21):
        put(store, sequence)
    for one in sorted(folder.glob("*.jsonl")):
        os.utime(one, ns=(NOW_NS - days_old * DAY_NS,) * 2)
    return store


def test_days_and_bytes_are_told_apart() -> None:
    assert keep_of(["30d", "2 GB"]) == Keep(age_ns=30 * DAY_NS, size_bytes=2 * 10**9)
    assert keep_of(["1.5 days"]) == Keep(age_ns=36 * 3600 * 10**9)
    assert keep_of([]) is None
    for wrong in ("soon", "0d", "0 B", "-1 GB", "5"):
        with pytest.raises(InputError, match="--keep"):
            keep_of([wrong])


def test_what_is_older_goes_and_so_does_the_oldest_above_the_size() -> None:
    some = [segment(1), segment(5), segment(3), segment(2)]

    assert ages(beyond(some, Keep(age_ns=2 * DAY_NS), now_ns=NOW_NS, newest_bytes=10)) == [5, 3]
    assert ages(beyond(some, Keep(size_bytes=35), now_ns=NOW_NS, newest_bytes=10)) == [5, 3]
    assert ages(beyond(some, Keep(size_bytes=5), now_ns=NOW_NS, newest_bytes=10)) == [5, 3, 2, 1]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 100))), st.integers(1, 500), st.integers(0, 100))
def test_no_segment_goes_that_need_not(some: list[tuple[int, int]], most: int, newest: int) -> None:
    closed = [segment(days, size) for days, size in some]

    gone = beyond(closed, Keep(size_bytes=most), now_ns=NOW_NS, newest_bytes=newest)

    left = newest + sum(one.size_bytes for one in closed) - sum(one.size_bytes for one in gone)
    assert left <= most or len(gone) == len(closed)
    assert not gone or left + gone[-1].size_bytes > most


def test_the_newest_segment_and_the_journal_stay_and_the_store_goes_on(tmp_path: Path) -> None:
    store = filled(tmp_path / "web")
    newest = max((tmp_path / "web").glob("*.jsonl"))
    said: list[str] = []

    removed = remove_old(tmp_path, Keep(age_ns=DAY_NS), now_ns=NOW_NS, say=said.append)

    assert removed == len(said) > 2 and said[0].startswith("old segment web/000001.jsonl removed: ")
    assert [one.name for one in (tmp_path / "web").glob("*.jsonl")] == [newest.name]
    assert [put(store, one) for one in (20, 21)] == ["known", "new"]
    store.close()
    assert [put(InstanceStore(tmp_path / "web", segment_bytes=1000), one) for one in (1, 21, 22)] == [
        "known",
        "known",
        "new",
    ]
    assert stored(tmp_path)[-2:] == [44, 45]


def test_what_is_not_the_receivers_own_is_left_alone(tmp_path: Path) -> None:
    filled(tmp_path / "elsewhere")
    mine = tmp_path / "replica"
    filled(mine / "web").close()
    (mine / "linked").symlink_to(tmp_path / "elsewhere")
    (mine / "notes").mkdir()
    for name in ("web/000000.txt", "notes/000001.jsonl", "notes/000002.jsonl", "000001.jsonl"):
        (mine / name).write_text("somebody's")
        os.utime(mine / name, ns=(0, 0))
    (mine / "web" / "000000.jsonl").symlink_to(tmp_path / "elsewhere" / "000001.jsonl")
    before = {one for one in tmp_path.rglob("*") if "replica/web/0" not in str(one)}

    remove_old(mine, Keep(age_ns=DAY_NS), now_ns=NOW_NS, say=lambda words: None)

    after = set(tmp_path.rglob("*"))
    assert before <= after
    assert (mine / "web" / "000000.txt").exists() and (mine / "web" / "000000.jsonl").is_symlink()


def test_a_folder_that_is_not_there_yet_is_no_error(tmp_path: Path) -> None:
    assert remove_old(tmp_path / "none", Keep(age_ns=1), now_ns=NOW_NS, say=lambda words: None) == 0
