"""Namespaces with a name, as ``ip netns`` shows them: they outlive the program, and each carries our mark.

In: a lab's id, nodes.  Out: names ``/run/netns/sl-<lab>-<node>``, made, found again, taken away.
Never: a name taken away that does not carry the mark of that very lab and node, whatever it is called.

The mark is written twice: in the file that the namespace is mounted on, and as the alias of the namespace's loopback.
The file is born with its content (``O_TMPFILE`` and a link), so whenever a program is stopped, what it leaves is
either nothing, a file with our mark, or a marked namespace mounted on such a file.
"""

from __future__ import annotations

import errno
import itertools
import os
import signal
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

from shadowlab.errors import KernelRefusedError
from shadowlab.kernel import netns, syscalls
from shadowlab.kernel.links import LOOPBACK, NamespaceRecord
from shadowlab.kernel.linux import LinuxSegment
from shadowlab.kernel.netlink import NetlinkSocket
from shadowlab.kernel.queueing import held
from shadowlab.wire import if_link, pkt_sched

NAMES_FOLDER = "/run/netns"
_MARK = "shadowlab"
_LOOPBACK_INDEX = 1
_END_PATIENCE_S = 5.0

Removal = Literal["removed", "absent", "foreign"]


def name_of(lab: str, node: str) -> str:
    """What ``ip netns`` calls a node's namespace."""
    return f"sl-{lab}-{node}"


def mark_of(lab: str, what: str) -> str:
    """The mark of a lab's object: in an interface's alias, in a namespace's file."""
    return f"{_MARK}/{lab}/{what}"


def _path(lab: str, node: str) -> str:
    return f"{NAMES_FOLDER}/{name_of(lab, node)}"


# --- the folder of names ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class FolderState:
    """Whether the folder of names is there, and whether it is the mount of its own that ``ip netns`` makes of it."""

    exists: bool
    mounted: bool


def read_folder() -> FolderState:
    return FolderState(exists=os.path.isdir(NAMES_FOLDER), mounted=NAMES_FOLDER in _mount_points())


def make_folder() -> None:
    """Make the folder of names and mount it on itself, shared, as ``ip netns add`` does; nothing if that is so.

    Without it a later ``ip netns add`` would mount the folder over our names, and hide them.
    """
    os.makedirs(NAMES_FOLDER, mode=0o755, exist_ok=True)
    if not read_folder().mounted:
        tried = f"mount {NAMES_FOLDER} on itself"
        syscalls.mount(NAMES_FOLDER, NAMES_FOLDER, "", syscalls.MS_BIND | syscalls.MS_REC, tried)
        syscalls.mount("none", NAMES_FOLDER, "", syscalls.MS_SHARED | syscalls.MS_REC, tried)


def unmake_folder(before: FolderState) -> bool:
    """Put the folder back as it was ``before`` we made it; False if somebody's names are in it, which keeps it."""
    if os.path.isdir(NAMES_FOLDER) and os.listdir(NAMES_FOLDER):
        return False
    if not before.mounted and read_folder().mounted:
        try:
            syscalls.unmount(NAMES_FOLDER, f"unmount {NAMES_FOLDER}", in_use=False)
        except KernelRefusedError as error:
            if error.errno_name == "EBUSY":  # somebody gave a name this moment
                return False
            raise
    if not before.exists:
        with suppress(FileNotFoundError):
            try:
                os.rmdir(NAMES_FOLDER)
            except OSError as error:
                if error.errno == errno.ENOTEMPTY:
                    return False
                raise
    return True


def _is_mount_point(path: str) -> bool:
    """Whether something is mounted on a path in the folder of names.

    It is then of another mount than the folder is.  Asked for every node: reading the whole table of mounts each time
    took seconds with a thousand of them.
    """
    return _mount_of(path) not in ("", _mount_of(NAMES_FOLDER))


def _mount_of(path: str) -> str:
    """Empty: there is no such path."""
    try:
        fd = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as lines:
            return next(line for line in lines if line.startswith("mnt_id:"))
    finally:
        os.close(fd)


def _mount_points() -> set[str]:
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        return {line.split()[4].encode().decode("unicode_escape") for line in lines}


# --- one name --------------------------------------------------------------------------------------------------------


