"""The known map formats, told apart by content.

In: a path, or bytes and a name.  Out: a :class:`~shadowlab.model.network.Network`.  Never: a decision by the file's
ending.  Another format is one reader and one line in ``FORMATS``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from shadowlab.errors import Fault, InputError
from shadowlab.model.network import Network
from shadowlab.topology.compose import MAX_BYTES, decode_text
from shadowlab.topology.foreign.drawing import ForeignMap
from shadowlab.topology.foreign.options import MapOptions
from shadowlab.topology.foreign.resolve import resolve
from shadowlab.topology.native import read_native
from shadowlab.topology.readers import (
    address_dumps,
    containerlab,
    edge_list,
    gml,
    graphml,
    kathara,
    lldp,
    netbox,
    netjson,
    node_link,
    sndlib,
    sndlib_xml,
)
from shadowlab.topology.wording import did_you_mean

__all__ = ["FORMATS", "NATIVE", "MapOptions", "load_map", "read_input", "read_map"]

NATIVE = "shadowlab"
MOST_FILES = 20_000


Files = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class MapFormat:
    """``key`` is what ``--format`` takes.  ``recognises`` sees the text of a file; those that read a folder too see the
    texts of its files by name."""

    key: str
    title: str
    recognises: Callable[[str], bool]
    read: Callable[[str, str], ForeignMap]
    recognises_folder: Callable[[Files], bool] | None = None
    read_folder: Callable[[Files, str], ForeignMap] | None = None


def _xml(root: str) -> Callable[[str], bool]:
    tag = re.compile(rf"<(\w+:)?{root}[\s>/]")
    return lambda text: text.lstrip().startswith("<") and tag.search(text) is not None


_NATIVE_KEY = re.compile(r"""^[\s{]*["']?shadowlab["']?\s*:""", re.MULTILINE)

FORMATS = (
    MapFormat(key="graphml", title="GraphML", recognises=_xml("graphml"), read=graphml.read_graphml),
    MapFormat(key="gml", title="GML", recognises=gml.recognises, read=gml.read_gml),
    MapFormat(key="sndlib", title="SNDlib", recognises=sndlib.recognises, read=sndlib.read_sndlib),
    MapFormat(key="sndlib-xml", title="SNDlib XML", recognises=sndlib_xml.recognises, read=sndlib_xml.read_sndlib_xml),
    MapFormat(key="netjson", title="NetJSON", recognises=netjson.recognises, read=netjson.read_netjson),
    MapFormat(
        key="node-link", title="networkx node-link JSON", recognises=node_link.recognises, read=node_link.read_node_link
    ),
    MapFormat(
        key="lldp",
        title="LLDP neighbours",
        recognises=lldp.recognises,
        read=lldp.read_lldp,
        recognises_folder=lldp.recognises_folder,
        read_folder=lldp.read_lldp_folder,
    ),
    MapFormat(
        key="ip-dumps",
        title="dumps of `ip -j`",
        recognises=address_dumps.recognises,
        read=address_dumps.read_address_dumps,
        recognises_folder=address_dumps.recognises_folder,
        read_folder=address_dumps.read_address_dumps_folder,
    ),
    MapFormat(
        key="netbox",
        title="NetBox exports",
        recognises=netbox.recognises,
        read=netbox.read_netbox,
        recognises_folder=netbox.recognises_folder,
        read_folder=netbox.read_netbox_folder,
    ),
    MapFormat(
        key="containerlab",
        title="containerlab",
        recognises=containerlab.recognises,
        read=containerlab.read_containerlab,
    ),
    MapFormat(
        key="kathara",
        title="Kathará",
        recognises=kathara.recognises,
        read=kathara.read_kathara,
        recognises_folder=lambda files: kathara.FILE in files,
        read_folder=kathara.read_kathara_folder,
    ),
    MapFormat(key="csv", title="a CSV list of links", recognises=edge_list.recognises, read=edge_list.read_edge_list),
)
"""Every format but our own, which is tried first; of those that recognise a text the first one reads it."""


def format_keys() -> tuple[str, ...]:
    """What ``--format`` takes."""
    return (NATIVE, *(one.key for one in FORMATS))


def read_map(text: bytes, *, name: str, options: MapOptions | None = None, format_key: str | None = None) -> Network:
    """The network in ``text``.  ``options`` serve formats without instances; a map of our own states its instances, its
    scale and its links, so that there is nothing to choose.  Raises InputError with all faults."""
    decoded = decode_text(text, name=name)
    if format_key == NATIVE or (format_key is None and _NATIVE_KEY.search(decoded)):
        return read_native(text, name=name, folder=Path(name).parent)
    reader = _named(format_key) or next((one for one in FORMATS if one.recognises(decoded)), None)
    if reader is None:
        known = ", ".join(one.title for one in FORMATS)
        message = f"this is not a map in a known format; known are our own (YAML with `shadowlab: map/1`), {known}"
        raise InputError(Fault(place=name, message=message))
    return resolve(reader.read(decoded, name), options or MapOptions())


def _named(key: str | None) -> MapFormat | None:
    """The format of that key; None for None."""
    found = next((one for one in FORMATS if one.key == key), None)
    if key is not None and found is None:
        hint = did_you_mean(key, format_keys())
        raise InputError(f"{key[:40]} is not a map format{hint}; known are {', '.join(format_keys())}")
    return found


def load_map(path: Path, *, options: MapOptions | None = None, format_key: str | None = None) -> Network:
    """The network in a file, or in a folder of files.  Raises InputError for what cannot be read, and for all that is
    wrong in it."""
    if path.is_dir():
        return _load_folder(path, options or MapOptions(), format_key)
    return read_map(read_input(path, what="map"), name=str(path), options=options, format_key=format_key)


def _load_folder(path: Path, options: MapOptions, format_key: str | None) -> Network:
    files = _texts(path)
    readers = [_named(format_key)] if format_key else FORMATS
    for one in readers:
        if one is None or one.recognises_folder is None or one.read_folder is None:
            continue
        if format_key or one.recognises_folder(files):
            return resolve(one.read_folder(files, str(path)), options)
    able = ", ".join(one.title for one in FORMATS if one.read_folder is not None)
    message = f"this folder is not a map; name the map file in it, or a folder of these: {able}"
    raise InputError(Fault(place=str(path), message=message))


def _texts(folder: Path) -> dict[str, str]:
    """The text files of a folder and of its folders, by their path in it.  Raises InputError for too large ones."""
    found: dict[str, str] = {}
    size = 0
    for file in sorted(one for pattern in ("*", "*/*") for one in folder.glob(pattern) if one.is_file()):
        text = read_input(file, what="map")
        size += len(text)
        if size > MAX_BYTES or len(found) > MOST_FILES:
            message = f"this folder holds more than {MAX_BYTES // 2**20} MiB or {MOST_FILES} files"
            raise InputError(Fault(place=str(folder), message=message))
        with suppress(InputError):  # an empty or binary file is no part of a map
            found[file.relative_to(folder).as_posix()] = decode_text(text, name=str(file))
    return found


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
