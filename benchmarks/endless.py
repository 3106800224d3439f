"""A file of any size from a pipe: how fast ``shadowlab telemetry summary`` reads it, and whether its memory stays put.

Sockets of a million different peers, dump after dump, are written into the program's standard input: as text of ``ss``
and as our JSON lines.  Nothing is written to disk.  ``--gigabytes=10`` is what the documents quote; without it half a
gigabyte of each, which is past every bound that the program has.  Only the standard library is imported here, so that
the peak that Linux counts for the child is not this process's (a child begins with its parent's pages).
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import report

PEERS = 1_000_000
LINES_IN_BLOCK = 1000
START_S = 1_795_338_000
_SS = (
    b"ESTAB 0      1456   192.0.2.10:%d 10.%d.%d.%d:5001  skmem:(r0,rb131072,t0,tb16777216,f976,w3120,o0,bl0,d0) cubic "
    b"wscale:7,7 rto:250 rtt:47.%d/1.024 mss:1448 pmtu:1500 rcvmss:536 advmss:1448 cwnd:10 bytes_sent:%d "
    b"bytes_acked:%d segs_out:2261 segs_in:1139 data_segs_out:2259 send 2423177bps lastsnd:10 lastrcv:56460 lastack:10 "
    b"pacing_rate 4846272bps delivery_rate 586576bps delivered:2258 app_limited busy:47720ms unacked:2 "
    b"rcv_space:14480 rcv_ssthresh:64088 minrtt:38.971 snd_wnd:6291456\n"
)
_JSON = (
    b'{"at_ns":%d,"instance":"web","local_address":"192.0.2.10","local_port":%d,"peer_address":"10.%d.%d.%d",'
    b'"peer_port":5001,"source":"ss","congestion_control":"cubic","mss":1448,"pmtu":1500,"cwnd_segments":10,'
    b'"srtt_ns":47%d000,"rttvar_ns":1024000,"min_rtt_ns":38971000,"rto_ns":250000000,"bytes_sent":%d,"bytes_acked":%d,'
    b'"segments_out":2261,"segments_in":1139,"data_segments_out":2259,"delivered_segments":2258,'
    b'"delivery_rate_bps":586576,"pacing_rate_bps":4846272,"app_limited":true,"busy_ns":47720000000}\n'
)


def ss_text() -> Iterator[bytes]:
    """Without end: dumps a second apart, of a socket to each peer."""
    number = 0
    while True:
        dump, first = divmod(number, PEERS)
        head = b"# instance web at %d\n" % (START_S + dump) if not first else b""
        yield head + b"".join(
            _SS
            % (20_000 + one % 40_000, one >> 16, one >> 8 & 255, one & 255, one % 1000, dump * 1456 + 9, dump * 1456)
            for one in range(first, first + LINES_IN_BLOCK)
        )
        number += LINES_IN_BLOCK


def json_lines() -> Iterator[bytes]:
    """Without end: the same as our own JSON lines."""
    yield b'{"shadowlab": "telemetry/1"}\n'
    number = 0
    while True:
        dump, first = divmod(number, PEERS)
        at_ns = (START_S + dump) * 10**9
        yield b"".join(
            _JSON
            % (at_ns, 20_000 + one % 40_000, one >> 16, one >> 8 & 255, one & 255, 100 + one % 900, dump * 9, dump * 9)
            for one in range(first, first + LINES_IN_BLOCK)
        )
        number += LINES_IN_BLOCK


def measure(what: str, blocks: Callable[[], Iterator[bytes]], size: int) -> None:
    """Write ``size`` bytes into the program; print the rate and how its memory went."""
    command = [str(Path(sys.executable).with_name("shadowlab")), "telemetry", "summary", "-", "--json"]
    began, written, peaks = time.monotonic(), 0, list[float]()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None and child.stdout is not None  # pipes were asked for
        for block in blocks():
            child.stdin.write(block)
            written += len(block)
            if written > size * (len(peaks) + 1) // 10:
                peaks.append(round(_peak_bytes(child.pid) / 1e6, 1))
            if written >= size:
                break
        child.stdin.close()
        document = child.stdout.read()
        took = time.monotonic() - began
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{' '.join(command)}: exit code {child.returncode}")
    import json

    found = json.loads(document)
    report(
        benchmark=f"telemetry: {what} through a pipe",
        unit="MB/s",
        values=[written / took / 1e6],
        gigabytes=round(written / 1e9, 2),
        records=found["records"],
        unreadable=found["sources"][0]["unreadable"],
        peers=found["peers"],
        child_cpu_s=round(usage.ru_utime + usage.ru_stime, 1),
        peak_memory_mb=round(usage.ru_maxrss * 1024 / 1e6, 1),
        peak_after_each_tenth_mb=peaks,
        own_peak_mb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6, 1),
    )


def _peak_bytes(pid: int) -> int:
    """The most that a living process ever held."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def main() -> None:
    """Print a line for each format."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--gigabytes", type=float, default=0.5)
    parser.add_argument("--of", choices=("ss", "jsonl"))
    asked = parser.parse_known_args()[0]
    size = round(asked.gigabytes * 1e9)
    if asked.of != "jsonl":
        measure("ss -tinOHm text", ss_text, size)
    if asked.of != "ss":
        measure("our JSON lines", json_lines, size)


if __name__ == "__main__":
    main()
