"""tshark's own analysis of a capture, frame by frame: what ours is compared with."""

from __future__ import annotations

import resource
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from shadowlab.errors import CannotRunError

FLAGS = (
    *("retransmission", "fast_retransmission", "spurious_retransmission", "out_of_order", "lost_segment"),
    *("duplicate_ack", "zero_window", "window_full", "window_update", "keep_alive", "keep_alive_ack"),
    *("zero_window_probe", "zero_window_probe_ack"),
)
"""Of tshark's ``tcp.analysis.*``; its ``retransmission`` contains fast and spurious ones."""
FIELDS = (
    *("frame.time_epoch", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "tcp.srcport", "tcp.dstport", "tcp.seq_raw"),
    *("tcp.ack_raw", "tcp.flags", "tcp.len", "tcp.window_size", "tcp.options.mss_val", "tcp.options.sack.count"),
    *("tcp.analysis.ack_rtt", "tcp.analysis.initial_rtt"),
    *(f"tcp.analysis.{name}" for name in FLAGS),
)
"""What our reader extracts of every packet too."""


@dataclass(frozen=True, kw_only=True)
class Said:
    """``frames`` has the numbers of the frames with each flag, ``round_trips_s`` every ``ack_rtt``."""

    version: str
    took_s: float
    cpu_s: float
    packets: int
    frames: dict[str, list[int]]
    round_trips_s: list[float]


def analyse(capture: Path) -> Said:
    """Run tshark, without name resolution, over the whole capture.  Raises CannotRunError without tshark."""
    program = shutil.which("tshark")
    if program is None:
        raise CannotRunError("the comparison needs tshark: apt-get install tshark")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split("\n")[0]
    wanted = [word for field in FIELDS for word in ("-e", field)]
    frames: dict[str, list[int]] = {name: [] for name in FLAGS}
    round_trips: list[float] = []
    began, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    argv = [program, "-n", "-r", str(capture), "-T", "fields", "-E", "occurrence=f", *wanted]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as running:
        assert running.stdout is not None
        text = running.stdout.read()
    took_s, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    if running.returncode:
        raise CannotRunError(f"tshark ended with {running.returncode}")
    lines = text.decode().split("\n")[:-1]
    rtt, first = FIELDS.index("tcp.analysis.ack_rtt"), len(FIELDS) - len(FLAGS)
    for number, line in enumerate(lines, 1):
        cells = line.split("\t")
        if cells[rtt]:
            round_trips.append(float(cells[rtt]))
        for name, cell in zip(FLAGS, cells[first:], strict=True):
            if cell:
                frames[name].append(number)
    return Said(
        version=version,
        took_s=took_s,
        cpu_s=cpu_s,
        packets=len(lines),
        frames=frames,
        round_trips_s=round_trips,
    )
