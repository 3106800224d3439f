"""``small_disk.py BYTES DISK FILE PROGRAM WORDS``: in a mount namespace of its own, run a program on a small disk.

DISK is an empty folder; a file system of BYTES is mounted there.  FILE gets, as JSON, how the program ended and what it
left on the disk.
"""

import json
import subprocess
import sys
from pathlib import Path

if __name__ == "__main__":
    size, disk, file, *program = sys.argv[1:]
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", disk], check=True)
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    left = sorted(str(path) for path in Path(disk).rglob("*"))
    outcome = {"code": done.returncode, "stdout": done.stdout, "stderr": done.stderr, "left": left}
    Path(file).write_text(json.dumps(outcome))
