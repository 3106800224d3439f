"""Records become connections between the instances of the map.

In: records of one or several files, a network, rules for what the map does not say.  Out: an :class:`Attachment`:
connections, each with what either end saw over time, and what was left out with its reason.
Never: an error for a record of an unknown instance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

from shadowlab.model.flow import Path
from shadowlab.model.network import Network
from shadowlab.model.telemetry import TcpRecord
from shadowlab.telemetry.clock import ClockJump, steadied
from shadowlab.telemetry.intervals import accumulated
from shadowlab.telemetry.rules import NO_RULES, Rules

EXAMPLES_KEPT = 5
"""Records named per reason for leaving out."""

_LIVE = frozenset(("ESTAB", "CLOSED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "LAST-ACK", "CLOSING"))
_EVERYWHERE = ("127.", "::1", "fe80:", "169.254.")
"""Begin addresses that every machine has, or that mean something on one link only: they identify nobody."""
_Key = tuple[str, int, str, int]


@dataclass(frozen=True, kw_only=True)
class Connection:
    """One TCP connection.  ``source`` is the node that sent more bytes; the records of each end ascend in time.

    Either tuple of records may be empty (that end was not recorded), never both.
    """

    source: str
    target: str
    source_address: str
    source_port: int
    target_address: str
    target_port: int
    sender_records: tuple[TcpRecord, ...]
    receiver_records: tuple[TcpRecord, ...]

    @property
    def path(self) -> Path:
        """The ordered pair of instances."""
        return Path(source=self.source, target=self.target)


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Records that were not attached, for one reason; a few of them by name."""

    reason: str
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """``records`` counts what came in, ``attached`` those that are part of a connection."""

    connections: tuple[Connection, ...]
    records: int
    attached: int
    left_out: tuple[LeftOut, ...]
    clock_jumps: tuple[ClockJump, ...] = ()
    """Clocks that leapt: the times after them were put right."""


NOTHING_ATTACHED = Attachment(connections=(), records=0, attached=0, left_out=())
"""Of a scenario without telemetry."""


def attach(records: Sequence[TcpRecord], network: Network, rules: Rules = NO_RULES) -> Attachment:
    """Group records into connections.

    A record's own end is found by the name in its dump's header (a node's id or its label), or by a rule for that
    name, or else by its local address; its peer by the address, by a rule for it, or by its name. Where the map
    states no address of an instance of one family, IPv4 or IPv6, the local addresses of that family in its own dumps
    are its addresses: maps such as the Topology Zoo's know no addresses at all, many know those of IPv4 only. The two
    ends of a connection find each other by their reversed addresses and ports.

    Addresses that a rule translates are read as what stands behind them.  A connection to a balancer is one to the
    backend that recorded it, or, if none did, to one that its addresses and ports choose among them all.

    Records of one instance are to come in the order in which they were recorded: then a clock that leapt is found, and
    its times are put right.
    """
    records, jumps = steadied(records)
    finder = _Finder(network, rules, records)
    tally = _Tally()
    ends: dict[_Key, tuple[str, str, list[TcpRecord]]] = {}
    total = 0
    for record in records:
        total += 1
        why, own, peer, key = finder.place(record)
        if why:
            tally.add(why, record)
            continue
        ends.setdefault(key, (own, peer, []))[2].append(record)
    connections = [
        _connection(key, ends, tally)
        for key in sorted(ends)
        if key <= _reversed(key) or _reversed(key) not in ends or _both_send(key, ends)  # each pair once
    ]
    connections.sort(key=lambda one: (one.source, one.target, one.target_port, one.source_port, one.source_address))
    return Attachment(
        connections=tuple(connections),
        records=total,
        attached=total - tally.total,
        left_out=tally.result(),
        clock_jumps=jumps,
    )


