"""What the machine that brought a lab up over hosts remembers of it.

In: values.  Out: a file ``over-hosts/NAME.json`` in the state folder, written before anything is built.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from shadowlab.errors import CannotRunError, InputError
from shadowlab.lab.live.folder import LabFolder, labs_folder
from shadowlab.model.network import Network
from shadowlab.model.plain import from_plain, to_plain
from shadowlab.store.whole import write_whole


@dataclass(frozen=True, kw_only=True)
class Part:
    """A lab ``name`` on ``host``, carrying ``nodes`` of the map."""

    name: str
    host: str
    nodes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Record:
    """``cut``: the links between parts.  ``vni``: the first number of its tunnels; a link's place in the map is added.
    ``by``: who cut the map.  ``digest``: of the network."""

    name: str
    map: str
    hosts: str
    vni: int
    cut: tuple[str, ...]
    by: str
    digest: str
    parts: tuple[Part, ...]
    whole: bool = False

    @property
    def place(self) -> Mapping[str, Part]:
        """The part of each node."""
        return {node: part for part in self.parts for node in part.nodes}

    def save(self) -> Record:
        """On the disk when this returns.  Itself."""
        try:
            _folder().mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CannotRunError(f"{_folder()}: cannot be written: {error.strerror}") from error
        write_whole(_file(self.name), json.dumps(to_plain(self), sort_keys=True).encode() + b"\n")
        return self

    def done(self) -> Record:
        """Built whole."""
        return replace(self, whole=True).save()

    def forget(self) -> None:
        """Nothing of it is left."""
        with suppress(FileNotFoundError):
            _file(self.name).unlink()


def find_record(name: str | None) -> Record | None:
    """The lab of that name; without one the only one there is of any kind.  None: it is none over hosts."""
    names = sorted(one.stem for one in _folder().glob("*.json"))
    if name is None:
        here = labs_folder().is_dir() and any(one.is_dir() for one in labs_folder().iterdir())
        name = names[0] if len(names) == 1 and not here else None
    if name is None or name not in names:
        return None
    try:
        found: Record = from_plain(Record, json.loads(_file(name).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CannotRunError(f"{_file(name)} is damaged: {error}") from error
    return found


def check_new(name: str) -> None:
    """Raises InputError if there is a lab of that name, or it is no name."""
    if LabFolder(name).exists or find_record(name) is not None:
        raise InputError(f"there is a lab {name} already: 'shadowlab down {name}' takes it down")


def digest_of(network: Network) -> str:
    """The same for the same network."""
    return sha256(json.dumps(to_plain(network), sort_keys=True).encode()).hexdigest()


def new_vni() -> int:
    """By chance: labs of several people may meet on a host."""
    return int.from_bytes(os.urandom(3), "big")


def _folder() -> Path:
    return labs_folder().parent / "over-hosts"


def _file(name: str) -> Path:
    return _folder() / f"{name}.json"
