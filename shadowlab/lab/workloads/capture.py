"""A recorded capture becomes the packets a replay sends: those of one node, with the map's addresses.

In: a capture file of any format :mod:`shadowlab.telemetry.capture` reads, which of its addresses stand for which nodes,
the nodes' addresses in the shadow.  Out: the octets of a packet file (see :mod:`shadowlab.traffic.replays`), and what
was left out, counted by reason.  Never: a loop without a bound.

Of each frame the outermost IP packet is taken.  Its addresses are replaced, its hop limit is set anew, what the capture
had cut off is zeros, and checksums are computed again (RFC 791, RFC 8200, RFC 9293, RFC 768).  Fragments are sent as
they are, without a new transport checksum.
"""

from __future__ import annotations

import ipaddress
import json
import struct
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from shadowlab.errors import Fault, InputError
from shadowlab.model.traffic.workload import Replay, Workload
from shadowlab.telemetry.blocks import read_blocks
from shadowlab.telemetry.capture.packets.account import Account
from shadowlab.telemetry.capture.packets.layers import DEPTH, IPV4, IPV6, Group, LayerReader
from shadowlab.telemetry.capture.packets.open import read_frames
from shadowlab.telemetry.tally import Tally
from shadowlab.traffic.replays import HEAD

MOST_PACKETS = 1_000_000
_TCP, _UDP = 6, 17
_PROTOCOLS = {_TCP: ("tcp", 16), _UDP: ("udp", 6)}
"""By IP protocol: its name, and where its checksum stands."""
_HOPS = 64


@dataclass(frozen=True, kw_only=True)
class Packets:
    """``file`` for the inside; ``kept`` packets in it; ``left_out`` counts the others by reason."""

    file: bytes
    kept: int
    left_out: Mapping[str, int]


def with_files(
    workloads: Sequence[Workload], addresses: Mapping[str, str], addresses6: Mapping[str, str]
) -> tuple[tuple[Workload, ...], dict[str, Packets]]:
    """The workloads as the inside is to read them, and the files (by name, for the run's folder) that replays send.

    Raises InputError for a capture that cannot be read, or holds nothing of its node.
    """
    files: dict[str, Packets] = {}
    found: list[Workload] = []
    for one in workloads:
        if isinstance(one, Replay):
            name = f"replay-{one.name}.packets"
            try:
                with Path(one.file).open("rb") as stream:
                    blocks = read_blocks(stream, Tally(one.file))
                    files[name] = packets_of(one, blocks, addresses, addresses6)
            except OSError as error:
                raise InputError(Fault(place=one.file, message=f"cannot be read: {error.strerror}")) from error
            one = replace(one, file=name)
        found.append(one)
    return tuple(found), files


def packets_of(
    replay: Replay, blocks: Iterator[bytes], addresses: Mapping[str, str], addresses6: Mapping[str, str]
) -> Packets:
    """The packets whose source stands for the replay's node and whose destination for another one.

    Raises InputError if the file is no capture, or holds no such packet.
    """
    name = str(Path(replay.file).name)
    account = Account(name=name)
    known = _known(replay, addresses, addresses6)
    left_out: Counter[str] = Counter()
    body: list[bytes] = []
    mute: dict[tuple[str, str, str, int], None] = {}
    first_ns: int | None = None
    last_ns = 0
    for at_ns, captured, length in _ip_packets(blocks, account):
        source, destination = _ends(captured)
        if known.get(source, ("", b""))[0] != replay.node:
            left_out["sent by others"] += 1
            continue
        target, to = known.get(destination, ("", b""))
        if not target or target == replay.node:
            left_out["to an address that stands for no other node"] += 1
            continue
        if len(body) >= MOST_PACKETS:
            left_out[f"beyond {MOST_PACKETS} packets"] += 1
            continue
        packet, port = _rewritten(captured.ljust(length, b"\0"), known[source][1], to)
        if port is not None:
            mute[target, port[0], ipaddress.ip_address(to).compressed, port[1]] = None
        first_ns = at_ns if first_ns is None else first_ns
        # A clock that was set back during the capture does not stop the replay.
        last_ns = max(last_ns, at_ns - first_ns)
        body.append(HEAD.pack(last_ns, len(packet)) + packet)
    left_out.update(account.left_out)
    if not body:
        reasons = "; ".join(f"{reason}: {count}" for reason, count in sorted(left_out.items())) or "it is empty"
        raise InputError(
            Fault(place=name, message=f"replay {replay.name}: no packet of {replay.node} in it ({reasons})")
        )
    head = json.dumps({"mute": [list(one) for one in mute]}).encode() + b"\n"
    return Packets(file=b"".join([head, *body]), kept=len(body), left_out=dict(sorted(left_out.items())))


