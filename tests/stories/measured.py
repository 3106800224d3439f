"""``measured.py FILE PROGRAM WORDS``: run a program and write the most memory it held, in kB, into FILE.

A process of its own, because the kernel counts for a child what its parent held when it forked, and pytest is large.
"""

import resource
import subprocess
import sys
from pathlib import Path

if __name__ == "__main__":
    code = subprocess.call(sys.argv[2:])
    Path(sys.argv[1]).write_text(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
    sys.exit(code)
