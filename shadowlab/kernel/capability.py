"""Can the machine's own kernel carry a shadow?  Found out by trying, never by its version.

In: nothing.  Out: what is missing, what each missing piece means, and what would mend it.
Never: a change to the machine: everything is tried in a short-lived child, in namespaces of its own.

Kernels differ in what was built in, what may be loaded, and what a user may do, and none of this can be read off a
version: micro-VMs, WSL, hosted CI runners and minimal cloud kernels all look like any other until they are asked.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass

from shadowlab.errors import ShadowLabError

_PATIENCE_S = 60
"""On an emulated processor the child has been seen to take 18 s; on any other 0.2 s."""
_MODULES = (
    "a kernel with this module (Debian: linux-image-amd64, not linux-image-cloud-amd64; Red Hat: kernel-modules-extra)"
)
_RIGHTS = (
    "root, or unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1, "
    "kernel.apparmor_restrict_unprivileged_userns=0)"
)
_FILTERS = "looking for a packet filter or security module that drops packets in new namespaces"
CONTROL = "congestion control "
_CONGESTION_CONTROLS = ("cubic", "bbr", "reno")


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One thing a shadow needs of a kernel.  ``why`` is the kernel's refusal, empty if the piece is there."""

    name: str
    present: bool
    needed_for: str
    cure: str
    required: bool = True
    why: str = ""

    def __str__(self) -> str:
        if self.present:
            return f"{self.name}: there"
        return f"{self.name}: missing, needed for {self.needed_for} ({self.why}); mend it by {self.cure}"


@dataclass(frozen=True, kw_only=True)
class HostCapability:
    """Everything that was tried.  The host's kernel is chosen only if nothing required is missing."""

    pieces: tuple[Piece, ...]

    @property
    def missing(self) -> tuple[Piece, ...]:
        """The required pieces that are not there."""
        return tuple(piece for piece in self.pieces if piece.required and not piece.present)

    @property
    def congestion_controls(self) -> tuple[str, ...]:
        """Those that a connection in a private segment may use."""
        return tuple(
            piece.name.removeprefix(CONTROL)
            for piece in self.pieces
            if piece.present and piece.name.startswith(CONTROL)
        )


ROW = "netems in a row"
_IMPAIR_ARRIVALS = "impairing what leaves an instance"
_WHAT = {
    "private namespaces": ("a segment without any interface of the host", _RIGHTS),
    "veth": ("links", _MODULES),
    "netem": ("delay, jitter, loss and rate of links", _MODULES),
    ROW: (
        "buffers apart from what is in flight, and losses behind the wire",
        "a kernel whose netem keeps count of what the netem below it drops (CVE-2024-56770), or the embedded one",
    ),
    "ifb": (_IMPAIR_ARRIVALS, _MODULES),
    "matchall and mirred": (_IMPAIR_ARRIVALS, _MODULES),
    "packets": ("anything at all", _FILTERS),
}
"""Each required piece: what it is needed for, and what would mend its absence."""
_NEWER = "a kernel of Linux {} or newer, or the embedded one"
_FOR_SOME_MAPS = {
    "bridge": ("LAN segments", _MODULES),
    "IPv6": ("maps with IPv6", "booting without ipv6.disable=1"),
    "equal-cost routes": ("equal-cost multipath, each router spreading flows by itself", _NEWER.format("5.14")),
    "hash seeds": (
        "routers that spread flows each in its own way, and telling the way of every flow",
        _NEWER.format("6.11"),
    ),
    "policy rules": ("source-routed exceptions", "a kernel with CONFIG_IP_MULTIPLE_TABLES, or the embedded one"),
}
"""The same of what only some maps need."""


def probe_host() -> HostCapability:
    """Try everything in a child.  A child that fails as a whole counts as a machine without private namespaces."""
    outcomes, trouble = outcomes_of_child(__name__)
    names = [*_WHAT, *_FOR_SOME_MAPS, *(CONTROL + name for name in _CONGESTION_CONTROLS)]
    return HostCapability(pieces=tuple(_piece(name, outcomes.get(name, trouble)) for name in names))


