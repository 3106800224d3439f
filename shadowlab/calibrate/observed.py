"""What telemetry knows of one connection, as calibration needs it.

In: nothing.  Out: a protocol, and the questions that every part of calibration asks of it.  Never: a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from shadowlab.model.telemetry import TcpRecord


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


def agreed(one: ObservedConnection, name: str) -> Any:
    """What both ends know alike (options, the MSS): from the sender's records, or else from the receiver's."""
    found = last_known(one.sender_records, name)
    return found if found is not None else last_known(one.receiver_records, name)
