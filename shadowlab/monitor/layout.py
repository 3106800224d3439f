"""What of a run's raw folder is no file of blocks, and what the flags of its records mean.

In: nothing.  Out: names and numbers.  The record types themselves stand in :mod:`shadowlab.store.records`.
Imported inside the guest: standard library only.

``trace.jsonl``  the route of each path, read from the kernel, at start and after each change
``events.jsonl`` every operation executed on the timeline, with its moment and outcome
"""

from __future__ import annotations

FLAG_CLOSED = 1
"""The flow reached its size; tcp_info is the last that was seen."""
FLAG_FAILED = 2
"""The flow has no connection: the last one failed."""
FLAG_IDLE = 4
"""The flow has not begun."""

TRACE_FILE = "trace.jsonl"
EVENTS_FILE = "events.jsonl"

FAULT_MARK = "!"
"""Begins the last hop of a route that does not arrive; the reason follows."""