def outcomes_of_child(module: str) -> tuple[dict[str, str], str]:
    """What ``main()`` of ``module`` printed in a process of its own, and why what it does not name was not tried."""
    import subprocess

    try:
        child = subprocess.run(
            [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}; import {module} as one; one.main()"],
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        outcomes: dict[str, str] = json.loads(child.stdout) if child.returncode == 0 else {}
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        return {}, str(error)
    last_words = child.stderr.strip().splitlines() or ["the child that tries it ended without a word"]
    return outcomes, "not tried after what failed before it" if outcomes else last_words[-1]


def _piece(name: str, why: str) -> Piece:
    control = name.removeprefix(CONTROL)
    allow = f"modprobe tcp_{control}, and its name in sysctl net.ipv4.tcp_allowed_congestion_control"
    needed_for, cure = (_WHAT | _FOR_SOME_MAPS).get(name, (f"flows that use {control}", allow))
    return Piece(name=name, present=not why, why=why, needed_for=needed_for, cure=cure, required=name in _WHAT)


def main() -> None:
    """The child: try each piece in fresh namespaces and print the refusals as JSON, empty text where there is none."""
    from shadowlab.kernel.netns import enter_private_segment

    outcomes: dict[str, str] = {}
    if _try(outcomes, "private namespaces", enter_private_segment):
        _try_segment(outcomes)
    sys.stdout.write(json.dumps(outcomes))


def _try_segment(outcomes: dict[str, str]) -> None:
    import errno
    import socket
    import time
    from dataclasses import replace

    from shadowlab.kernel.linux import LinuxSegment
    from shadowlab.kernel.ports import ANYWHERE, Hop, Rule, Segment
    from shadowlab.kernel.routing.tables import HASH_SEED
    from shadowlab.kernel.syscalls import refusal
    from shadowlab.model.impairment import Impairment

    def make_link(segment: Segment) -> None:
        for node in ("a", "b"):
            segment.create_namespace(node)
        segment.create_veth(
            node_a="a",
            name_a="ab",
            mac_a="02:00:00:00:00:0a",
            node_b="b",
            name_b="ba",
            mac_b="02:00:00:00:00:0b",
            mtu=1500,
            alias="probe",
        )
        for node, name, address in (("a", "ab", "10.0.0.0"), ("b", "ba", "10.0.0.1")):
            segment.add_address(node, name, address, 31)
            segment.set_link_up(node, name, up=True)
        segment.wait_for_links([("a", "ab"), ("b", "ba")])

    def send(segment: Segment) -> None:
        with (
            segment.open_socket("b", socket.AF_INET, socket.SOCK_DGRAM) as there,
            segment.open_socket("a", socket.AF_INET, socket.SOCK_DGRAM) as here,
        ):
            there.bind(("10.0.0.1", 7))
            there.settimeout(2)
            here.sendto(b"?", ("10.0.0.1", 7))
            there.recv(1)

    def lose_below(segment: Segment) -> None:
        # A kernel that counts wrongly thinks the first netem overfull from the first loss on.
        lossy = Impairment(delay_ns=1_000_000, rate_bps=10**9, loss=1.0)
        segment.set_netem("a", "ab", lossy)
        with segment.open_socket("a", socket.AF_INET, socket.SOCK_DGRAM) as here:
            here.sendto(b"!", ("10.0.0.1", 7))
        time.sleep(0.02)
        segment.set_netem("a", "ab", replace(lossy, loss=0.0))
        send(segment)

    def choose(segment: Segment, control: str) -> None:
        with segment.open_socket("a", socket.AF_INET, socket.SOCK_STREAM) as opened:
            try:
                opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, control.encode())
            except OSError as error:
                words = {errno.ENOENT: "its module is not loaded", errno.EPERM: "it is not among those allowed"}
                number = error.errno or 0
                raise refusal(f"use {control} for a connection", number, words.get(number, "")) from error

    def carry_ipv6(segment: Segment) -> None:
        segment.create_namespace("six", ipv6=True)
        segment.add_address("six", "lo", "2001:db8::1", 128)

    def part(segment: Segment) -> None:
        segment.replace_route("a", "192.0.2.0", 24, [Hop("ab", "10.0.0.1"), Hop("ab", "10.0.0.1")])

    with LinuxSegment() as segment:
        if not _try(outcomes, "veth", lambda: make_link(segment)):
            return
        _try(outcomes, "packets", lambda: send(segment))
        _try(outcomes, "netem", lambda: segment.set_netem("a", "ab", Impairment(delay_ns=1_000_000, rate_bps=10**9)))
        _try(outcomes, ROW, lambda: lose_below(segment))
        if _try(outcomes, "ifb", lambda: segment.create_ifb("a", "probe")):
            _try(outcomes, "matchall and mirred", lambda: segment.redirect_ingress("b", "ba", "i.ba"))
        else:
            outcomes["matchall and mirred"] = "not tried without an IFB"
        _try(outcomes, "bridge", lambda: segment.create_bridge("a", "br", mac="02:00:00:00:00:0c", mtu=1500))
        _try(outcomes, "IPv6", lambda: carry_ipv6(segment))
        _try(outcomes, "equal-cost routes", lambda: part(segment))
        _try(outcomes, "hash seeds", lambda: segment.set_sysctl("a", HASH_SEED, "1"))
        _try(outcomes, "policy rules", lambda: segment.add_rule("a", Rule("192.0.2.1/32", ANYWHERE, 1000, 100)))
        for control in _CONGESTION_CONTROLS:
            _try(outcomes, CONTROL + control, lambda control=control: choose(segment, control))  # type: ignore[misc]


def _try(outcomes: dict[str, str], name: str, attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except (ShadowLabError, OSError) as error:
        outcomes[name] = str(error)
    else:
        outcomes[name] = ""
    return not outcomes[name]
