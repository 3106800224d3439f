"""How names and addresses in telemetry become nodes of the map, where they do not say so themselves.

In: rules.  Out: the node of a name or an address; what a translated address stands for; a balancer's backends.
Never: a guess: what no rule and no map names stays unattached.

The four kinds of rules::

    names:      a pattern over the recorded name (the whole of it) and the node, which may use its groups
    addresses:  a prefix and the node
    nat:        an address, or address and port, as it is recorded, and what the map knows it as
    balancers:  the address (and port) of a load balancer's tier, and the nodes behind it
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import ip_address, ip_network
from typing import Any

from shadowlab.errors import Fault, InputError
from shadowlab.telemetry.addresses import parse_address, parse_endpoint

ANY_PORT = 0
_Endpoint = tuple[str, int]


@dataclass(frozen=True, kw_only=True)
class Rules:
    """``names`` and ``prefixes`` are tried in order; ``nat`` and ``balancers`` map an address and port (0: any)."""

    names: tuple[tuple[str, str], ...] = ()
    prefixes: tuple[tuple[str, str], ...] = ()
    nat: Mapping[_Endpoint, _Endpoint] = field(default_factory=dict)
    balancers: Mapping[_Endpoint, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def _patterns(self) -> list[tuple[re.Pattern[str], str]]:
        return [(re.compile(pattern), node) for pattern, node in self.names]

    @cached_property
    def _networks(self) -> list[tuple[Any, str]]:
        return [(ip_network(prefix, strict=False), node) for prefix, node in self.prefixes]

    @cached_property
    def _node_of(self) -> dict[str, str]:
        return {}

    def node_of_name(self, name: str) -> str:
        """The node that a recorded name means by rule; empty if none does."""
        for pattern, node in self._patterns:
            match = pattern.fullmatch(name)
            if match is not None:
                return match.expand(node)
        return ""

    def node_of_address(self, address: str) -> str:
        """The node that an address means by rule; empty if none does."""
        if not self.prefixes or not address or address == "*":
            return ""
        if address not in self._node_of:
            one = ip_address(address)
            found = (node for network, node in self._networks if one.version == network.version and one in network)
            self._node_of[address] = next(found, "")
        return self._node_of[address]

    def translated(self, address: str, port: int) -> _Endpoint:
        """What stands behind a translated address; the port stays if the rule names none."""
        target = self.nat.get((address, port)) or self.nat.get((address, ANY_PORT))
        if target is None:
            return (address, port)
        return (target[0], target[1] or port)

    def backends(self, address: str, port: int) -> tuple[str, ...]:
        """The nodes behind a balancer's address."""
        return self.balancers.get((address, port)) or self.balancers.get((address, ANY_PORT)) or ()


NO_RULES = Rules()
_KINDS = ("names", "addresses", "nat", "balancers")


def rules_of(document: object, *, name: str) -> Rules:
    """The rules of a plain document (of YAML or JSON).  Raises InputError with all that is wrong."""
    faults: list[Fault] = []
    if not isinstance(document, Mapping):
        raise InputError(Fault(place=name, message=f"rules are a mapping with some of: {', '.join(_KINDS)}"))
    words = f"unknown; known: {', '.join(_KINDS)}"
    faults += [Fault(place=f"{name}: {key}", message=words) for key in document if key not in _KINDS]

    def each(kind: str, *needed: str) -> list[Mapping[str, Any]]:
        entries = document.get(kind) or []
        good = []
        for index, entry in enumerate(entries if isinstance(entries, list) else [entries]):
            place = f"{name}: {kind}[{index}]"
            if not isinstance(entry, Mapping) or any(not entry.get(one) for one in needed):
                faults.append(Fault(place=place, message=f"needs {', '.join(needed)}"))
            elif extra := sorted(set(map(str, entry)) - {*needed, "port"}):
                faults.append(Fault(place=place, message=f"unknown key {extra[0]!r}"))
            else:
                good.append(entry)
        return good

    def checked(kind: str, entry: Mapping[str, Any], make: Any) -> Any:
        try:
            return make()
        except (ValueError, re.error, IndexError) as error:
            faults.append(Fault(place=f"{name}: {kind}: {dict(entry)}", message=str(error)))
            return None

    names = [
        (str(one["match"]), str(one["node"]))
        for one in each("names", "match", "node")
        if checked("names", one, lambda one=one: _checked_pattern(str(one["match"]), str(one["node"])))
    ]
    prefixes = [
        (str(one["prefix"]), str(one["node"]))
        for one in each("addresses", "prefix", "node")
        if checked("addresses", one, lambda one=one: ip_network(str(one["prefix"]), strict=False))
    ]
    nat = {}
    for one in each("nat", "from", "to"):
        pair = checked("nat", one, lambda one=one: (_endpoint(str(one["from"])), _endpoint(str(one["to"]))))
        if pair:
            nat[pair[0]] = pair[1]
    balancers = {}
    for one in each("balancers", "address", "backends"):
        end = checked("balancers", one, lambda one=one: (parse_address(str(one["address"])), int(one.get("port") or 0)))
        if end:
            balancers[end] = tuple(map(str, one["backends"]))
    if faults:
        raise InputError(*faults)
    return Rules(names=tuple(names), prefixes=tuple(prefixes), nat=nat, balancers=balancers)


def _checked_pattern(pattern: str, node: str) -> bool:
    groups = re.compile(pattern).groups
    for number in re.findall(r"\\(\d+)", node):
        if int(number) > groups:
            raise ValueError(f"\\{number} in {node!r}: the pattern has {groups} groups")
    return True


def _endpoint(text: str) -> _Endpoint:
    """``10.0.0.1``, ``10.0.0.1:443``, ``[::1]:443``, ``::1``."""
    try:
        return (parse_address(text), ANY_PORT)
    except ValueError:
        return parse_endpoint(text)
