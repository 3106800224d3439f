"""Probes over the loopback of this machine, samples of made-up flows, and the files they go to."""

from __future__ import annotations

import itertools
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath

import pytest

from shadowlab.errors import ShadowLabError
from shadowlab.kernel.clock import now_ns
from shadowlab.kernel.loop import Loop
from shadowlab.kernel.ports import InterfaceCounters
from shadowlab.model.flow import Path
from shadowlab.monitor.layout import FLAG_CLOSED
from shadowlab.monitor.observe import Observer
from shadowlab.monitor.probe_choice import plain_streams
from shadowlab.monitor.probe_stream import REFLECTOR_PORT
from shadowlab.monitor.probes import Prober
from shadowlab.monitor.raw_files import FLUSH_EVERY_NS, RawFiles
from shadowlab.monitor.raw_records import read_probes, read_queues, read_tcp
from shadowlab.store.reader import BlockReader, read_records
from shadowlab.store.recorder import Rows
from shadowlab.store.records import RECORDS
from shadowlab.traffic.standing import ConnectionEnd

MS = 1_000_000
BASE = os.getpid()
ADDRESSES = {node: f"127.{BASE >> 8 & 127}.{BASE & 255}.{number}" for number, node in enumerate("abcn", start=1)}
AB, BA, AC = (Path(source=one, target=other) for one, other in ("ab", "ba", "ac"))


class Loopback:
    """A door whose every node is this machine; sends to the node ``n`` find no one."""

    def open_socket(self, node: str, family: int, kind: int, protocol: int = 0) -> socket.socket:
        return socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)

    def counters(self, node: str) -> Mapping[str, InterfaceCounters]:
        return {
            "eth": InterfaceCounters(
                tx_packets=1,
                tx_bytes=2,
                rx_packets=3,
                rx_bytes=4,
                queue_drops=5,
                queue_packets=6,
                queue_bytes=7,
                queue_sent_packets=8,
                queue_sent_bytes=9,
            )
        }


@dataclass
class MadeUp:
    """A flow that always looks the same."""

    tcp_info: bytes = b"\1" * 300
    attempt: int = 2
    idle: bool = False
    closed: bool = True
    failed: bool = False
    received_bytes: int = 11
    unsent_bytes: int = 12

    def sample(self) -> MadeUp:
        return self

    def take_ends(self) -> list[ConnectionEnd]:
        return [ConnectionEnd(now_ns(), 1, True, b"\2" * 100)]


def moments(prober: Prober, rounds: int) -> list[list[tuple[int, int]]]:
    return [prober._moments(number) for number in range(rounds)]


def prober_of(loop: Loop, paths: list[Path], *, seed: int = 1, timeout_ns: int = 2_000 * MS) -> Prober:
    return Prober(
        loop=loop,
        segment=Loopback(),
        streams=plain_streams(paths, [], {}),
        addresses=ADDRESSES,
        seed=seed,
        records=Rows(RECORDS["probes"]),
        probe_every_ns=20 * MS,
        timeout_ns=timeout_ns,
    )


def test_every_path_is_probed_once_a_period_and_no_two_probes_start_together() -> None:
    paths = [Path(source="a", target=f"t{number}") for number in range(10)]
    prober = prober_of(Loop(), paths)

    for number, made in enumerate(moments(prober, 20)):
        assert sorted(index for _, index in made) == list(range(10))
        assert all(number * 20 * MS <= when < (number + 1) * 20 * MS for when, _ in made)
        gaps = [later - earlier for (earlier, _), (later, _) in itertools.pairwise(made)]
        assert min(gaps) >= 1 * MS


def test_a_path_keeps_no_phase() -> None:
    paths = [Path(source="a", target=f"t{number}") for number in range(10)]

    slots = [
        when % (20 * MS) // (2 * MS) for made in moments(prober_of(Loop(), paths), 10) for when, i in made if i == 3
    ]

    assert sorted(slots) == list(range(10))


def test_the_seed_moves_the_probes() -> None:
    first, again, other = (moments(prober_of(Loop(), [AB, BA], seed=seed), 3) for seed in (1, 1, 2))

    assert first == again != other


def test_probes_come_back_with_their_round_trip_and_one_way_time(tmp_path: FilePath) -> None:
    with Loop(lazy_every_ns=10 * MS) as loop, RawFiles(str(tmp_path)) as files:
        prober = Prober(
            loop=loop,
            segment=Loopback(),
            streams=plain_streams([AB, BA, AC], [], {}),
            addresses=ADDRESSES,
            seed=1,
            records=files.rows("probes"),
            probe_every_ns=20 * MS,
        )
        with prober:
            start_ns = now_ns()
            prober.start(start_ns, 100 * MS)
            loop.run_until(start_ns + 140 * MS)

    probes = read_probes(tmp_path)
    assert len(probes) == 15
    assert sorted(set(probes["path"].tolist())) == [0, 1, 2]
    assert (probes["round_trip_ns"] > 0).all()
    assert (probes["round_trip_ns"] < 20 * MS).all()
    assert (probes["one_way_ns"] < probes["round_trip_ns"] + MS).all()
    assert (prober.refused, prober.strays) == (0, 0)


