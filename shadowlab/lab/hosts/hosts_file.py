"""The file that says which hosts carry a lab.

In: YAML text.  Out: hosts with their addresses in the underlay, the farm they are reached by.  Raises InputError with
the place of every fault.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from shadowlab.topology.formats import read_input
from shadowlab.topology.positioned import load_positioned, validate


class RawHost(BaseModel):
    """``share``: how much of the map it takes beside the others."""

    model_config = ConfigDict(extra="forbid")
    address: str
    share: float = Field(default=1.0, gt=0, le=1e6)

    @field_validator("address")
    @classmethod
    def _is_address(cls, value: str) -> str:
        return str(ipaddress.ip_address(value))


class RawHosts(BaseModel):
    """The keys of ``hosts`` are the names that `farm worker --name` was given there."""

    model_config = ConfigDict(extra="forbid")
    shadowlab: Literal["hosts/1"]
    scheduler: str
    tls: str | None = None
    hosts: dict[str, RawHost] = Field(min_length=1)


@dataclass(frozen=True, kw_only=True)
class Hosts:
    """``addresses`` and ``shares`` by the host's name.  ``tls``: the folder of our credentials."""

    scheduler: str
    tls: Path | None
    addresses: dict[str, str]
    shares: dict[str, float]


def read_hosts(path: Path) -> Hosts:
    """Raises InputError."""
    raw = validate(RawHosts, load_positioned(read_input(path, what="file of hosts"), name=str(path)))
    return Hosts(
        scheduler=raw.scheduler,
        tls=None if raw.tls is None else (path.parent / raw.tls).absolute(),
        addresses={name: one.address for name, one in raw.hosts.items()},
        shares={name: one.share for name, one in raw.hosts.items()},
    )
