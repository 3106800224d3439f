"""The form of the sections ``traffic`` and ``compute``: keys, types, units.

In: plain data.  Out: checked forms; what refers to nodes is checked by :mod:`shadowlab.lab.workloads.resolve`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainValidator

from shadowlab.lab.scenario_form import Duration, Rate, Size
from shadowlab.lab.workloads.quantities import arrivals, sizes, times
from shadowlab.model.traffic.distribution import Distribution
from shadowlab.model.traffic.workload import Arrivals, Discipline
from shadowlab.topology.quantities import Id

Sizes = Annotated[Distribution, PlainValidator(sizes)]
Times = Annotated[Distribution, PlainValidator(times)]
ArrivalsForm = Annotated[Arrivals, PlainValidator(arrivals)]
Nodes = str | list[str]
"""One node, several, or ``all``: every host of the map."""
Count = Annotated[int, Field(ge=1, le=1_000_000, strict=True)]


class _Raw(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RawTcp(_Raw):
    congestion_control: str = Field(default="cubic", pattern=r"^[a-z0-9_]{1,15}$")
    mss: int | None = Field(default=None, ge=48, le=65_495, strict=True)
    window: Size | None = None
    send_buffer: Size | None = None
    pacing: Rate | None = None
    initial_window: Count | None = None
    initial_receive_window: Count | None = None
    ecn: bool | None = None
    dscp: int = Field(default=0, ge=0, le=63, strict=True)
    keepalive: Duration | None = None
    no_delay: bool = False
    sack: bool | None = None
    timestamps: bool | None = None
    window_scaling: bool | None = None


class _Timed(_Raw):
    service: str = ""
    begin: Duration = 0
    end: Duration | None = None


class _OverTcp(_Timed):
    tcp: RawTcp = RawTcp()
    ipv6: bool = False


class RawTransfers(_OverTcp):
    transfers: Id
    from_: Nodes = Field(alias="from")
    to: Nodes
    arrivals: ArrivalsForm
    size: Sizes


class RawRequests(_OverTcp):
    requests: Id
    clients: Nodes
    servers: Nodes
    request: Sizes
    response: Sizes
    think: Times | None = None
    arrivals: ArrivalsForm | None = None
    connections: Count = 1
    requests_per_connection: int = Field(default=0, ge=0, strict=True)
    timeout: Duration | None = None


class RawIncast(_OverTcp):
    incast: Id
    aggregator: str
    workers: Nodes
    response: Sizes
    every: Duration
    rounds: Count | None = None


class RawDatagrams(_Timed):
    datagrams: Id
    from_: str = Field(alias="from")
    to: str
    rate: Rate
    payload: Size | None = None
    imix: str | None = None
    on: Times | None = None
    off: Times | None = None
    dscp: int = Field(default=0, ge=0, le=63, strict=True)
    ipv6: bool = False


class RawLookups(_Timed):
    lookups: Id
    clients: Nodes
    servers: Nodes
    arrivals: ArrivalsForm
    request: Sizes
    response: Sizes
    timeout: Duration = 5_000_000_000
    tries: Count = 2
    dscp: int = Field(default=0, ge=0, le=63, strict=True)
    ipv6: bool = False


class RawProgram(_Timed):
    program: Id
    node: str
    command: str | list[str]
    environment: Mapping[str, str] = {}
    grace: Duration = 2_000_000_000


class RawReplay(_Timed):
    replay: Id
    node: str
    file: str
    speed: float = Field(default=1.0, gt=0, le=1000)
    addresses: Mapping[str, str] = {}
    """Addresses of the capture, and the nodes that stand for them."""


class RawCompute(_Raw):
    workers: Count
    service: Times
    queue: int | None = Field(default=None, ge=0, strict=True)
    discipline: Discipline = "fifo"


RawWorkload = RawTransfers | RawRequests | RawIncast | RawDatagrams | RawLookups | RawProgram | RawReplay
FORMS: Mapping[str, type[RawWorkload]] = {
    "transfers": RawTransfers,
    "requests": RawRequests,
    "incast": RawIncast,
    "datagrams": RawDatagrams,
    "lookups": RawLookups,
    "program": RawProgram,
    "replay": RawReplay,
}
"""The key that says which kind a workload is; its value is the workload's name."""
