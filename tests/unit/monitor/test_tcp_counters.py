"""The counters of a node's TCP: the kernel's text taken apart, and differences per interval on a fake clock."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from shadowlab.kernel.loop import Loop
from shadowlab.kernel.netns import open_network_file
from shadowlab.monitor.raw_files import RawFiles
from shadowlab.monitor.tcp_counters import COUNTERS, UNKNOWN, TcpCounters, parse_counters
from shadowlab.store.reader import read_records
from shadowlab.store.records import RECORDS

MS = 1_000_000
SNMP = b"Ip: Forwarding\nIp: 1\nTcp: ActiveOpens RetransSegs MaxConn\nTcp: 5 7 -1\nUdp: InErrors\nUdp: 3\n"
NETSTAT = b"TcpExt: ListenDrops TCPTimeouts\nTcpExt: 2 4\nIpExt: InOctets InCEPkts\nIpExt: 900 6\n"
PLACES = {name.decode(): place for place, (_, _, name) in enumerate(COUNTERS)}


class OneNode:
    """Files that a test writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open_network_file(self, node: str, name: str) -> int:
        return os.open(self.folder / name, os.O_RDONLY)


def test_counters_are_found_by_name_and_what_this_kernel_lacks_is_unknown() -> None:
    found = parse_counters(SNMP, NETSTAT)

    assert {name: found[place] for name, place in PLACES.items() if found[place] != UNKNOWN} == {
        "ActiveOpens": 5,
        "RetransSegs": 7,
        "ListenDrops": 2,
        "TCPTimeouts": 4,
        "InCEPkts": 6,
    }


def test_torn_or_empty_files_are_all_unknown() -> None:
    assert set(parse_counters(b"", b"Tcp: ActiveOpens\n")) == {UNKNOWN}


def test_every_counter_has_its_column_which_names_it() -> None:
    columns = RECORDS["tcp-counters"].columns[2:]

    assert all(f"({name.decode()})" in column.meaning for column, (_, _, name) in zip(columns, COUNTERS, strict=True))


def test_the_files_of_this_kernel_have_every_counter_and_are_read_afresh() -> None:
    snmp, netstat = (open_network_file(name) for name in ("snmp", "netstat"))
    try:
        before = parse_counters(os.pread(snmp, 1 << 16, 0), os.pread(netstat, 1 << 16, 0))
        with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()):
            after = parse_counters(os.pread(snmp, 1 << 16, 0), os.pread(netstat, 1 << 16, 0))
    finally:
        os.close(snmp)
        os.close(netstat)

    opens = PLACES["ActiveOpens"]
    assert after[opens] > before[opens]
    assert [name for name, place in PLACES.items() if after[place] == UNKNOWN] == []


def test_a_record_holds_what_was_counted_since_the_one_before(tmp_path: Path) -> None:
    def wrote(retransmitted: int) -> None:
        (tmp_path / "snmp").write_bytes(b"Tcp: RetransSegs\nTcp: %d\n" % retransmitted)

    (tmp_path / "netstat").write_bytes(NETSTAT)
    wrote(100)
    with RawFiles(str(tmp_path)) as files, Loop() as loop:
        rows = files.rows("tcp-counters")
        zero = loop.now_ns + 2 * MS
        with TcpCounters(
            loop=loop, door=OneNode(tmp_path), nodes=[(3, "web")], rows=rows, every_ns=20 * MS
        ) as counters:
            counters.start(zero, 50 * MS)
            for at, total in ((10, 107), (30, 107), (45, 109)):
                loop.at(zero + at * MS, lambda due, total=total: wrote(total))  # type: ignore[misc]
            loop.run_until(zero + 60 * MS)

    found = read_records(tmp_path / "tcp-counters.blocks")
    assert found["node"].tolist() == [3, 3, 3]
    assert found["retrans_segs"].tolist() == [7, 0, 2]
    assert found["listen_drops"].tolist() == [0, 0, 0]
    assert set(found["out_rsts"].tolist()) == {UNKNOWN}