def _publish(lab: str, node: str, namespace: NamespaceRecord) -> None:
    """Mark the namespace, then give it its name."""
    tried = f"name the namespace of {node} {name_of(lab, node)}"
    namespace.netlink.queue(if_link.set_alias(_LOOPBACK_INDEX, mark_of(lab, node)), tried)
    namespace.netlink.flush()
    path = _path(lab, node)
    try:
        if not os.path.isdir(NAMES_FOLDER):  # whoever made it took it away, for it was empty
            make_folder()
        folder = os.open(NAMES_FOLDER, os.O_RDONLY | os.O_DIRECTORY)
        try:
            file = os.open(NAMES_FOLDER, os.O_TMPFILE | os.O_WRONLY, 0o444)
            try:
                os.write(file, mark_of(lab, node).encode())
                os.link(f"/proc/self/fd/{file}", path, src_dir_fd=folder)
            finally:
                os.close(file)
        finally:
            os.close(folder)
    except OSError as error:
        raise syscalls.refusal(tried, error.errno or 0) from error
    syscalls.mount(f"/proc/self/fd/{namespace.fd}", path, "", syscalls.MS_BIND, tried)


def open_name(lab: str, node: str) -> int | None:
    """A descriptor of the namespace of that name; None if there is none, or it is not the lab's."""
    path = _path(lab, node)
    if not _is_mount_point(path):
        return None
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    if _is_marked(fd, lab, node):
        return fd
    os.close(fd)
    return None


def _is_marked(fd: int, lab: str, node: str) -> bool:
    """Whether the namespace behind ``fd`` carries the mark; what is no network namespace does not."""
    home = netns.open_own_namespace()
    try:
        with netns.visit(fd, home, node):
            netlink = NetlinkSocket(node).open()
        try:
            answer = netlink.ask(if_link.get_link(_LOOPBACK_INDEX), f"read the mark of {node}")
            return if_link.parse_link(answer.body).alias == mark_of(lab, node)
        finally:
            netlink.close()
    except KernelRefusedError:
        return False
    finally:
        os.close(home)


def remove_name(lab: str, node: str) -> Removal:
    """Take a name away if it is the lab's: unmounted, then unlinked.  The namespace ends with its last program."""
    path = _path(lab, node)
    if not os.path.lexists(path):
        return "absent"
    if _is_mount_point(path):
        fd = open_name(lab, node)
        if fd is None:
            return "foreign"
        os.close(fd)
        syscalls.unmount(path, f"unmount {path}")
    try:
        with open(path, "rb") as file:
            if file.read(4096) != mark_of(lab, node).encode():
                return "foreign"
        os.unlink(path)
    except OSError as error:
        raise syscalls.refusal(f"remove {path}", error.errno or 0) from error
    return "removed"


# --- programs inside -------------------------------------------------------------------------------------------------


def programs_in(fds: Collection[int]) -> set[int]:
    """The processes whose network namespace is one of those behind ``fds``, ourselves left out."""
    wanted = {(status.st_dev, status.st_ino) for status in map(os.fstat, fds)}
    found = set()
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid() and _namespace_id(entry) in wanted:
            found.add(int(entry))
    return found


def _namespace_id(pid: str) -> tuple[int, int] | None:
    try:
        status = os.stat(f"/proc/{pid}/ns/net")
    except OSError:
        return None
    return status.st_dev, status.st_ino


def end_programs(fds: Collection[int]) -> int:
    """Kill every program in the namespaces behind ``fds`` and wait until they are gone; how many there were."""
    wanted = {(status.st_dev, status.st_ino) for status in map(os.fstat, fds)}
    give_up_s = time.monotonic() + _END_PATIENCE_S
    ended: set[int] = set()
    while pids := programs_in(fds):
        for pid in pids:
            with suppress(ProcessLookupError):
                pidfd = os.pidfd_open(pid)
                try:
                    if _namespace_id(str(pid)) in wanted:  # the number may have been given anew
                        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                finally:
                    os.close(pidfd)
        ended |= pids
        if time.monotonic() > give_up_s:
            raise KernelRefusedError(
                tried=f"end {len(pids)} programs in the lab's namespaces",
                errno_name="ETIMEDOUT",
                why=f"still alive: {sorted(pids)}",
            )
        time.sleep(0.005)
    return len(ended)


