"""NetBox, through what its API exports: devices, interfaces, cables and, if there, sites.

In: one document with the lists under ``devices``, ``interfaces``, ``cables``, ``sites``, or a folder with a file of
that name each; a list may stand as the API answers it, under ``results``.  Out: a
:class:`~shadowlab.topology.foreign.drawing.ForeignMap`.

Cables between interfaces of two devices are links, in the forms of NetBox 3 (``termination_a``) and 4
(``a_terminations``).  A cable that ends elsewhere (a patch panel, a circuit, a power feed) is left out and told of.  A
device whose role speaks of a server is an instance.  Rates are the interfaces' speeds, else their type's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from shadowlab.model.network import NodeKind
from shadowlab.topology.foreign.drawing import SITE, ForeignLink, ForeignMap, ForeignNode, Traits
from shadowlab.topology.native_rules import is_node_address
from shadowlab.topology.readers.cursor import Cursor, json_cursor, parse_json

_LISTS = ("devices", "interfaces", "cables", "sites")
_HOST_ROLE = re.compile(r"server|host|hypervisor|compute|storage|\bvm\b|workstation", re.IGNORECASE)
_TYPE = re.compile(r"(\d+(?:\.\d+)?)(g|m)?base", re.IGNORECASE)
_METRES = {"km": 1000.0, "m": 1.0, "cm": 0.01, "mi": 1609.344, "ft": 0.3048, "in": 0.0254}


def recognises(text: str) -> bool:
    """By two of the lists it needs."""
    head = text.lstrip()[:1]
    return head == "{" and all(re.search(rf'"{key}"\s*:\s*[\[{{]', text) for key in ("devices", "cables"))


def recognises_folder(files: Mapping[str, str]) -> bool:
    """By the files it needs."""
    return {"devices.json", "cables.json"} <= set(files)


def read_netbox(text: str, name: str) -> ForeignMap:
    """The map.  Raises InputError for what is no JSON; ``name`` is what faults call the file."""
    return _map(parse_json(text, name), name)


def read_netbox_folder(files: Mapping[str, str], name: str) -> ForeignMap:
    """The map of a folder of exports."""
    lists: dict[str, Any] = {
        key: parse_json(files[f"{key}.json"], f"{name}/{key}.json").value for key in _LISTS if f"{key}.json" in files
    }
    return _map(json_cursor(lists, name, []), name)


def _rows(document: Cursor, key: str) -> list[Cursor]:
    listed = document[key]
    return list((listed["results"] or listed).items())


def _map(document: Cursor, name: str) -> ForeignMap:
    sites = {str(one["id"].value): one for one in _rows(document, "sites")}
    devices = {str(one["id"].value): one for one in _rows(document, "devices")}
    interfaces = {str(one["id"].value): one for one in _rows(document, "interfaces")}
    links, notes = [], []
    for cable in _rows(document, "cables"):
        ends = [_end(cable, side) for side in "ab"]
        found = [interfaces.get(end) if end else None for end in ends]
        owners = [str(one["device"]["id"].value) if one is not None else "" for one in found]
        if found[0] is None or found[1] is None or not set(owners) <= set(devices):
            label = cable.either("display", "label", "id").value
            notes.append((f"cable {label}", "left out", "it does not join two interfaces of the export"))
            continue
        links.append(
            ForeignLink(
                a=owners[0],
                b=owners[1],
                place=cable.place,
                forward=_traits(found[0], found[1]),
                length_km=_length_km(cable),
            )
        )
    return ForeignMap(
        title=name.rstrip("/").rpartition("/")[2].removesuffix(".json"),
        place=name,
        nodes=tuple(_node(key, one, sites) for key, one in devices.items()),
        links=tuple(links),
        defaults=SITE,
        notes=tuple(notes),
        faults=document.faults,
    )


def _end(cable: Cursor, side: str) -> str | None:
    """The id of the interface at one side; None if something else is there."""
    for one in cable[f"{side}_terminations"].items():
        kind = str(one["object_type"].value)
        return str(one["object_id"].value) if kind == "dcim.interface" else None
    kind = str(cable[f"termination_{side}_type"].value)
    return str(cable[f"termination_{side}_id"].value) if kind == "dcim.interface" else None


def _traits(a: Cursor, b: Cursor) -> Traits:
    """The slower end decides; NetBox tells speeds in kbit/s."""
    speeds = [_speed(one) for one in (a, b)]
    known = [speed for speed in speeds if speed is not None]
    mtus = [mtu for one in (a, b) if (mtu := one["mtu"].number(68, 65_521)) is not None]
    rate, origin = min(known, default=(None, ""))
    return Traits(
        rate_bps=rate,
        mtu=round(min(mtus)) if mtus else None,
        origins={"rate_bps": origin} if origin else {},
    )


def _speed(interface: Cursor) -> tuple[int, str] | None:
    if (kilobits := interface["speed"].number(1)) is not None:
        return round(kilobits * 1000), "the interfaces' speed"
    word = interface["type"]
    kind = str((word["value"] if isinstance(word.value, dict) else word).value or "")
    match = _TYPE.search(kind)
    if match is None:
        return None
    return round(
        float(match[1]) * (10**9 if (match[2] or "").lower() == "g" else 10**6)
    ), f"the interfaces' type {kind}"


def _length_km(cable: Cursor) -> float | None:
    length, told = cable["length"].number(0), cable["length_unit"]
    unit = str((told["value"] if isinstance(told.value, dict) else told).value or "")
    return None if length is None or unit not in _METRES else length * _METRES[unit] / 1000


def _node(key: str, one: Cursor, sites: Mapping[str, Cursor]) -> ForeignNode:
    role = one.either("role", "device_role")
    words = str((role["slug"] if isinstance(role.value, dict) else role).value or "")
    kind: NodeKind = "host" if _HOST_ROLE.search(words) else "router"
    primary = one.either("primary_ip4", "primary_ip")
    address = str(primary["address"].value or "").partition("/")[0]
    site = sites.get(str(one["site"]["id"].value), one["site"])
    place = one if one["latitude"] else site
    return ForeignNode(
        key=key,
        place=one.place,
        label=one.either("name", "display").text() or "",
        kind=kind,
        kind_origin=f"its role is {words}" if words else "",
        addresses=(address,) if is_node_address(address) else (),
        latitude=place["latitude"].number(-90, 90),
        longitude=place["longitude"].number(-180, 180),
    )
