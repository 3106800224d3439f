"""What the tests of rights start in a private segment: says what it holds, and what of the machine it still reaches."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

from shadowlab.kernel.linux import LinuxSegment


def tell(_job_path: str, folder: str) -> int:
    lines = (line.partition(":\t") for line in Path("/proc/self/status").read_text().splitlines())
    status = {key: value for key, _, value in lines if key in ("CapEff", "CapPrm", "CapBnd", "NoNewPrivs")}
    with LinuxSegment() as segment:
        segment.create_namespace("a")
        script = "cat /proc/self/status; ip link set lo up && echo lo is up; nsenter --net=/proc/$PPID/ns/net true"
        outcome = segment.run_script("a", ["/bin/sh"], {}, 10 * 10**9, script)
    told = {
        "status": status,
        "interfaces": [name for _, name in socket.if_nameindex()],
        "users": os.readlink("/proc/self/ns/user"),
        "script": outcome.output,
        "script_code": outcome.exit_code,
    }
    Path(folder, "told").write_text(json.dumps(told))
    return 0
