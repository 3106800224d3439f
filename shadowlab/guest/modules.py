"""Insert the modules we need into a kernel that has them outside: Debian's own, inside the guest.

In:    the folder of one kernel version, with ``modules.dep`` as depmod writes it.
Out:   the modules in the kernel, each after those it needs.
Never: runs modprobe: it may not be installed, and /lib/modules may not exist on a read-only root.
"""

import ctypes
import os

SYS_INIT_MODULE = 175
"""On x86-64."""
EEXIST = 17

NEEDED = (
    *("veth", "ifb", "dummy", "tun", "vxlan", "bridge", "8021q", "vrf", "ipv6"),
    *("udp_diag", "tcp_bbr", "tcp_dctcp", "tcp_bic", "tcp_htcp", "tcp_vegas", "tcp_westwood", "tcp_illinois"),
    *("sch_netem", "sch_tbf", "sch_htb", "sch_red", "sch_fq", "sch_fq_codel", "sch_codel", "sch_cake", "sch_pie"),
    *("sch_sfq", "sch_prio", "sch_ingress"),
    *("cls_u32", "cls_bpf", "cls_flower", "cls_matchall", "cls_basic", "cls_fw"),
    *("act_mirred", "act_police", "act_gact", "act_bpf", "act_skbedit"),
)


def name_of(path: str) -> str:
    """``kernel/net/sched/sch_netem.ko.xz`` is ``sch_netem``."""
    return path.rpartition("/")[2].partition(".ko")[0].replace("-", "_")


def insertion_order(modules_dep: str, wanted: tuple[str, ...]) -> list[str]:
    """The files to insert, dependencies first.  A wanted module that is not listed is built in, or not there."""
    needs: dict[str, list[str]] = {}
    file_of: dict[str, str] = {}
    for line in modules_dep.splitlines():
        file, _, others = line.partition(":")
        file_of[name_of(file)] = file
        needs[file] = others.split()
    order: list[str] = []
    for name in wanted:
        file = file_of.get(name, "")
        if file:
            # modules.dep lists everything a module needs, its direct needs first: what they need comes after them.
            order += [one for one in [*reversed(needs[file]), file] if one not in order]
    return order


def insert_modules(folder: str) -> None:
    """Raise OSError naming the first module that the kernel refuses."""
    with open(f"{folder}/modules.dep") as file:
        order = insertion_order(file.read(), NEEDED)
    libc = ctypes.CDLL(None, use_errno=True)
    for name in order:
        image = read_module(f"{folder}/{name}")
        if libc.syscall(SYS_INIT_MODULE, image, ctypes.c_ulong(len(image)), b"") != 0:
            number = ctypes.get_errno()
            if number != EEXIST:
                raise OSError(number, f"insert {name}: {os.strerror(number)}")


def read_module(path: str) -> bytes:
    with open(path, "rb") as file:
        content = file.read()
    if path.endswith(".xz"):
        import lzma

        return lzma.decompress(content)
    if path.endswith(".gz"):
        import gzip

        return gzip.decompress(content)
    return content
