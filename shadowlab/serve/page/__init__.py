"""The web page: HTML, styles and ES modules, as they are served.

In: nothing.  Out: the folder to serve, and what it lacks.  Never: a line of a library: cytoscape and uPlot are fetched
by ``scripts/pack_page.py``, in the versions and with the checksums of ``libraries.json``, at set-up and by the build.
"""

from __future__ import annotations

import json
from pathlib import Path

FOLDER = Path(__file__).parent
"""Holds ``index.html``."""

INSTALL = "run scripts/setup on a machine with npm, or install the wheel, which has them inside"


def missing() -> tuple[str, ...]:
    """The files of the libraries, relative to :data:`FOLDER`, that are not there: without them there is no page."""
    wanted = [
        name for library in json.loads((FOLDER / "libraries.json").read_text()) for name in library["files"].values()
    ]
    return tuple(f"vendor/{name}" for name in sorted(wanted) if not (FOLDER / "vendor" / name).is_file())
