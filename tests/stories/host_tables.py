"""Whatever of the host's network a command might change, to be compared before and after."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path

LISTS = (
    ("nft", "list", "ruleset"),
    ("iptables-save",),
    ("ip6tables-save",),
    ("ip", "rule", "show"),
    ("ip", "-6", "rule", "show"),
    ("ip", "route", "show", "table", "all"),
    ("ip", "netns", "list-id"),
)
"""Asked where there is such a program."""
MOVING = frozenset({"nf_conntrack_count", "netns_count"})
"""What the kernel itself counts."""


def host_tables() -> dict[str, str]:
    """By name: every setting below /proc/sys/net, routes, addresses, rules, filters, interfaces, mounts."""
    tables = {}
    for file in sorted(Path("/proc/sys/net").rglob("*")):
        if file.is_file() and file.name not in MOVING:
            try:
                tables[str(file)] = file.read_text(errors="replace")
            except OSError:  # may only be written
                continue
    for name in ("route", "fib_trie", "if_inet6", "ip_tables_names"):
        file = Path("/proc/net") / name
        tables[name] = file.read_text() if file.exists() else ""
    tables["interfaces"] = str(socket.if_nameindex())
    # Other suites on this machine may have labs: names are looked at one by one, and all of them by the crash matrix.
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    tables["mounts"] = "\n".join(line for line in mounts if "/run/netns" not in line)
    for words in LISTS:
        if shutil.which(words[0]):
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            tables[" ".join(words)] = done.stdout
    return tables
