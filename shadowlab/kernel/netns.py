"""Network namespaces held only by open file descriptors: they vanish with the process, even after a crash.

In: nothing, or a file descriptor.  Out: an open namespace, or the calling thread inside one for a moment.
Never: a name under /run/netns, and never a thread left in a namespace it only visited.

Namespaces belong to threads: everything here acts on the calling one.  A socket stays in the namespace it was opened
in, so one thread can drive sockets of every namespace.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from shadowlab.errors import KernelRefusedError
from shadowlab.kernel import syscalls
from shadowlab.kernel.rights import privileges

_OWN_NAMESPACE = "/proc/thread-self/ns/net"
_VISITS_A_MOUNT = 64
_QUIET_SYSCTLS = (
    ("net/ipv4/ip_forward", "0"),  # routers alone forward
    ("net/ipv4/conf/all/rp_filter", "0"),  # of asymmetric routes, the strict filter would drop one direction
    ("net/ipv4/conf/default/rp_filter", "0"),
    ("net/ipv4/conf/all/send_redirects", "0"),  # a redirect would lead around the map
    ("net/ipv4/conf/default/send_redirects", "0"),
    ("net/ipv4/tcp_no_metrics_save", "1"),  # else ssthresh leaks from one run's connections into the next one's
)
_IPV6_FOLDER = "/proc/sys/net/ipv6"
_NO_IPV6 = (("net/ipv6/conf/all/disable_ipv6", "1"),)
"""Sets the default for new interfaces as well."""
_QUIET_IPV6 = (
    ("net/ipv6/conf/all/disable_ipv6", "0"),
    ("net/ipv6/conf/default/accept_dad", "0"),  # duplicate address detection costs a second per link, to no use here
    ("net/ipv6/conf/default/accept_ra", "0"),  # without it no router is solicited and nothing configures itself
    ("net/ipv6/conf/default/accept_redirects", "0"),  # a redirect would lead around the map
    ("net/ipv6/conf/default/addr_gen_mode", "1"),  # no link-local addresses, so no interface speaks for itself
    ("net/ipv6/conf/default/mldv2_unsolicited_report_interval", "20"),  # then its reports are over soon; whole ticks
    ("net/ipv6/conf/all/keep_addr_on_down", "1"),  # as IPv4 does
)


def open_own_namespace() -> int:
    """A file descriptor of the calling thread's network namespace."""
    try:
        return os.open(_OWN_NAMESPACE, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise syscalls.refusal(f"open {_OWN_NAMESPACE}", error.errno or 0) from error


def open_network_file(name: str) -> int:
    """A file descriptor of a file below ``/proc/net`` of the calling thread's namespace."""
    path = f"/proc/thread-self/net/{name}"
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise syscalls.refusal(f"open {path}", error.errno or 0) from error


@contextmanager
def visit(namespace_fd: int, home_fd: int, node: str) -> Iterator[None]:
    """The calling thread inside a namespace; back home at the end, whatever happens."""
    syscalls.setns(namespace_fd, syscalls.CLONE_NEWNET, f"enter the namespace of {node}")
    try:
        yield
    finally:
        syscalls.setns(home_fd, syscalls.CLONE_NEWNET, "return from the namespace of " + node)


@contextmanager
def fresh_namespace(home_fd: int, node: str) -> Iterator[int]:
    """The calling thread inside a new namespace, whose file descriptor is given; back home at the end."""
    syscalls.unshare(syscalls.CLONE_NEWNET, f"make a network namespace for {node}")
    try:
        yield open_own_namespace()
    finally:
        syscalls.setns(home_fd, syscalls.CLONE_NEWNET, "return from the new namespace of " + node)


def enter_private_segment(*, own_users: bool = False) -> None:
    """Leave the machine's namespaces for ever: fresh network and mount namespaces, and a user namespace if not root.

    To be called once, early, in a process of its own with a single thread (the kernel demands it for user namespaces).
    Afterwards no interface, route or mount of the machine can be reached, and this process is root over what it makes,
    with no other capabilities than `privileges.SEGMENT` and no way to others.  With ``own_users`` root, too, takes a
    user namespace, where there are any: then its rights end where its namespaces do.
    """
    spaces = syscalls.CLONE_NEWNS | syscalls.CLONE_NEWNET
    if os.geteuid() == 0 and not (own_users and _entered_user_namespace(spaces)):
        syscalls.unshare(spaces, "make a private network and mount namespace")
    elif os.geteuid() != 0:
        user, group = os.geteuid(), os.getegid()
        syscalls.unshare(
            syscalls.CLONE_NEWUSER | spaces, "make a private user, network and mount namespace without being root"
        )
        # Without privilege a process may map only its own ids, and its groups only after giving up setgroups(2).
        _write_own("setgroups", "deny")
        _write_own("uid_map", f"0 {user} 1")
        _write_own("gid_map", f"0 {group} 1")
    syscalls.make_mounts_private()
    privileges.keep_only(privileges.SEGMENT)
    privileges.no_new_privileges()


def _entered_user_namespace(spaces: int) -> bool:
    try:
        privileges.enter_user_namespace(spaces)
    except OSError:
        return False
    return True


def _write_own(name: str, text: str) -> None:
    path = f"/proc/self/{name}"
    try:
        fd = os.open(path, os.O_WRONLY)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)
    except OSError as error:
        raise syscalls.refusal(f"write {text!r} to {path}", error.errno or 0) from error


