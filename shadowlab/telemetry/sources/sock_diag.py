"""Recorded sock_diag answers become records: the kernel's own bytes, as ``ss -D FILE -ti`` or an agent keeps them.

In: netlink messages, one after the other: answers of a dump, or what the kernel tells of destroyed sockets.  Byte
order and length of ``tcp_info`` are those of the machine that recorded; both are found in the content.
Out: records; a damaged message goes to the tally by its byte offset, and the next one is looked for.
Never: more memory than one message.

The bytes do not say where and when they were recorded.  Either the caller knows it, or each dump begins with a message
of the kind that every netlink reader passes over (NLMSG_NOOP) and the text ``# instance NAME at TIME``.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from shadowlab.model.telemetry import TcpRecord, record_of
from shadowlab.telemetry.addresses import parse_moment
from shadowlab.telemetry.source import Source
from shadowlab.telemetry.tcp_info import fields_of_bytes
from shadowlab.wire.inet_diag import (
    AF_INET,
    AF_INET6,
    INFO,
    MESSAGE_BYTES,
    MOST_MESSAGE_BYTES,
    SOCK_DESTROY,
    SOCK_DIAG_BY_FAMILY,
    STATES,
    Socket,
    decode_socket,
)

EXPECTED = (
    "expected sock_diag messages: record with `ss -tinmD FILE`, say where and when with --instance NAME --at TIME"
)
NOOP, ERROR, DONE = 1, 2, 3
CLOSED = "CLOSED"
"""The state of a socket that the kernel told the end of: UNCONN, but with the last of its counters."""
_HEADER_BYTES = 16
_NO_TIME = "the dump does not say when it was recorded: give --instance NAME --at TIME"
_HEADER = re.compile(r"# instance (\S+) at (\S+)")


def dump_header(instance: str, at: str) -> bytes:
    """The message that says where and when the messages behind it were recorded."""
    text = f"# instance {instance} at {at}".encode()
    return struct.pack("=IHHII", _HEADER_BYTES + len(text), NOOP, 0, 0, 0) + text + b"\0" * (-len(text) % 4)


def recognise(head: bytes) -> bool:
    """Whether netlink messages of this kind begin the content, in either byte order."""
    order = _order(head)
    return order is not None and _plausible(head, 0, order)


def read(source: Source) -> Iterator[TcpRecord]:
    """The sockets, in file order."""
    tally, at_ns, instance = source.tally, source.at_ns, source.instance
    order = ""
    for offset, kind, body in _messages(source):
        if not order:
            order = "<" if kind[0] == "<" else ">"
        number = int(kind[1:])
        if number == NOOP:
            match = _HEADER.fullmatch(body.rstrip(b"\0").decode("utf-8", "replace"))
            try:
                instance, at_ns = (match[1], parse_moment(match[2])) if match else (instance, at_ns)
                tally.dumps += 1 if match else 0
            except ValueError as error:
                at_ns = None
                tally.refuse(f"byte {offset}", f"the header cannot be read: {error}")
        elif number in (SOCK_DIAG_BY_FAMILY, SOCK_DESTROY):
            try:
                fields = fields_of_socket(decode_socket(body, order), order)
            except (ValueError, struct.error) as error:
                tally.refuse(f"byte {offset}", str(error))
                continue
            if at_ns is None:
                tally.refuse(f"byte {offset}", _NO_TIME)
                continue
            fields["at_ns"], fields["instance"], fields["source"] = at_ns, instance, source.name
            if fields["state"] == CLOSED:
                fields["closed_ns"] = at_ns
            yield record_of(fields)
        elif number not in (ERROR, DONE):
            tally.pass_over(f"a netlink message of kind {number}")


def fields_of_socket(socket: Socket, order: str = "=") -> dict[str, object]:
    """All that a socket tells, but for where and when."""
    info = socket.attributes.get(INFO)
    state = STATES[socket.state]
    fields = fields_of_bytes(info, order) if info and state != "LISTEN" else {}
    if (control := socket.congestion_control) is not None:
        fields["congestion_control"] = control
    if (buffer := socket.receive_buffer_bytes(order)) is not None:
        fields["receive_buffer_bytes"] = buffer
    if (buffer := socket.send_buffer_bytes(order)) is not None:
        fields["send_buffer_bytes"] = buffer
    if (dscp := socket.dscp) is not None:
        fields["dscp"] = dscp
    if info and state not in ("LISTEN", "UNCONN"):
        fields["send_queue_bytes"] = socket.send_queue
    fields["state"] = CLOSED if state == "UNCONN" and info else state
    if fields["state"] == CLOSED and (severed := _severed(fields)) is not None:
        fields["severed"] = severed
    fields["local_address"], fields["local_port"] = _address(socket.local), socket.local_port
    fields["peer_address"], fields["peer_port"] = _address(socket.peer), socket.peer_port
    return fields


def _severed(fields: Mapping[str, object]) -> bool | None:
    """Whether the connection ended before the peer had acknowledged this end's FIN; None where its counters do not say.

    What is acknowledged counts, besides the payload, the FIN, and the SYN of the end that opened (``snd_una`` starts
    behind it at the other): both make 2, neither makes 0, and 1 is either.  Anything else says nothing: payload that
    nobody acknowledged, payload that this host dropped itself and so counts as sent twice, data in a SYN.  (Linux:
    tcp_snd_una_update, __tcp_transmit_skb; tried with every way to end on 6.18.)
    """
    acked, sent, again = (fields.get(name) for name in ("bytes_acked", "bytes_sent", "bytes_retransmitted"))
    if not (isinstance(acked, int) and isinstance(sent, int) and isinstance(again, int)):
        return None
    if "min_rtt_ns" not in fields:  # it never came to a connection
        return None
    beyond = acked - (sent - again)
    return {0: True, 2: False}.get(beyond)


@lru_cache(maxsize=65_536)
def _address(packed: bytes) -> str:
    address = ip_address(packed)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)


def _order(head: bytes) -> str | None:
    """The byte order in which the first message's kind makes sense."""
    if len(head) < _HEADER_BYTES:
        return None
    kinds = (NOOP, ERROR, DONE, SOCK_DIAG_BY_FAMILY, SOCK_DESTROY)
    for order in "<>":
        length, kind = struct.unpack_from(order + "IH", head)
        if kind in kinds and _HEADER_BYTES <= length <= MOST_MESSAGE_BYTES:
            return order
    return None