def _known(
    replay: Replay, addresses: Mapping[str, str], addresses6: Mapping[str, str]
) -> dict[bytes, tuple[str, bytes]]:
    """By packed address of the capture: the node and its own packed address of the same family."""
    found = {}
    for text, node in replay.addresses.items():
        try:
            old = ipaddress.ip_address(text)
        except ValueError as error:
            raise InputError(f"replay {replay.name}: {text!r} is not an IP address") from error
        new = (addresses if old.version == 4 else addresses6).get(node)
        if new is None:
            family = "" if node not in addresses else f" over IPv{old.version}"
            raise InputError(
                f"replay {replay.name}: {node!r}, which {text} stands for, is no node of the shadow{family}"
            )
        found[old.packed] = (node, ipaddress.ip_address(new).packed)
    return found


def _ip_packets(blocks: Iterator[bytes], account: Account) -> Iterator[tuple[int, bytes, int]]:
    """Moment, octets as captured, and true length of the outermost IP packet of each frame, in the file's order."""
    for frames in read_frames(blocks, account):
        reader = LayerReader(frames, account)
        found: list[Group] = []
        waiting = list(reader.groups())
        for _ in range(DEPTH):
            following: list[Group] = []
            for group in waiting:
                if group.kind in (IPV4, IPV6):
                    found.append(group)
                elif len(group.index):
                    following += reader.step(group)
            waiting = following
        octets = frames.octets.tobytes()
        rows = [
            (int(index), int(at), int(end), int(wire_end))
            for group in found
            for index, at, end, wire_end in zip(group.index, group.at, group.end, group.wire_end, strict=True)
        ]
        for index, at, end, wire_end in sorted(rows):
            captured = octets[at:end]
            length = _length(captured, wire_end - at)
            if length is None:
                account.leave_out("an IP packet cut inside its header, or damaged", 1)
            else:
                yield int(frames.at_ns[index]), captured[:length], length


def _length(packet: bytes, on_wire: int) -> int | None:
    """The packet's length without the padding of its frame; None if its header is not whole."""
    if len(packet) >= 20 and packet[0] >> 4 == 4:
        total = struct.unpack_from("!H", packet, 2)[0] or on_wire
        header = (packet[0] & 15) * 4
        return total if 20 <= header <= min(total, len(packet)) and total <= max(on_wire, len(packet)) else None
    if len(packet) >= 40 and packet[0] >> 4 == 6:
        total = 40 + struct.unpack_from("!H", packet, 4)[0]
        return total if total <= max(on_wire, len(packet)) else None
    return None


def _ends(packet: bytes) -> tuple[bytes, bytes]:
    return (packet[12:16], packet[16:20]) if packet[0] >> 4 == 4 else (packet[8:24], packet[24:40])


def _rewritten(packet: bytes, source: bytes, destination: bytes) -> tuple[bytes, tuple[str, int] | None]:
    """The packet between other addresses, and the transport and port it goes to, if it has one."""
    new = bytearray(packet)
    if packet[0] >> 4 == 4:
        new[8], new[10:12], new[12:16], new[16:20] = _HOPS, b"\0\0", source, destination
        begin, protocol = (packet[0] & 15) * 4, packet[9]
        fragment = struct.unpack_from("!H", packet, 6)[0] & 0x3FFF != 0
        new[10:12] = struct.pack("!H", _checksum(bytes(new[:begin])))
    else:
        new[7], new[8:24], new[24:40] = _HOPS, source, destination
        begin, protocol, fragment = 40, packet[6], False  # behind an extension header nothing is looked for
    if fragment or protocol not in _PROTOCOLS or len(new) < begin + (20 if protocol == _TCP else 8):
        return bytes(new), None
    name, place = _PROTOCOLS[protocol]
    at = begin + place
    if protocol == _TCP or new[at : at + 2] != b"\0\0" or packet[0] >> 4 == 6:  # 0: UDP over IPv4 without one
        new[at : at + 2] = b"\0\0"
        payload = bytes(new[begin:])
        pseudo = source + destination + struct.pack("!II", len(payload), protocol)
        new[at : at + 2] = struct.pack("!H", _checksum(pseudo + payload) or 0xFFFF)
    return bytes(new), (name, struct.unpack_from("!H", new, begin + 2)[0])


def _checksum(octets: bytes) -> int:
    """RFC 1071."""
    words = array("H", octets + b"\0" * (len(octets) & 1))
    total = sum(words)
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~int.from_bytes(total.to_bytes(2, "little"), "big") & 0xFFFF
