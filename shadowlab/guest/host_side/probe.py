"""How a guest would be confined on this machine: found out by confining something harmless.

In: nothing.  Out: the `Confinement`, or why there is none.  Never: a boot, or anything left behind.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from shadowlab.errors import ShadowLabError
from shadowlab.guest.boot import import_path
from shadowlab.guest.cache import BuiltKernel, find_kernel
from shadowlab.guest.host_side.confinement import Confinement
from shadowlab.guest.host_side.starting import Start, started

_HARMLESS = "/bin/true"


def probe_confinement() -> Confinement | str:
    """As a run's guest would be; in words why it cannot be."""
    kernel = find_kernel("real") or BuiltKernel(
        key="none", version="0", folder=Path("/"), sha256="", virtual_clock=False, program=Path(_HARMLESS)
    )
    console_fd = os.memfd_create("shadowlab-console")
    try:
        with tempfile.TemporaryDirectory(prefix="shadowlab-") as folder:
            start = Start(
                kernel=kernel,
                arguments=[_HARMLESS],
                seed=0,
                memory_folder=Path(folder),
                cpu=min(os.sched_getaffinity(0)),
                folder=Path(folder),
                control=Path(folder),
                line_fd=None,
                import_path=import_path(),
                readable=(),
                reads_everything=False,
            )
            with started(start, console_fd=console_fd) as (_, confinement):
                return confinement
    except (ShadowLabError, OSError) as error:
        return str(error)
    finally:
        os.close(console_fd)
