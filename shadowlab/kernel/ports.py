"""The door to Linux, as Protocols: what the acting rooms may ask of a kernel.

In: plain values.  Out: plain values, or :class:`~shadowlab.errors.KernelRefusedError` naming the object.
Two implementations pass one contract suite: :mod:`shadowlab.kernel.linux` and :mod:`shadowlab.kernel.fake`.
Imported inside the guest: standard library only.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from shadowlab.model.impairment import Impairment
from shadowlab.model.queue import Shaper

MAIN_TABLE = 254
"""The routing table that is asked when no rule leads to another one."""
ANYWHERE = ""
"""In a rule: whatever the address."""


class Hop(NamedTuple):
    """One way onwards: out of an interface, to a gateway, or (None) straight to whoever has the address.

    Of several it gets ``weight`` (1 to 256) parts of the flows."""

    interface: str
    via: str | None = None
    weight: int = 1


class InitialWindows(NamedTuple):
    """With how many segments the connections by a route begin: what their sender sends before the first
    acknowledgement, and what their receiver announces (it only ever lowers the kernel's 64 kB).  0: the kernel's."""

    cwnd: int = 0
    rwnd: int = 0


KERNELS_WINDOWS = InitialWindows()


class Route(NamedTuple):
    """One route of a table.  ``hops``: equal-cost ways, of which each flow takes one; none in a black hole."""

    destination: str
    prefix: int
    hops: tuple[Hop, ...]
    kind: Literal["unicast", "blackhole"] = "unicast"
    table: int = MAIN_TABLE
    windows: InitialWindows = KERNELS_WINDOWS


class Rule(NamedTuple):
    """Which table serves packets from and to certain addresses: how an exception to shortest paths is made.

    ``source`` and ``destination`` are prefixes (``192.0.2.1/32``, ``2001:db8::/64``) or :data:`ANYWHERE`, not both.
    Of the rules that fit, the one with the least ``priority`` is asked first; main's has 32766.  A table without a
    route for the packet leaves it to the next rule."""

    source: str
    destination: str
    table: int
    priority: int


class Flow(NamedTuple):
    """What tells flows between the same two addresses apart."""

    protocol: Literal["tcp", "udp"]
    source_port: int
    destination_port: int


@dataclass(frozen=True, kw_only=True)
class InterfaceCounters:
    """The counters of one interface and its queue, read at one moment: the discipline below a shaper, else the root.

    Of netems in a row ``queue_packets`` are those that wait for the wire, and ``queue_bytes`` count the one that is
    being sent as well.  A netem by itself holds all that are on their way."""

    tx_packets: int
    tx_bytes: int
    rx_packets: int
    rx_bytes: int
    queue_drops: int
    queue_packets: int
    queue_bytes: int
    queue_sent_packets: int
    queue_sent_bytes: int
    queue_marks: int = 0
    """Packets marked (ECN) instead of dropped."""
    queue_overlimits: int = 0
    """Times that a packet had to wait for a rate, or met a full queue; the kernel's disciplines count differently."""
    queue_losses: int = 0
    """Of the drops those by chance, where they are told apart: behind a wire of its own (three netems in a row)."""
    queue_requeues: int = 0
    """Times that the interface would not take a packet, which then went back into the queue."""


@dataclass(frozen=True, kw_only=True)
class NextHop:
    """Where the kernel would send a packet: by which interface, to which gateway (None: on-link or local)."""

    interface: str
    via: str | None
    local: bool


@dataclass(frozen=True, kw_only=True)
class ScriptOutcome:
    """What a child program left behind."""

    exit_code: int
    output: str
    timed_out: bool


class Segment(Protocol):
    """An isolated set of namespaces made by us.  Entering it opens it, leaving removes all of it."""

    def __enter__(self) -> Segment: ...
    def __exit__(self, *exc: object) -> None: ...

    def batch(self) -> AbstractContextManager[None]:
        """Changes inside may be collected and sent together: a refusal may come later, at the latest at the end, but
        names its object all the same.  Reading inside is allowed and sees all changes before it.  Not nested."""

    def create_namespace(self, node: str, *, ipv6: bool = False) -> None:
        """Loopback up, forwarding off, no redirects sent, no reverse-path filter, no TCP metrics kept, and no IPv6
        unless it is asked for: then without duplicate address detection, autoconfiguration, router solicitations and
        link-local addresses.  What an interface still says by itself is which multicast groups it listens to (MLD), in
        the moments after it comes up or is given an address."""

    def delete_namespace(self, node: str) -> None:
        """Its links must be gone (EBUSY); what else it holds goes with it."""

    def namespaces(self) -> tuple[str, ...]: ...
    def set_sysctl(self, node: str, key: str, value: str) -> None:
        """``key`` with slashes, below ``/proc/sys`` (``net/ipv4/ip_forward``); read back and compared."""

    def read_sysctl(self, node: str, key: str) -> str: ...

    def create_veth(
        self,
        *,
        node_a: str,
        name_a: str,
        mac_a: str,
        node_b: str,
        name_b: str,
        mac_b: str,
        mtu: int,
        alias: str,
        offload: bool = False,
    ) -> None:
        """A veth pair, both ends born in place, one transmit queue, alias set, still down.

        Unless ``offload`` is asked for, ``gso_max_segs`` is 1: what the socket layer would send as one packet of 64 kB
        counts as one to loss, reordering and limits."""

    def create_bridge(self, node: str, name: str, *, mac: str, mtu: int, alias: str = "") -> None:
        """A LAN segment's switch, up: no spanning tree, no forwarding delay, no multicast snooping.  It carries as soon
        as one of its ports does."""

    def set_bridge_port(self, node: str, name: str, bridge: str | None) -> None:
        """Make an interface a port of a bridge in the same node; None: of none."""

    def bridge_ports(self, node: str) -> tuple[tuple[str, str], ...]:
        """(bridge, interface) of every port, sorted."""

    def delete_link(self, node: str, name: str) -> None:
        """An interface, and the other end of a veth with it.  A bridge leaves its ports behind."""

    def set_link_up(self, node: str, name: str, *, up: bool) -> None: ...
    def links(self, node: str) -> Mapping[str, bool]:
        """Interface names (loopback left out) and whether each carries packets: up, and a veth's other end too."""

    def wait_for_links(self, interfaces: Sequence[tuple[str, str]]) -> None:
        """Return once each (node, interface) carries packets.  The kernel tells of a carrier a moment after it came;
        a SYN sent in that moment may be lost, which costs a second.  Refused with ETIMEDOUT after five seconds.

        The IPv6 addresses of these interfaces and of their nodes' loopbacks are waited for as well: the kernel takes
        one at once, but what is sent there in the next moment may be lost."""

    def add_address(self, node: str, name: str, address: str, prefix: int) -> None:
        """An address, of IPv4 or IPv6 as its text tells.  On ``lo`` it is the node's own: the source of whatever the
        node sends beyond a link.  That of any other interface serves its neighbours: IPv4's has link scope, IPv6's is
        deprecated, which lets it be the source only where the node has no other.  It stays when the link goes down."""

    def addresses(self, node: str) -> tuple[tuple[str, str, int], ...]:
        """(interface, address, prefix), loopback's 127.0.0.1 and ::1 left out."""

    def add_neighbour(self, node: str, name: str, address: str, mac: str) -> None:
        """Permanent, so that no packet waits for ARP; comes back by itself when the interface goes down and up."""

    def delete_neighbour(self, node: str, name: str, address: str) -> None:
        """Forget a permanent neighbour; nothing happens if there is none."""

    def neighbours(self, node: str) -> tuple[tuple[str, str, str], ...]:
        """(interface, address, MAC) of the permanent ones."""

    def replace_route(
        self,
        node: str,
        destination: str,
        prefix: int,
        hops: Sequence[Hop],
        *,
        table: int = MAIN_TABLE,
        windows: InitialWindows = KERNELS_WINDOWS,
    ) -> None:
        """Install a route or put it in the place of the one that is there.

        Of several hops each flow keeps to one, by their weights and
        a hash over addresses, protocol and ports (policy 3 over these five:
        policy 1 would trust the hash that the sender's socket gave the packet, alike in all routers and unknown to
        :meth:`next_hop`).  A hop whose interface is down is not used, a route whose interfaces are all down is gone;
        when an interface is deleted, IPv4 loses every route that had a hop there, IPv6 the hop."""

    def replace_by_black_hole(self, node: str, destination: str, prefix: int, *, table: int = MAIN_TABLE) -> None:
        """As :meth:`replace_route`, but what matches is dropped without a word."""

    def delete_route(self, node: str, destination: str, prefix: int, *, table: int = MAIN_TABLE) -> None:
        """Remove a route with all its hops, or a black hole (ESRCH: there is none)."""

    def routes(self, node: str) -> tuple[Route, ...]:
        """Every route but the kernel's own, sorted: of all tables, without the hops whose interface is down."""

    def add_rule(self, node: str, rule: Rule) -> None:
        """Serve what the rule matches from its table (EEXIST: there is such a rule)."""

    def delete_rule(self, node: str, rule: Rule) -> None:
        """ENOENT: there is no such rule."""

    def rules(self, node: str) -> tuple[Rule, ...]:
        """The rules added here, sorted; not the kernel's own."""

    def next_hop(
        self, node: str, destination: str, source: str, arrived_by: str | None = None, flow: Flow | None = None
    ) -> NextHop | None:
        """The kernel's own answer (RTM_GETROUTE); None when it has no route, or a black hole.

        For a packet of the node's own ``source`` is one of its addresses; for one that is passing through,
        ``arrived_by`` is the interface it came in by (the kernel refuses to send with a foreign source).
        Of equal-cost hops it is the one that the packets of ``flow`` take; without a flow it is one of them, nobody's
        in particular.  A lookup hashes transit of IPv6 and a node's own packets of IPv4 otherwise than these packets
        are: of them the hop is computed and the computation is held against the lookup, which takes a seed that was
        set (``net/ipv4/fib_multipath_hash_seed``, Linux 6.11).  EOPNOTSUPP: there is none, or it was held in vain.
        """

    def set_netem(self, node: str, name: str, impairment: Impairment) -> None:
        """Create or change in place the netem of an interface, or several in a row (``Impairment.netems``); read back
        and compared.  What waits is kept, unless slots or duplicates, which take a netem by itself, are asked of
        several."""

    def read_netem(self, node: str, name: str) -> Impairment | None:
        """What the kernel holds, however many netems it takes (``queue_packets`` is derived from a limit), or None: no
        netem there."""

    def set_shaper(self, node: str, name: str, shaper: Shaper) -> None:
        """Create or change in place a rate and its queue discipline as the root of an interface; read back and
        compared.  What waits is kept unless the kind of the discipline changes, or a limit falls below it."""

    def read_shaper(self, node: str, name: str) -> Shaper | None:
        """What the kernel holds, or None: no shaper there.  Its units are coarser: CoDel's 5 ms read 4.999."""

    def redirect_ingress(self, node: str, name: str, ifb: str) -> None:
        """Create the IFB ``ifb`` (one queue, up) and send all that arrives at ``name`` through it; nothing happens if
        that is so already."""

    def counters(self, node: str) -> Mapping[str, InterfaceCounters]:
        """Counters of every interface of a node (loopback left out), in two netlink dumps."""

    def open_socket(self, node: str, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """A non-blocking, close-on-exec socket that lives in the node's namespace."""

    def run_script(
        self, node: str, argv: Sequence[str], environment: Mapping[str, str], timeout_ns: int, text: str
    ) -> ScriptOutcome:
        """A child inside the node's namespace with ``text`` as its standard input, killed with all its children after
        ``timeout_ns`` of the segment's clock; output cut after 64 kB."""
