"""How much memory this process may still take.

In: nothing.  Out: bytes.  Never: a judgement.
"""

from __future__ import annotations

from pathlib import Path

_ROOT = Path("/")


def free_bytes(root: Path = _ROOT) -> int:
    """What the machine has available, or less where a control group (a container's, a session's) allows less."""
    least = _available(root)
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if not controllers:  # version 2
            least = min([least, *_left(root / "sys/fs/cgroup", path, "memory.max", "memory.current", "inactive_file")])
        elif "memory" in controllers.split(","):
            files = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            least = min([least, *_left(root / "sys/fs/cgroup/memory", path, *files)])
    return max(0, least)


def _available(root: Path) -> int:
    for line in _lines(root / "proc/meminfo"):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def _left(mount: Path, path: str, limit: str, used: str, reclaimable: str) -> list[int]:
    """Of the group and every one above it that has a limit: what is left of it, files it can drop counted as free."""
    found = []
    group = mount / path.strip("/")
    while group == mount or mount in group.parents:
        most, now = "".join(_lines(group / limit)), "".join(_lines(group / used))
        if most.isdigit() and now.isdigit():
            dropped = [line.split()[1] for line in _lines(group / "memory.stat") if line.split()[:1] == [reclaimable]]
            found.append(int(most) - int(now) + int(dropped[0] if dropped else 0))
        group = group.parent
    return found


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except OSError:
        return []
