"""Record the captures that the tests compare with tshark: real TCP through loss and reordering in the embedded kernel.

Run it as ``.venv/bin/python scripts/record_captures.py`` where tshark is (Debian package ``tshark``); it writes
``tests/captures/telemetry/tcp-*.pcapng.gz`` and beside each the verdicts of tshark, frame by frame, as JSON.
"""

from __future__ import annotations

import gzip
import json
import pickle
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "guest")]

from capture_scenes import SCENES, SEED  # noqa: E402  (found through the line above)

from benchmarks.tshark import analyse  # noqa: E402
from shadowlab.guest.boot import run_in_guest  # noqa: E402
from shadowlab.guest.cache import need_kernel  # noqa: E402

FOLDER = ROOT / "tests" / "captures" / "telemetry"


def main() -> None:
    """Record and write."""
    for name, recording in SCENES.items():
        with tempfile.TemporaryDirectory() as folder:
            run_in_guest(
                kernel=need_kernel("virtual"),
                entry="capture_inside:record",
                job=pickle.dumps(recording),
                folder=Path(folder),
                clock="virtual",
                seed=SEED,
                virtual_deadline_ns=recording.duration_ns + 20 * 10**9,
                wall_deadline_s=120,
                memory_bytes=512 << 20,
            )
            for host in ("a", "b"):
                capture = Path(folder) / f"{host}.pcapng"
                target = FOLDER / f"tcp-{name}-{host}.pcapng.gz"
                target.write_bytes(gzip.compress(capture.read_bytes(), mtime=0))
                said = analyse(capture)
                summary = {"tshark": said.version, "round_trips_s": said.round_trips_s, "frames": said.frames}
                target.with_name(f"tcp-{name}-{host}.json").write_text(json.dumps(summary) + "\n")


if __name__ == "__main__":
    main()
