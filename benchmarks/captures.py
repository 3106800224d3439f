"""Packet captures: our reader against tshark with the same fields, speed and agreement, in the same run.

The captures are made here: bulk transfers through the embedded kernel's netem, with loss, with reordering, with both,
recorded at the sender.  Each of the two programs is a process of its own, start included; they take turns.
``--packets N`` (1 000 000) is the size of each capture, about; ``--runs N`` (3); ``--only loss`` makes one of them.
"""

from __future__ import annotations

import json
import pickle
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import report, tshark
from shadowlab.guest.boot import run_in_guest
from shadowlab.guest.cache import need_kernel
from shadowlab.model.impairment import Impairment
from shadowlab.model.loss import Reorder

PACKETS = 1_000_000
RUNS = 3
TIMES_AS_FAST = 10
DIFFERENCE = 0.01
COMPARED = ("retransmission", "fast_retransmission", "out_of_order", "zero_window")
_MS, _S = 10**6, 10**9
_DELAY_NS = 10 * _MS
_KINDS = {
    "loss": Impairment(delay_ns=_DELAY_NS, loss=0.005, rate_bps=200_000_000, queue_packets=500),
    "reorder": Impairment(delay_ns=_DELAY_NS, reorder=Reorder(share=0.01)),
    "both": Impairment(delay_ns=_DELAY_NS, loss=0.003, reorder=Reorder(share=0.01)),
}
_OCTETS_OF_A_PACKET = 1000
"""Roughly: two full segments have one acknowledgement."""
_TRANSFERS = 40


def make(kind: str, packets: int, folder: Path) -> Path:
    """Record about so many packets; the capture."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "guest"))
    from capture_inside import Recording, Transfer

    octets = packets * _OCTETS_OF_A_PACKET // _TRANSFERS
    transfers = tuple(
        Transfer(
            start_ns=number * 50 * _MS,
            octets=octets,
            ipv6=number % 4 == 1,
            stall_ns=_S if number % 10 == 9 else 0,
            ends="reset" if number % 7 == 6 else "fin",
        )
        for number in range(_TRANSFERS)
    )
    duration_ns = 20 * _S + packets * 200_000
    recording = Recording(
        there=_KINDS[kind],
        back=Impairment(delay_ns=_DELAY_NS),
        transfers=transfers,
        duration_ns=duration_ns,
        snap_bytes=128,
    )
    run_in_guest(
        kernel=need_kernel("virtual"),
        entry="capture_inside:record",
        job=pickle.dumps(recording),
        folder=folder,
        clock="virtual",
        seed=1,
        virtual_deadline_ns=duration_ns + 20 * _S,
        wall_deadline_s=1800,
        memory_bytes=768 << 20,
    )
    (folder / "b.pcapng").unlink()
    return folder / "a.pcapng"


def analyse(capture: str) -> None:
    """Our reading, in a process of its own: prints what tshark is asked for too."""
    import numpy as np

    from shadowlab.telemetry.capture.analysis import Analysis
    from shadowlab.telemetry.capture.packets.account import Account
    from shadowlab.telemetry.capture.packets.frames import Column
    from shadowlab.telemetry.capture.records import records_of
    from shadowlab.telemetry.capture.verdicts import Verdict

    counts = dict.fromkeys(tshark.FLAGS, 0)
    round_trips = []
    masks = {name: Verdict[name.upper()] for name in tshark.FLAGS}
    masks["retransmission"] |= Verdict.FAST_RETRANSMISSION | Verdict.SPURIOUS_RETRANSMISSION

    def note(_numbers: Column, bits: Column, took_ns: Column) -> None:
        unusual = bits[bits != 0]
        for name, mask in masks.items():
            counts[name] += int(np.count_nonzero(unusual & mask))
        round_trips.append(took_ns)

    account = Account(name=capture)
    with open(capture, "rb") as file:
        told = Analysis(account, on_piece=note).read(iter(lambda: file.read(1 << 18), b""))
        records = sum(1 for one in told for _ in records_of(one, capture))
    every = np.concatenate(round_trips)
    said = {
        "packets": account.frames,
        "records": records,
        "counts": counts,
        "round_trip_s": float(np.median(every)) / 1e9,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    print(json.dumps(said))


def ours(capture: Path) -> tuple[dict[str, object], float, float]:
    """What our process said, how long it took, how much processor time."""
    began, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    argv = [sys.executable, "-m", "benchmarks.captures", "--analyse", str(capture)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    took_s = time.perf_counter() - began
    said: dict[str, object] = json.loads(done.stdout)
    return said, took_s, after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime


def compare(kind: str, packets: int, runs: int) -> None:
    """One capture, made, read by both in turns, and two lines about it."""
    import statistics

    with tempfile.TemporaryDirectory() as folder:
        capture = make(kind, packets, Path(folder))
        our_runs, their_runs = [], []
        for _ in range(runs):
            our_runs.append(ours(capture))
            their_runs.append(tshark.analyse(capture))
        said, theirs = our_runs[0][0], their_runs[0]
        number = theirs.packets
        report(
            benchmark=f"captures: {kind}, packets per second of processor time",
            unit="packets/s",
            values=[number / cpu for _, _, cpu in our_runs],
            target=TIMES_AS_FAST * statistics.median(number / one.cpu_s for one in their_runs),
            packets=number,
            wall_packets_s=round(statistics.median(number / took for _, took, _ in our_runs)),
            tshark_packets_s=round(statistics.median(number / one.cpu_s for one in their_runs)),
            tshark_wall_packets_s=round(statistics.median(number / one.took_s for one in their_runs)),
            times_as_fast=round(
                statistics.median(one.cpu_s for one in their_runs) / statistics.median(cpu for _, _, cpu in our_runs), 1
            ),
            memory_mb=said["memory_mb"],
            peer=theirs.version,
        )
        counts = said["counts"]
        assert isinstance(counts, dict)
        median_s = statistics.median(theirs.round_trips_s)
        pairs = {name: (counts[name], len(theirs.frames[name])) for name in tshark.FLAGS}
        differences = [abs(own - their) / max(their, 1) for own, their in (pairs[name] for name in COMPARED)]
        assert isinstance(said["round_trip_s"], float)
        differences.append(abs(said["round_trip_s"] - median_s) / median_s)
        report(
            benchmark=f"captures: {kind}, largest difference from tshark",
            unit="share",
            values=[max(differences)],
            target=DIFFERENCE,
            packets=number,
            ours_and_tshark=pairs,
            round_trip_ms=[round(said["round_trip_s"] * 1e3, 6), round(median_s * 1e3, 6)],
        )


def main() -> None:
    words = sys.argv[1:]
    if words[:1] == ["--analyse"]:
        analyse(words[1])
        return
    if shutil.which("tshark") is None:
        print("captures: the comparison needs tshark (as root: apt-get install tshark)", file=sys.stderr)
        sys.exit(3)
    packets = int(words[words.index("--packets") + 1]) if "--packets" in words else PACKETS
    runs = int(words[words.index("--runs") + 1]) if "--runs" in words else RUNS
    only = words[words.index("--only") + 1] if "--only" in words else ""
    for kind in _KINDS:
        if only in ("", kind):
            compare(kind, packets, runs)


if __name__ == "__main__":
    main()
