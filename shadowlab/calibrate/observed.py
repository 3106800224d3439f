"""What telemetry knows of one connection, as calibration needs it.

In: nothing.  Out: a protocol, and the questions that every part of calibration asks of it.  Never: a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from shadowlab.model.telemetry import TcpRecord
from shadowlab.model.traffic.parameters import OBSERVED


class ObservedConnection(Protocol):
    """What telemetry knows of one connection; each end's records ascend in time."""

    @property
    def source(self) -> str: ...
    @property
    def target(self) -> str: ...
    @property
    def source_port(self) -> int: ...
    @property
    def target_port(self) -> int: ...
    @property
    def sender_records(self) -> tuple[TcpRecord, ...]: ...
    @property
    def receiver_records(self) -> tuple[TcpRecord, ...]: ...


def last_known(records: Sequence[TcpRecord], name: str) -> Any:
    """The newest value of a field that some record knows; None if none does."""
    return next((value for one in reversed(records) if (value := getattr(one, name)) is not None), None)


def recorded_means(one: ObservedConnection, scale: float) -> dict[str, float]:
    """The mean of what TCP made of the connection by itself, over the sender's records, by the names of
    :data:`~shadowlab.model.traffic.parameters.OBSERVED`; what scales is divided by ``scale``."""
    found = {}
    for parameter in OBSERVED:
        values = [value for record in one.sender_records if (value := getattr(record, parameter.record)) is not None]
        if values:
            per = parameter.record_per * (scale if parameter.scales else 1.0)
            found[parameter.name] = sum(values) / len(values) / per
    return found


def agreed(one: ObservedConnection, name: str) -> Any:
    """What both ends know alike (options, the MSS): from the sender's records, or else from the receiver's."""
    found = last_known(one.sender_records, name)
    return found if found is not None else last_known(one.receiver_records, name)
