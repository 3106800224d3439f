"""The raw records of a run, as they lie in its folder.

In: numbers read inside the segment.  Out: fixed binary layouts, little endian, that NumPy maps without parsing.
Imported inside the guest: standard library only.  Raw records are kept; indicators are derived later.

``probes.bin``   one record per probe answered or given up: PROBE
``tcp.bin``      one record per flow and sample, all flows in order, then the next sample: TCP_HEAD, then
                 TCP_INFO_BYTES of tcp_info, zero-padded
``queues.bin``   one record per interface and sample, in the same way: QUEUE
``trace.jsonl``  the route of each path, read from the kernel, at start and after each change
``events.jsonl`` every operation executed on the timeline, with its moment and outcome

Every time is in nanoseconds since the run's start.
"""

from __future__ import annotations

import struct

PROBE = struct.Struct("<qIIqq")
"""sent_ns, path index, sequence number, round-trip ns (-1: lost), one-way out ns (-1: unknown)."""

TCP_INFO_BYTES = 280
TCP_HEAD = struct.Struct("<qIHBBQQ")
"""at_ns, flow index, tcp_info length the kernel gave, flags, attempt (which connection of the flow, from 0), bytes
received by the target's application, bytes a paced writer wanted to send and could not."""

FLAG_CLOSED = 1
"""The flow reached its size; tcp_info is the last that was seen."""
FLAG_FAILED = 2
"""The flow has no connection: the last one failed."""
FLAG_IDLE = 4
"""The flow has not begun."""

QUEUE = struct.Struct("<qIIQQQIIQQ")
"""at_ns, interface index, drops (since the start), sent bytes, sent packets, interface rx bytes, queued packets,
queued bytes, offered packets (sent + dropped + queued), packets marked (ECN) instead of dropped."""

PROBES_FILE = "probes.bin"
TCP_FILE = "tcp.bin"
QUEUES_FILE = "queues.bin"
TRACE_FILE = "trace.jsonl"
EVENTS_FILE = "events.jsonl"