def test_a_probe_without_an_answer_is_lost_only_after_its_whole_time(tmp_path: FilePath) -> None:
    with Loop(lazy_every_ns=10 * MS) as loop, RawFiles(str(tmp_path)) as files:
        prober = Prober(
            loop=loop,
            segment=Loopback(),
            streams=plain_streams([AB], [], {}),
            addresses=ADDRESSES,
            seed=1,
            records=files.rows("probes"),
            probe_every_ns=20 * MS,
            timeout_ns=60 * MS,
        )
        with prober:
            reflector = next(one for key, one in prober._sockets._open.items() if key.port == REFLECTOR_PORT)
            loop.remove(reflector.fileno())
            loop.add(reflector.fileno(), 0, lambda events: True, name="deaf reflector")
            start_ns = now_ns()
            prober.start(start_ns, 200 * MS)
            loop.run_until(start_ns + 165 * MS)

    probes = read_probes(tmp_path)
    assert 4 <= len(probes) <= 6
    assert probes["sequence"].tolist() == list(range(len(probes)))
    assert (probes["round_trip_ns"] == -1).all()


def test_samples_are_taken_at_the_start_and_at_every_period(tmp_path: FilePath) -> None:
    with Loop() as loop, RawFiles(str(tmp_path)) as files:
        observer = Observer(
            loop=loop,
            segment=Loopback(),
            flows=[MadeUp(), MadeUp(tcp_info=b"", closed=False)],
            interfaces=[("a", "eth"), ("a", "missing")],
            files=files,
            sample_every_ns=10 * MS,
        )
        start_ns = now_ns()
        observer.start(start_ns, 30 * MS)
        loop.run_until(start_ns + 40 * MS)

    tcp, queues = read_tcp(tmp_path, 2), read_queues(tmp_path, 2)
    assert tcp.shape == queues.shape == (4, 2)
    assert (tcp["at_ns"] // (10 * MS) == [[0, 0], [1, 1], [2, 2], [3, 3]]).all()
    assert tcp["flow"][0].tolist() == [0, 1]
    assert (tcp["info_bytes"][0].tolist(), tcp["flags"][0].tolist()) == ([300, 0], [FLAG_CLOSED, 0])
    assert (tcp["attempt"][0, 0], tcp["received_bytes"][0, 0], tcp["unsent_bytes"][0, 0]) == (2, 11, 12)
    assert (queues["drops"][0].tolist(), queues["offered_packets"][0].tolist()) == ([5, 0], [19, 0])
    assert observer.missing_interfaces == 4
    ends = read_records(tmp_path / "tcp-ends.blocks")
    assert (len(ends), ends["failed"].tolist()[0], ends["attempt"].tolist()[0], len(ends.strings or ())) == (8, 1, 1, 8)


def test_traces_and_events_are_lines_with_sorted_keys(tmp_path: FilePath) -> None:
    with RawFiles(str(tmp_path)) as files:
        files.record_trace(5, "a→b", ("a", "r", "b"))
        files.record_event(7, "failure", "link a-r: down", {"ok": True})

    assert (tmp_path / "trace.jsonl").read_text() == '{"at_ns":5,"hops":["a","r","b"],"path":"a→b"}\n'
    assert json.loads((tmp_path / "events.jsonl").read_text())["outcome"] == {"ok": True}


def test_a_full_disk_is_told_with_the_folder() -> None:
    files = RawFiles("/dev")
    files._open = {"trace.jsonl": os.open("/dev/full", os.O_WRONLY)}
    files.record_trace(5, "a→b", ("a", "b"))

    with pytest.raises(ShadowLabError, match="no space left for the run folder /dev"):
        files.flush()
    files._close()


def test_nothing_waits_longer_than_its_time_to_be_written(tmp_path: FilePath) -> None:
    with RawFiles(str(tmp_path)) as files:
        files.rows("probes").append(0, 0, 0, 1, 1)
        files.flush_in_time(FLUSH_EVERY_NS - 1)
        early = len(read_probes(tmp_path))
        files.flush_in_time(FLUSH_EVERY_NS)
        late = len(read_probes(tmp_path))

    assert (early, late) == (0, 1)


def test_the_files_name_what_their_numbers_stand_for(tmp_path: FilePath) -> None:
    names = {"path": ["a→b"], "flow": ["f"], "interface": ["a>b"]}

    with RawFiles(str(tmp_path), names):
        pass

    for record, subject in (("probes", "path"), ("tcp", "flow"), ("queues", "interface")):
        with BlockReader(tmp_path / f"{record}.blocks") as reader:
            assert reader.names == {subject: tuple(names[subject])}


def test_a_missing_folder_is_told(tmp_path: FilePath) -> None:
    with pytest.raises(ShadowLabError, match=r"cannot write the raw records in .*missing: No such file"):
        RawFiles(str(tmp_path / "missing")).__enter__()
