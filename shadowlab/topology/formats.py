"""The known map formats, told apart by content.

In: a path, or bytes and a name.  Out: a :class:`~shadowlab.model.network.Network`.  Never: a decision by the file's
ending.  Another format is one reader and one line in ``FORMATS``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from shadowlab.errors import Fault, InputError
from shadowlab.model.network import Network
from shadowlab.topology.compose import MAX_BYTES, decode_text
from shadowlab.topology.graphml import MapOptions, read_graphml
from shadowlab.topology.native import read_native


@dataclass(frozen=True, kw_only=True)
class MapFormat:
    """``recognises`` sees the text; ``read`` gets the bytes, the name for faults, and the options."""

    name: str
    recognises: Callable[[str], bool]
    read: Callable[[bytes, str, MapOptions], Network]


_NATIVE_KEY = re.compile(r"""^[\s{]*["']?shadowlab["']?\s*:""", re.MULTILINE)
_GRAPHML_TAG = re.compile(r"<(\w+:)?graphml[\s>/]")

FORMATS = (
    MapFormat(
        name="GraphML",
        recognises=lambda text: text.lstrip().startswith("<") and _GRAPHML_TAG.search(text) is not None,
        read=lambda text, name, options: read_graphml(text, name=name, options=options),
    ),
    MapFormat(
        name="ShadowLab map (YAML with `shadowlab: map/1`)",
        recognises=lambda text: _NATIVE_KEY.search(text) is not None,
        # A map of our own states its instances, its scale and its links: there is nothing to choose.
        read=lambda text, name, options: read_native(text, name=name, folder=Path(name).parent),
    ),
)


def read_map(text: bytes, *, name: str, options: MapOptions | None = None) -> Network:
    """The network in ``text``.  ``options`` serve formats without instances.  Raises InputError with all faults."""
    decoded = decode_text(text, name=name)
    for one in FORMATS:
        if one.recognises(decoded):
            return one.read(text, name, options or MapOptions())
    known = " and ".join(one.name for one in FORMATS)
    raise InputError(Fault(place=name, message=f"this is not a map in a known format; known are {known}"))


def load_map(path: Path, *, options: MapOptions | None = None) -> Network:
    """The network in a file.  Raises InputError for a file that cannot be read, and for all that is wrong in it."""
    return read_map(read_input(path, what="map"), name=str(path), options=options)


def read_input(path: Path, *, what: str) -> bytes:
    """The bytes of an input file (``what``: map, scenario).  Raises InputError; never reads more than the limit."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        message = f"the {what} does not exist"
        raise InputError(Fault(place=str(path), message=message)) from error
    except IsADirectoryError as error:
        message = f"this is a folder; name the {what} file in it"
        raise InputError(Fault(place=str(path), message=message)) from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        message = f"the {what} cannot be read: {reason}"
        raise InputError(Fault(place=str(path), message=message)) from error
