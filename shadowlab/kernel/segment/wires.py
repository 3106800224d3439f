"""The far port of a wire: the end of a tunnel to another host, or of a cable to another lab on this one.

In: the names of namespaces that are there, addresses of the underlay.  Out: a bridge with one port more.
Never: an interface in the machine's own namespace; it goes with the wire's namespace.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from shadowlab.errors import CannotRunError, KernelRefusedError
from shadowlab.kernel import named, netns
from shadowlab.kernel.netlink import NetlinkSocket
from shadowlab.wire import if_link

FAR = "to-host"
"""The port's name."""
_IP_MTU, _IPV6_MTU = 14, 24


def join_by_tunnel(lab: str, node: str, *, bridge: str, vni: int, local: str, remote: str, mtu: int) -> None:
    """Give the wire ``node`` of a named lab the end of a VXLAN tunnel; one that it has goes first.

    Raises KernelRefusedError; ValueError for addresses that do not fit each other; CannotRunError for an underlay whose
    packets are too short: a tunnel at a bridge answers what is too long for it with ICMP, so the link would carry less
    than the map says.
    """
    room = underlay_mtu(local, remote)
    need = mtu + (if_link.VXLAN6_BYTES if ":" in remote else if_link.VXLAN_BYTES)
    if room < need:
        raise CannotRunError(
            f"the underlay from {local} to {remote} carries packets of {room} bytes, and a link of MTU {mtu} needs "
            f"{need} there: raise the MTU of the hosts' interfaces, or state 'mtu: {room - need + mtu}' for the link"
        )
    tried = f"join {node} by VXLAN {vni} from {local} to {remote}"
    with _opened(lab, node) as fd:
        _without(fd, node)
        outside = NetlinkSocket("the underlay").open()
        try:
            request = if_link.new_vxlan(FAR, vni=vni, local=local, remote=remote, mtu=mtu, namespace_fd=fd)
            outside.queue(request, tried)
            outside.flush()
        finally:
            outside.close()
        _take_in(fd, node, bridge, tried)


def underlay_mtu(local: str, remote: str) -> int:
    """The longest packet of the way to another host, as far as this one knows."""
    family, level, option = (
        (socket.AF_INET6, socket.IPPROTO_IPV6, _IPV6_MTU)
        if ":" in remote
        else (socket.AF_INET, socket.IPPROTO_IP, _IP_MTU)
    )
    with socket.socket(family, socket.SOCK_DGRAM) as asked:
        try:
            asked.bind((local, 0))
            asked.connect((remote, if_link.VXLAN_PORT))
            return asked.getsockopt(level, option)
        except OSError as error:
            raise CannotRunError(f"no way from {local} to {remote} in the underlay: {error.strerror}") from error


def join_by_cable(lab: str, other_lab: str, node: str, *, bridge: str, mtu: int) -> None:
    """The same between two labs of this machine, by a veth pair."""
    tried = f"join {node} of two labs"
    with _opened(lab, node) as one, _opened(other_lab, node) as other:
        for fd in (one, other):
            _without(fd, node)
        index = 1 << 20  # beyond those that labs count
        near, far = (
            if_link.VethEnd(name=FAR, ifindex=index + number, mac=f"02:58:00:00:00:{number:02x}", namespace_fd=fd)
            for number, fd in enumerate((one, other))
        )
        outside = NetlinkSocket("the machine").open()
        try:
            outside.queue(if_link.new_veth(near, far, mtu, f"wire {node}"), tried)
            outside.flush()
        finally:
            outside.close()
        for fd in (one, other):
            _take_in(fd, node, bridge, tried)


@contextmanager
def _opened(lab: str, node: str) -> Iterator[int]:
    fd = named.open_name(lab, node)
    if fd is None:
        raise KernelRefusedError(tried=f"find the wire {node}", errno_name="ENOENT", why="its namespace is gone")
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def _inside(fd: int, node: str) -> Iterator[NetlinkSocket]:
    home = netns.open_own_namespace()
    try:
        with netns.visit(fd, home, node):
            netlink = NetlinkSocket(node).open()
    finally:
        os.close(home)
    try:
        yield netlink
    finally:
        netlink.close()


def _without(fd: int, node: str) -> None:
    with _inside(fd, node) as netlink:
        index = _indices(netlink, node).get(FAR)
        if index is not None:
            netlink.queue(if_link.delete_link(index), f"remove the far port of {node}")
            netlink.flush()


def _take_in(fd: int, node: str, bridge: str, tried: str) -> None:
    with _inside(fd, node) as netlink:
        indices = _indices(netlink, node)
        netlink.queue(if_link.set_master(indices[FAR], indices[bridge]), tried)
        netlink.queue(if_link.set_link_up(indices[FAR], up=True), tried)
        netlink.flush()


def _indices(netlink: NetlinkSocket, node: str) -> dict[str, int]:
    bodies = netlink.dump(if_link.get_links(), f"read the links of {node}")
    return {one.name: one.ifindex for one in map(if_link.parse_link, bodies)}
