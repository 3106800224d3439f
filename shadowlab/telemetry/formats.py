"""The formats of telemetry, in the order in which they are tried.

In: the first bytes of a file, or a format's name.  Out: the format.
A new one is one file in ``sources/`` and one line here.
"""

from __future__ import annotations

from shadowlab.errors import Fault, InputError
from shadowlab.telemetry.source import Format
from shadowlab.telemetry.sources import ss

FORMATS = (Format("ss", "`ss -tinOHm` text of iproute2", ss.recognise, ss.read, ss.EXPECTED),)
"""Strict recognisers stand before lenient ones."""
BY_NAME = {one.name: one for one in FORMATS}


def format_named(name: str) -> Format:
    """Raises InputError for a name that is none."""
    if name not in BY_NAME:
        raise InputError(f"{name!r} is no format of telemetry; there are: {', '.join(sorted(BY_NAME))}")
    return BY_NAME[name]


def recognise(head: bytes, *, name: str) -> Format:
    """The format of a file that begins with ``head``.  Raises InputError if it is none."""
    for one in FORMATS:
        if one.recognise(head):
            return one
    if not head:
        raise InputError(Fault(place=name, message="the file is empty"))
    raise InputError(
        Fault(
            place=name,
            message=f"not recognised as telemetry; formats: {', '.join(BY_NAME)} (say which with --format); "
            + ss.EXPECTED,
        )
    )
