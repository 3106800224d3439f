"""Kathará's (and Netkit's) ``lab.conf``, alone or in its folder with the devices' ``*.startup`` files.

In: the text of a file, or the files of a lab.  Out: a :class:`~shadowlab.topology.foreign.drawing.ForeignMap`.

``pc1[0]="A"`` joins interface 0 of pc1 to the collision domain A (``A/02:00:00:00:00:01`` states a MAC as well).  A
domain of two is a link, one of more is a LAN.  Startup files tell addresses (``ip address add``, ``ifconfig``).  A
device that switches forwarding on is a router, and so is one with several interfaces.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from shadowlab.errors import Fault, InputError
from shadowlab.topology.foreign.drawing import LAB, ForeignLink, ForeignMap, ForeignNode
from shadowlab.topology.native_rules import is_node_address

_LINE = re.compile(
    r"""^(?P<device>[\w.-]+)\[(?P<key>\w+)\]\s*=\s*(?P<quote>["']?)(?P<value>.*?)(?P=quote)\s*(?:\#.*)?$"""
)
_GLOBAL = re.compile(r"""^LAB_(?P<key>\w+)\s*=\s*["']?(?P<value>.*?)["']?\s*$""")
_ADDRESS = re.compile(
    r"(?:\bip\s+(?:-\S+\s+)*a(?:ddr(?:ess)?)?\s+(?:add|replace)\s+|\bifconfig\s+\S+\s+)([0-9A-Fa-f.:]*[.:][0-9A-Fa-f.:]+)"
)
FILE = "lab.conf"


def recognises(text: str) -> bool:
    """By its first line that says something."""
    lines = (line.strip() for line in text.splitlines())
    head = next((line for line in lines if line and not line.startswith("#") and not _GLOBAL.match(line)), "")
    return _LINE.match(head) is not None


def read_kathara(text: str, name: str) -> ForeignMap:
    """The map of a ``lab.conf`` alone.  Raises InputError for a file with no device."""
    return read_kathara_folder({FILE: text}, name)


def read_kathara_folder(files: Mapping[str, str], name: str) -> ForeignMap:
    """The map of a lab: ``lab.conf``, and for each device its ``DEVICE.startup``."""
    place = name if name.endswith(FILE) else f"{name.rstrip('/')}/{FILE}"
    devices: dict[str, str] = {}
    domains: dict[str, list[tuple[str, str]]] = {}
    faults: list[Fault] = []
    title = ""
    for number, line in enumerate(files[FILE].splitlines(), 1):
        text, where = line.strip(), f"{place}:{number}"
        if not text or text.startswith("#"):
            continue
        if told := _GLOBAL.match(text):
            title = told["value"] if told["key"] == "NAME" else title
            continue
        match = _LINE.match(text)
        if match is None:
            faults.append(Fault(place=where, message='expected a line like pc1[0]="A"'))
            continue
        devices.setdefault(match["device"], where)
        if match["key"].isdigit():
            domain = match["value"].partition("/")[0].strip()
            if not domain:
                faults.append(
                    Fault(place=where, message=f"interface {match['key']} of {match['device']} has no domain")
                )
                continue
            domains.setdefault(domain, []).append((match["device"], where))
    if not devices and not faults:
        raise InputError(Fault(place=place, message='this lab has no device: write lines like pc1[0]="A"'))
    startups = {device: files.get(f"{device}.startup", "") for device in devices}
    nodes = [_device(device, where, startups[device]) for device, where in devices.items()]
    links, notes = [], []
    for domain, ends in domains.items():
        if len(ends) == 1:
            notes.append((f"node {ends[0][0]}", f"interface in {domain} left out", "nobody else is in that domain"))
        elif len(ends) == 2:
            links.append(
                ForeignLink(a=ends[0][0], b=ends[1][0], place=ends[0][1], name="" if domain in devices else domain)
            )
        else:
            key = f"domain {domain}"
            why = f"a collision domain of {len(ends)} interfaces"
            nodes.append(ForeignNode(key=key, place=ends[0][1], label=f"lan-{domain}", kind="segment", kind_origin=why))
            links += [ForeignLink(a=device, b=key, place=where) for device, where in ends]
    return ForeignMap(
        title=title or name.rstrip("/").removesuffix(FILE).rstrip("/").rpartition("/")[2] or "lab",
        place=place,
        nodes=tuple(nodes),
        links=tuple(links),
        defaults=LAB,
        leaves_are_hosts=True,
        notes=tuple(notes),
        faults=tuple(faults),
    )


def _device(device: str, where: str, startup: str) -> ForeignNode:
    told = [match[1] for match in _ADDRESS.finditer(startup)]
    forwards = re.search(r"ip_forward\s*=?\s*1|forwarding\s*=\s*1|\b(frr|quagga|zebra|bird)\b", startup) is not None
    return ForeignNode(
        key=device,
        place=where,
        label=device,
        kind="router" if forwards else None,
        kind_origin="its startup file lets it forward" if forwards else "",
        addresses=tuple(dict.fromkeys(text for text in told if is_node_address(text))),
    )
