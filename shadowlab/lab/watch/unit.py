"""The systemd unit of a watch, which the package carries; printed by ``python -m shadowlab.lab.watch.unit``.

In: the path of the program.  Out: the unit's text.

The embedded kernel is an ordinary program that traces its own children and maps memory it executes: so neither
``MemoryDenyWriteExecute`` nor a filter that forbids ptrace goes with it, and it confines itself (Landlock).
"""

from __future__ import annotations

import sys
from importlib.resources import files
from pathlib import Path

UNIT = "shadowlab-watch.service"


def unit_text(program: Path) -> str:
    """With ``program`` as what is started."""
    text = files("shadowlab.lab.watch").joinpath(UNIT).read_text(encoding="utf-8")
    return text.replace("@SHADOWLAB@", str(program))


def main() -> None:
    """The unit for this installation, to stdout."""
    sys.stdout.write(unit_text(Path(sys.executable).with_name("shadowlab")))


if __name__ == "__main__":
    main()
