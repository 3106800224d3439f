"""A record's fields from outside: every one of the right type and in range, or the reason why not.

In: names and values as JSON or Parquet hold them.  Out: the fields of a record.  Raises ValueError in words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shadowlab.model.telemetry import TcpRecord, field_kinds, record_of
from shadowlab.telemetry.addresses import parse_address

LARGEST = 2**63
_LONGEST_TEXT = 1000
_SHARES = ("host_cpu_share",)
_SCOPES = ("connection", "pair", "host")
_UNKNOWN_ADDRESSES = ("", "*")


def checked_record(values: Mapping[str, Any]) -> TcpRecord:
    """The record of these values; None and absent are unknown.  Raises ValueError with the first thing wrong."""
    kinds = field_kinds()
    known: dict[str, Any] = {}
    for name, value in values.items():
        if value is None:
            continue
        kind = kinds.get(name)
        if kind is None:
            raise ValueError(f"{name[:60]!r} is no field of a record")
        if type(value) is not kind:
            if kind is float and type(value) is int:
                value = float(value)
            else:
                raise ValueError(f"{name} is {str(value)[:40]!r}, which is no {_WORDS[kind]}")
        if kind is int:
            if not 0 <= value < LARGEST:
                raise ValueError(f"{name} is {str(value)[:40]}: it must be from 0 to 2**63 - 1")
        elif kind is str:
            if len(value) > _LONGEST_TEXT:
                raise ValueError(f"{name} is longer than {_LONGEST_TEXT} characters")
        elif kind is float and not 0 <= value < float("inf"):
            raise ValueError(f"{name} is {value}: it must be 0 or more")
        known[name] = value
    _complete(known)
    return record_of(known)


_WORDS = {int: "whole number", float: "number", bool: "true or false", str: "text"}


def _complete(known: dict[str, Any]) -> None:
    if "at_ns" not in known:
        raise ValueError("at_ns is missing")
    if known.get("from_ns", 0) > known["at_ns"]:
        raise ValueError("from_ns lies after at_ns")
    if known.setdefault("scope", "connection") not in _SCOPES:
        raise ValueError(f"scope is {known['scope'][:40]!r}: it must be one of {', '.join(_SCOPES)}")
    known.setdefault("instance", "")
    for end in ("local", "peer"):
        address, port = f"{end}_address", f"{end}_port"
        if known.setdefault(address, "") not in _UNKNOWN_ADDRESSES:
            known[address] = parse_address(known[address])
        if known.setdefault(port, 0) > 65_535:
            raise ValueError(f"{port} is {known[port]}: it must be from 0 to 65535")
    for name in _SHARES:
        if known.get(name, 0.0) > 1:
            raise ValueError(f"{name} is {known[name]}: a share is from 0 to 1")
