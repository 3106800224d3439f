"""What the contract's checks share: the two lists, refusals, and small networks to begin with.

Imported inside the guest, where an import is slow: no pytest.  Each check takes a fresh segment and reads as one
sentence: given, when, then.  ``CHECKS`` hold for both implementations; ``LINUX_CHECKS`` need packets or programs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass

from contract_clock import seed

from shadowlab.errors import KernelRefusedError
from shadowlab.kernel.ports import Hop, Segment
from shadowlab.model.impairment import Framing, Impairment, Slot
from shadowlab.model.jitter import JitterShape
from shadowlab.model.loss import Chance, Reorder

Check = Callable[[Segment], None]
CHECKS: list[Check] = []
LINUX_CHECKS: list[Check] = []

MAC_A, MAC_B = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
FULL = Impairment(delay_ns=20_000_123, jitter_ns=1_000_001, loss=0.25, rate_bps=10_000_000, queue_packets=37)
EVERYTHING = Impairment(
    delay_ns=20_000_123,
    jitter_ns=1_000_001,
    loss=0.25,
    rate_bps=10_000_000,
    queue_packets=37,
    jitter_shape=JitterShape(distribution="normal", correlation=0.5),
    loss_correlation=0.125,
    duplicate=Chance(share=0.01, correlation=0.25),
    corrupt=Chance(share=0.02, correlation=0.75),
    reorder=Reorder(share=0.03, correlation=0.5, gap=5),
    framing=Framing(packet_bytes=-10, cell_bytes=48, cell_overhead_bytes=5),
    slot=Slot(least_ns=1_000_000, most_ns=2_000_000, packets=10, bytes=10_000),
    ecn=True,
    seed=seed(42),
)


def assert_near(held: object, wanted: object, where: str = "it") -> None:
    """Equal, but for fractions, which the kernel holds in 32 bits."""
    if isinstance(held, float) and isinstance(wanted, float):
        assert abs(held - wanted) < 1e-9, f"{where} is {held}, not {wanted}"
    elif is_dataclass(held) and type(held) is type(wanted):
        for one in fields(held):
            assert_near(getattr(held, one.name), getattr(wanted, one.name), one.name)
    else:
        assert held == wanted, f"{where} is {held}, not {wanted}"


def both(check: Check) -> Check:
    CHECKS.append(check)
    return check


def linux(check: Check) -> Check:
    LINUX_CHECKS.append(check)
    return check


@contextmanager
def refused(*words: str) -> Iterator[None]:
    """The body is refused, and the message holds every one of ``words``."""
    try:
        yield
    except KernelRefusedError as error:
        missing = [word for word in words if word not in str(error)]
        assert not missing, f"{error} does not say {missing}"
    else:
        raise AssertionError(f"was not refused ({', '.join(words)})")


def try_sysctl(segment: Segment, node: str, key: str, value: str) -> bool:
    """False: this kernel has none of that name."""
    try:
        segment.set_sysctl(node, key, value)
    except KernelRefusedError as error:
        if error.errno_name != "ENOENT":
            raise
        return False
    return True


def say_groups_at_once(segment: Segment, node: str) -> None:
    """Interfaces made from now on tell their multicast groups, twice, within 40 ms rather than two seconds.

    The moments are random: on a real clock such a report now and then falls between two readings of a counter.
    """
    try_sysctl(segment, node, "net/ipv6/conf/default/mldv2_unsolicited_report_interval", "20")


def wait_until_quiet(segment: Segment, nodes: Iterable[str]) -> None:
    """Until no interface of these nodes says anything any more."""
    before: dict[tuple[str, str], int] = {}
    while (now := {(node, name): one.tx_packets for node in nodes for name, one in segment.counters(node).items()}) != (
        before
    ):
        before = now
        time.sleep(0.1)


def wait_until(holds: Callable[[], bool]) -> None:
    """Until it does, three seconds at most: a busy kernel forwards in a thread of its own, and later than it was sent.

    Says nothing of whether it did: what is wrong is the caller's to say.
    """
    patience = time.monotonic() + 3
    while not holds() and time.monotonic() < patience:
        time.sleep(0.01)


def sent_since(segment: Segment, node: str, before: Mapping[str, int], count: int) -> dict[str, int]:
    """How many packets each interface has sent since, once they are ``count`` in all (or never will be)."""

    def since() -> dict[str, int]:
        held = segment.counters(node)
        return {name: held[name].tx_packets - sent for name, sent in before.items()}

    wait_until(lambda: sum(since().values()) >= count)
    return since()


def make_pair(
    segment: Segment, a: str = "a", b: str = "b", number: int = 0, *, mtu: int = 1500, offload: bool = False
) -> None:
    """Two namespaces joined by a link that is up: ``a/ab`` 10.0.n.0 and ``b/ba`` 10.0.n.1."""
    for node in (a, b):
        if node not in segment.namespaces():
            segment.create_namespace(node)
    mac_a, mac_b = f"02:00:00:00:{number:02x}:0a", f"02:00:00:00:{number:02x}:0b"
    segment.create_veth(
        node_a=a,
        name_a=a + b,
        mac_a=mac_a,
        node_b=b,
        name_b=b + a,
        mac_b=mac_b,
        mtu=mtu,
        alias=f"{a}-{b}",
        offload=offload,
    )
    for node, name, own, peer, mac in ((a, a + b, 0, 1, mac_b), (b, b + a, 1, 0, mac_a)):
        segment.add_address(node, name, f"10.0.{number}.{own}", 31)
        segment.add_neighbour(node, name, f"10.0.{number}.{peer}", mac)
        segment.set_link_up(node, name, up=True)
    segment.wait_for_links([(a, a + b), (b, b + a)])


def make_line(segment: Segment, *, mtu: int = 1500, offload: bool = False) -> None:
    """``a`` - ``r`` - ``b`` with routes between the ends' own addresses, 192.0.2.1 and 192.0.2.2."""
    make_pair(segment, "a", "r", 1, mtu=mtu, offload=offload)
    make_pair(segment, "r", "b", 2, mtu=mtu, offload=offload)
    segment.set_sysctl("r", "net/ipv4/ip_forward", "1")
    for node, address in (("a", "192.0.2.1"), ("b", "192.0.2.2"), ("r", "192.0.2.3")):
        segment.add_address(node, "lo", address, 32)
    segment.replace_route("a", "192.0.2.2", 32, [Hop("ar", "10.0.1.1")])
    segment.replace_route("r", "192.0.2.2", 32, [Hop("rb", "10.0.2.1")])
    segment.replace_route("b", "192.0.2.1", 32, [Hop("br", "10.0.2.0")])
    segment.replace_route("r", "192.0.2.1", 32, [Hop("ra", "10.0.1.0")])