# --- the segment -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What a segment must know of a node that another program made: what its interfaces belong to.

    ``peers``: interface to (node, interface) at the other end.  ``neighbours``: interface to address to MAC.
    ``ifbs``: interface to the IFB that its arrivals are redirected to, if there is one of that name.
    """

    peers: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    neighbours: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    ifbs: Mapping[str, str] = field(default_factory=dict)


class NamedSegment(LinuxSegment):
    """A segment whose namespaces have names and stay when it is left.  ``next_ifindex``: the first never given."""

    def __init__(self, lab: str, *, next_ifindex: int) -> None:
        super().__init__(f"{_MARK}/{lab}")
        self._lab = lab
        self._ifindices = itertools.count(next_ifindex)

    def __enter__(self) -> NamedSegment:
        super().__enter__()
        return self

    def create_namespace(self, node: str, *, ipv6: bool = False) -> None:
        super().create_namespace(node, ipv6=ipv6)
        _publish(self._lab, node, self._namespaces[node])

    def delete_namespace(self, node: str) -> None:
        """The programs in it are killed."""
        namespace = self._read(node, f"delete the network namespace of {node}")
        end_programs([namespace.fd])
        fd = os.dup(namespace.fd)
        try:
            super().delete_namespace(node)
            if (removal := remove_name(self._lab, node)) != "removed":
                raise KernelRefusedError(
                    tried=f"remove the name {name_of(self._lab, node)}", errno_name="ENOENT", why=f"it is {removal}"
                )
        finally:
            os.close(fd)

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
        super().create_veth(
            node_a=node_a,
            name_a=name_a,
            mac_a=mac_a,
            node_b=node_b,
            name_b=name_b,
            mac_b=mac_b,
            mtu=mtu,
            alias=alias,
            offload=offload,
        )
        for node, name in ((node_a, name_a), (node_b, name_b)):
            self._mark(node, name, alias)

    def create_bridge(self, node: str, name: str, *, mac: str, mtu: int, alias: str = "") -> None:
        super().create_bridge(node, name, mac=mac, mtu=mtu, alias=alias)
        self._mark(node, name, alias or name)

    def create_ifb(self, node: str, name: str) -> int:
        index = super().create_ifb(node, name)
        self._mark(node, name, name)
        return index

    def _mark(self, node: str, name: str, what: str) -> None:
        # The kernel takes the alias of a link that is there; of one to be created it overlooks it.
        mark = mark_of(self._lab, what)
        self._change(node, name, f"mark {node}/{name}", lambda ifindex: if_link.set_alias(ifindex, mark))

    def adopt(self, node: str, standing: Standing) -> bool:
        """Take up a namespace made earlier; False if there is none of that name with the lab's mark."""
        fd = open_name(self._lab, node)
        if fd is None:
            return False
        with netns.visit(fd, self._home_fd, node):
            namespace = NamespaceRecord(node=node, fd=fd, netlink=NetlinkSocket(node).open())
        self._namespaces[node] = namespace
        bodies = namespace.netlink.dump(if_link.get_links(), f"read the links of {node}")
        indices = {state.name: state.ifindex for state in map(if_link.parse_link, bodies)}
        for name, index in indices.items():
            if name == LOOPBACK:
                continue
            record = namespace.add(name, index, standing.peers.get(name))
            record.neighbours = dict(standing.neighbours.get(name, {}))
            target = indices.get(standing.ifbs.get(name, ""))
            if target is not None and self._redirects(namespace, index, target):
                record.ifb = standing.ifbs[name]
        held.learn_roots(namespace)
        return True

    @staticmethod
    def _redirects(namespace: NamespaceRecord, index: int, target: int) -> bool:
        tried = f"read the filters of {namespace.node}"
        filters = namespace.netlink.dump(pkt_sched.get_filters(index), tried)
        return any(pkt_sched.parse_filter(body).redirect_to == target for body in filters)

    def clear_half_redirect(self, node: str, name: str, ifb: str) -> None:
        """Take away an IFB that the arrivals of an interface were to be redirected to, and are not."""
        namespace = self._namespaces.get(node)
        record = namespace.interfaces.get(name) if namespace is not None else None
        if namespace is None or record is None or record.ifb == ifb:
            return
        if ifb in namespace.interfaces:
            self.delete_link(node, ifb)
        try:
            namespace.netlink.queue(pkt_sched.delete_ingress(record.ifindex), f"unhook the arrivals of {node}/{name}")
            namespace.netlink.flush()
        except KernelRefusedError as error:
            if error.errno_name not in ("ENOENT", "EINVAL"):  # there is no hook
                raise

    @contextmanager
    def inside(self, node: str) -> Iterator[None]:
        """The calling thread in the node's namespace: a program started now lives there."""
        namespace = self._read(node, f"enter {node}")
        with netns.visit(namespace.fd, self._home_fd, node):
            yield
