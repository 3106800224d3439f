"""What a watch left, read by others while it runs or after.

In: a state folder.  Out: incidents, oldest first.  Never: a write.
"""

from __future__ import annotations

import json
from pathlib import Path

from shadowlab.errors import Fault, InputError
from shadowlab.lab.watch.folder import INCIDENT_FORMAT, INCIDENTS, STATE
from shadowlab.model.plain import from_plain, without_format
from shadowlab.model.watch.incident import Incident
from shadowlab.model.watch.state import WatchState


def recall_state(folder: Path) -> WatchState:
    """Raises InputError for a folder that no watch made."""
    try:
        return WatchState.from_json((folder / STATE).read_text(encoding="utf-8"))
    except OSError as error:
        message = f"is no state folder of a watch: {STATE} cannot be read: {error.strerror}"
        raise InputError(Fault(place=str(folder), message=message)) from error
    except ValueError as error:
        raise InputError(Fault(place=str(folder / STATE), message=str(error))) from error


def recall_incidents(folder: Path) -> tuple[Incident, ...]:
    """Those that are open, as the state has them, and those that are kept.  Raises InputError."""
    found = {one.id: one for one in recall_state(folder).open_incidents}
    for path in sorted((folder / INCIDENTS).glob("*.json")):
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            one: Incident = from_plain(Incident, without_format(document, INCIDENT_FORMAT))
        except FileNotFoundError:  # retention was faster
            continue
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(Fault(place=str(path), message=f"cannot be read as an incident: {error}")) from error
        found.setdefault(one.id, one)
    return tuple(sorted(found.values(), key=lambda one: (one.opened_ns, one.opened_cycle, one.id)))