class _Tally:
    """Counts what is left out, by reason."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._examples: dict[str, list[str]] = {}
        self.total = 0

    def add(self, reason: str, record: TcpRecord) -> None:
        self.total += 1
        self._counts[reason] = self._counts.get(reason, 0) + 1
        examples = self._examples.setdefault(reason, [])
        text = (
            f"{record.instance}: {record.local_address}:{record.local_port} → {record.peer_address}:{record.peer_port}"
        )
        if len(examples) < EXAMPLES_KEPT and text not in examples:
            examples.append(text)

    def result(self) -> tuple[LeftOut, ...]:
        return tuple(
            LeftOut(reason=reason, count=count, examples=tuple(self._examples[reason]))
            for reason, count in sorted(self._counts.items())
        )


def _owners(network: Network, records: Iterable[TcpRecord], names: Mapping[str, str]) -> Mapping[str, str]:
    """Address to node id; an address that two nodes claim identifies neither and maps to an empty text."""
    owners: dict[str, str] = {}

    def claim(address: str, node: str) -> None:
        owners[address] = "" if owners.get(address, node) != node else node

    for node in network.nodes:
        for address in node.addresses:
            claim(address, node.id)
    stated = set(owners)
    silent = {
        (node.id, ipv6)
        for node in network.nodes
        for ipv6 in (False, True)
        if not any((":" in address) == ipv6 for address in node.addresses)
    }
    for record in records:
        address, own = record.local_address, names.get(record.instance, "")
        if not address or address in stated or address.startswith(_EVERYWHERE) or record.state not in _LIVE:
            continue
        if (own, ":" in address) in silent:
            claim(address, own)
    return owners


class _Finder:
    """Which nodes a record is about."""

    def __init__(self, network: Network, rules: Rules, records: Sequence[TcpRecord]) -> None:
        self._network = network
        self._rules = rules
        self._names = {node.id: node.id for node in network.nodes}
        labels = Counter(node.label for node in network.nodes if node.label)
        self._names |= {
            node.label: node.id for node in network.nodes if labels[node.label] == 1 and node.label not in self._names
        }
        self._owners = _owners(network, records, self._names)
        # By a client's address and port: who recorded a connection from there, and at which of its own ends.
        self._heard_from: dict[tuple[str, int], dict[str, tuple[str, int]]] = {}
        if rules.balancers:
            for record in records:
                own = self._by_name(record.instance) or self._by_address(record.local_address)
                if own:
                    heard = self._heard_from.setdefault((record.peer_address, record.peer_port), {})
                    heard[own] = (record.local_address, record.local_port)

    def place(self, record: TcpRecord) -> tuple[str, str, str, _Key]:
        """Why the record cannot be attached (or an empty text), its own node, its peer's, the connection's key."""
        nowhere: _Key = ("", 0, "", 0)
        if record.scope == "host":
            return ("a total of the whole instance, not of one connection", "", "", nowhere)
        if record.state not in _LIVE:
            return (f"a socket in state {record.state} carries no data", "", "", nowhere)
        if (record.local_address and record.peer_address == record.local_address) or _is_loopback(record.local_address):
            return ("the connection stays inside its instance", "", "", nowhere)
        local_address, local_port = self._rules.translated(record.local_address, record.local_port)
        peer_address, peer_port = self._rules.translated(record.peer_address, record.peer_port)
        by_address = self._by_address(local_address)
        own = self._by_name(record.instance) or by_address
        if not own:
            return (f"instance {record.instance!r} is not a node of the map, nor is its address", "", "", nowhere)
        if by_address and by_address != own:
            return (f"recorded on {own}, but its local address belongs to {by_address}", "", "", nowhere)
        backends = self._rules.backends(peer_address, peer_port)
        if backends:
            peer, peer_address, peer_port = self._backend(backends, record)
        else:
            peer = self._by_address(peer_address) or self._by_name(record.peer)
        if not peer:
            if self._owners.get(peer_address) == "":
                return ("the peer's address belongs to several nodes of the map", "", "", nowhere)
            return ("the peer's address belongs to no node of the map", "", "", nowhere)
        for end in (own, peer):
            node = self._network.nodes_by_id.get(end)
            if node is None:
                return (f"a rule names {end!r}, which is not a node of the map", "", "", nowhere)
            if node.kind != "host":
                return (f"the connection ends at the {node.kind} {end}", "", "", nowhere)
        if own == peer:
            return ("the connection stays inside its instance", "", "", nowhere)
        return ("", own, peer, (local_address or own, local_port, peer_address or peer, peer_port))

    def _by_name(self, name: str) -> str:
        if not name:
            return ""
        return self._names.get(name) or self._rules.node_of_name(name)

    def _by_address(self, address: str) -> str:
        return self._owners.get(address, "") or self._rules.node_of_address(address)

    def _backend(self, backends: tuple[str, ...], record: TcpRecord) -> tuple[str, str, int]:
        """The backend that recorded this client, and its own end; if not one did, a node that the ends choose."""
        heard = self._heard_from.get((record.local_address, record.local_port), {})
        known = [node for node in backends if node in heard]
        if len(known) == 1:
            return (known[0], *heard[known[0]])
        chosen = backends[crc32(repr(record.connection).encode()) % len(backends)]
        node = self._network.nodes_by_id.get(chosen)
        return (chosen, node.addresses[0] if node is not None and node.addresses else chosen, record.peer_port)


def _is_loopback(address: str) -> bool:
    return address.startswith("127.") or address == "::1"


def _reversed(key: _Key) -> _Key:
    return (key[2], key[3], key[0], key[1])


def _both_send(key: _Key, ends: Mapping[_Key, tuple[str, str, list[TcpRecord]]]) -> bool:
    """Whether these are totals between two nodes, without ports, and each node tells what it sent: two demands then,
    not the two ends of one connection."""
    if key[1] or key[3] or _reversed(key) not in ends:
        return False
    return all(
        any(one.scope == "pair" for one in records) and _bytes_sent(tuple(records), ()) > 0
        for _, _, records in (ends[key], ends[_reversed(key)])
    )


def _connection(key: _Key, ends: Mapping[_Key, tuple[str, str, list[TcpRecord]]], tally: _Tally) -> Connection:
    own, peer, mine = ends[key]
    one_way = _both_send(key, ends)
    _, _, theirs = (peer, own, []) if one_way else ends.get(_reversed(key), (peer, own, []))
    here, there = _over_time(mine, tally), _over_time(theirs, tally)
    if not one_way and _bytes_sent(there, here) > _bytes_sent(here, there):
        key, own, peer, here, there = _reversed(key), peer, own, there, here
    return Connection(
        source=own,
        target=peer,
        source_address=key[0],
        source_port=key[1],
        target_address=key[2],
        target_port=key[3],
        sender_records=here,
        receiver_records=there,
    )


def _over_time(records: list[TcpRecord], tally: _Tally) -> tuple[TcpRecord, ...]:
    """One end's records in ascending time, of the newest connection that used these ports."""
    kept: list[TcpRecord] = []
    counts_from_opening = any(record.from_ns is None for record in records)
    for record in sorted(records, key=lambda one: one.at_ns):
        if record.from_ns is not None and counts_from_opening:
            tally.add("an interval of a connection whose counters another source knows", record)
        elif kept and kept[-1].at_ns == record.at_ns:
            tally.add("the same socket twice at the same moment", record)
        elif kept and record.from_ns is not None and record.from_ns < kept[-1].at_ns:
            tally.add("an interval that overlaps the one before", record)
        elif kept and record.from_ns is None and _went_back(kept[-1], record):
            for old in kept:
                tally.add("an earlier connection with the same addresses and ports", old)
            kept = [record]
        else:
            kept.append(record)
    return tuple(accumulated(kept)) if kept else ()


def _went_back(before: TcpRecord, after: TcpRecord) -> bool:
    """Whether a counter that never falls fell: then the second record belongs to another connection."""
    for name in ("bytes_acked", "bytes_received", "segments_out", "data_segments_out"):
        old, new = getattr(before, name), getattr(after, name)
        if old is not None and new is not None and new < old:
            return True
    return False


def _bytes_sent(own: tuple[TcpRecord, ...], other: tuple[TcpRecord, ...]) -> int:
    """The most that either end knows about what ``own`` sent; 0 if nobody knows."""
    known = [
        value
        for record in own
        for value in (record.bytes_acked, record.bytes_sent, record.wire_bytes_out)
        if value is not None
    ]
    known += [value for record in other for value in (record.bytes_received, record.wire_bytes_in) if value is not None]
    return max(known, default=0)
