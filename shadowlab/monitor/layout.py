"""The raw records of a run, as they lie in its folder.

In: numbers read inside the segment.  Out: fixed binary layouts, little endian, that NumPy maps without parsing.
Imported inside the guest: standard library only.  Raw records are kept; indicators are derived later.

``probes.bin``   one record per probe answered or given up: PROBE
``tcp.bin``      one record per flow and sample: TCP_HEAD, then TCP_INFO_BYTES of tcp_info, zero-padded
``queues.bin``   one record per interface and sample: QUEUE
``trace.jsonl``  the route of each path, read from the kernel, at start and after each change
``events.jsonl`` every operation executed on the timeline, with its moment and outcome
"""

from __future__ import annotations

import struct

PROBE = struct.Struct("<qIIqq")
"""sent_ns (since the run's start), path index, sequence number, round-trip ns (-1: lost), one-way out ns (-1: unknown)."""

TCP_INFO_BYTES = 280
TCP_HEAD = struct.Struct("<qIHHQ")
"""at_ns, flow index, tcp_info length the kernel gave, flags (1: closed, 2: failed to connect), bytes received by the
target's application."""

QUEUE = struct.Struct("<qIIQQQIIQ")
"""at_ns, interface index, drops (since the start), sent bytes, sent packets, interface rx bytes, queued packets,
queued bytes, offered packets (sent + dropped + queued)."""

PROBES_FILE = "probes.bin"
TCP_FILE = "tcp.bin"
QUEUES_FILE = "queues.bin"
TRACE_FILE = "trace.jsonl"
EVENTS_FILE = "events.jsonl"
