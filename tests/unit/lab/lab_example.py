"""The small scenario of the stories, resolved, with whatever a test wants to be different."""

from __future__ import annotations

import shutil
from pathlib import Path

from shadowlab.detect.registry import DETECTORS
from shadowlab.lab.prepare import Prepared, prepare
from shadowlab.lab.scenario import Scenario, load_scenario

SMALL = Path(__file__).parents[2] / "stories" / "small"
S = 10**9
MS = 10**6
EVENTS = "  - {at: 25 s, degrade: north-south, loss: 10 %, reason: a connector is dirty}\n"


def scenario(folder: Path, *edits: tuple[str, str], events: tuple[str, ...] | None = None) -> Scenario:
    """The scenario, read from a copy in ``folder``; ``edits`` replace text that stands there once."""
    for name in ("incident.yaml", "map.yaml", "before.ss"):
        if not (folder / name).exists():
            shutil.copy(SMALL / name, folder)
    path = folder / "incident.yaml"
    text = path.read_text()
    if events is not None:
        edits = (*edits, (EVENTS, "".join(f"  - {{{one}}}\n" for one in events)))
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path.write_text(text)
    return load_scenario(path, known_detectors=frozenset(DETECTORS))


def prepared(folder: Path, *edits: tuple[str, str], events: tuple[str, ...] | None = None) -> Prepared:
    """The same, ready to run."""
    return prepare(scenario(folder, *edits, events=events))