class Sysctls:
    """``/proc/sys`` as the calling thread's namespace has it.  To be closed.

    The kernel keeps the entries that one mount of procfs has of ``net/ipv4`` in all namespaces on one chain, and the
    first look into a fresh namespace goes through all of it: with a thousand namespaces that takes longer than making
    one.  So a mount of our own, attached nowhere, serves a few dozen visits and gives way to the next.  Where that is
    not allowed (in a user namespace of ours) ``/proc`` itself serves, at the price named.
    """

    def __init__(self) -> None:
        self._proc: int | None = None
        self._left = 0
        self._refused = False

    def close(self) -> None:
        if self._proc is not None:
            os.close(self._proc)
            self._proc = None

    def visit(self) -> None:
        """To be called once in each namespace, before others are read or written."""
        self._left -= 1
        if self._left < 0 and not self._refused:
            self._left = _VISITS_A_MOUNT
            self.close()
            try:
                self._proc = syscalls.detached_mount("proc", "mount a procfs that is attached nowhere")
            except KernelRefusedError:
                self._refused = True

    def _open(self, key: str, flags: int) -> int:
        if self._proc is None:
            return os.open(f"/proc/sys/{key}", flags | os.O_CLOEXEC)
        return os.open(f"sys/{key}", flags | os.O_CLOEXEC, dir_fd=self._proc)

    def write(self, node: str, key: str, value: str) -> None:
        """Set ``key`` (with slashes, below ``/proc/sys``) and read it back."""
        tried = f"set {key} to {value} in {node}"
        try:
            file = self._open(key, os.O_RDWR)
            try:
                os.write(file, value.encode())
                held = _words(os.pread(file, 4096, 0))
            finally:
                os.close(file)
        except OSError as error:
            raise syscalls.refusal(tried, error.errno or 0) from error
        if held != " ".join(value.split()):
            raise KernelRefusedError(tried=tried, errno_name="read back", why=f"the kernel holds {held}")

    def read(self, node: str, key: str) -> str:
        """The value of ``key``, its words parted by single spaces."""
        try:
            file = self._open(key, os.O_RDONLY)
            try:
                return _words(os.read(file, 4096))
            finally:
                os.close(file)
        except OSError as error:
            raise syscalls.refusal(f"read {key} in {node}", error.errno or 0) from error

    def unquiet(self, node: str, *, ipv6: bool) -> tuple[tuple[str, str], ...]:
        """What is to be changed in a fresh namespace, the calling thread's, so that nothing interferes with the map.

        All namespaces of one kernel are born alike (IPv4's settings are copied from the initial one), and a write costs
        as much as making a link: so this is found out once, and only what differs is written into each.
        """
        if ipv6:
            wanted = (*_QUIET_SYSCTLS, *_QUIET_IPV6)
        else:
            wanted = (*_QUIET_SYSCTLS, *(_NO_IPV6 if os.path.isdir(_IPV6_FOLDER) else ()))
        return tuple((key, value) for key, value in wanted if self.read(node, key) != value)


def _words(payload: bytes) -> str:
    return " ".join(payload.decode().split())


def raise_file_limit() -> None:
    """Each node takes two descriptors; the soft limit of 1024 would end at 500 nodes."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