def _plausible(buffer: bytes, at: int, order: str) -> bool:
    """Whether a message may begin here."""
    if len(buffer) - at < _HEADER_BYTES:
        return False
    length, kind = struct.unpack_from(order + "IH", buffer, at)
    if kind in (SOCK_DIAG_BY_FAMILY, SOCK_DESTROY):
        body = buffer[at + _HEADER_BYTES : at + _HEADER_BYTES + 2]
        return (
            _HEADER_BYTES + MESSAGE_BYTES <= length <= MOST_MESSAGE_BYTES
            and len(body) == 2
            and body[0] in (AF_INET, AF_INET6)
            and body[1] in STATES
        )
    return kind in (NOOP, ERROR, DONE) and _HEADER_BYTES <= length <= 4096


def _messages(source: Source) -> Iterator[tuple[int, str, bytes]]:
    """(offset, byte order and kind, body) of each message.

    A message counts only if another one, or the end, follows it: the length of a damaged one leads anywhere.
    """
    buffer, start, at, order, lost, ended = b"", 0, 0, "", False, False
    while not ended:
        block = next(source.blocks, b"")
        ended = not block
        buffer, start, at = buffer[at:] + block, start + at, 0
        if not order:
            if len(buffer) < _HEADER_BYTES and not ended:
                continue
            order = _order(buffer) or "<"
        while len(buffer) - at >= _HEADER_BYTES:
            length, kind = struct.unpack_from(order + "IH", buffer, at)
            end = at + ((length + 3) & ~3)
            plausible = _plausible(buffer, at, order)
            if plausible and not ended and end + _HEADER_BYTES + 2 > len(buffer):
                break
            if plausible and (end == len(buffer) or _plausible(buffer, end, order)):
                lost = False
                yield start + at, f"{order}{kind}", buffer[at + _HEADER_BYTES : at + length]
                at = end
                continue
            if plausible and end > len(buffer):
                break
            if not lost:
                lost = True
                source.tally.refuse(f"byte {start + at}", "a damaged message; looking for the next one")
            at += 4
    rest = len(buffer) - at
    if rest > 0 and not lost:
        source.tally.refuse(f"byte {start + at}", f"the recording breaks off: {rest} bytes of a message are left")
