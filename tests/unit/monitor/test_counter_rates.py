"""What every node's TCP counted, by the second, over a stretch of a run."""

from __future__ import annotations

from pathlib import Path

from shadowlab.monitor.raw_files import RawFiles
from shadowlab.monitor.tcp_means import counter_rates
from shadowlab.store.records import RECORDS

S = 1_000_000_000
COUNTERS = [one.name for one in RECORDS["tcp-counters"].columns[2:]]


def test_only_whole_records_within_the_stretch_count_and_what_a_kernel_lacks_is_absent(tmp_path: Path) -> None:
    with RawFiles(str(tmp_path), {"node": ["db", "web"]}) as files:
        for at_s in (5, 10, 15, 20):
            for node in (0, 1):
                row = [at_s * (node + 1) if name == "out_segs" else 0 for name in COUNTERS]
                row[COUNTERS.index("in_ce_pkts")] = -1
                files.rows("tcp-counters").append(at_s * S, node, *row)

    found = counter_rates(tmp_path, from_ns=4 * S, to_ns=15 * S)

    assert {node: rates["out_segs"] for node, rates in found.items()} == {"db": 2.5, "web": 5.0}
    assert "in_ce_pkts" not in found["db"]
    assert found["db"]["timeouts"] == 0
    assert counter_rates(tmp_path, from_ns=16 * S, to_ns=19 * S) == {}
