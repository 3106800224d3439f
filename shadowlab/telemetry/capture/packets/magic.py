"""By what a packet capture is recognised.

In: a file's first octets.  Out: whether it is one.  Never: numpy; whoever only asks need not wait for it.
"""

from __future__ import annotations

PCAP = {
    b"\xd4\xc3\xb2\xa1": ("<", 1_000, 16),
    b"\xa1\xb2\xc3\xd4": (">", 1_000, 16),
    b"\x4d\x3c\xb2\xa1": ("<", 1, 16),
    b"\xa1\xb2\x3c\x4d": (">", 1, 16),
    b"\x34\xcd\xb2\xa1": ("<", 1_000, 24),  # Kuznetzov's variant: eight octets more per record
    b"\xa1\xb2\xcd\x34": (">", 1_000, 24),
}
"""First four octets: byte order, nanoseconds per unit of the fraction, octets of a record's header."""
PCAPNG = b"\x0a\x0d\x0d\x0a"
"""A Section Header Block; a palindrome, the byte order follows at octet 8."""
BYTE_ORDERS = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
EXPECTED = "expected a packet capture, pcap or pcapng, as tcpdump -w and dumpcap write it"


def recognise(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is pcap or pcapng."""
    if head[:4] == PCAPNG:
        return head[8:12] in BYTE_ORDERS or len(head) < 12
    return head[:4] in PCAP
