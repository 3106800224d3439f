"""The peer: ns-3, Debian's package or a build tree of somebody's, driving the same workload by a program of our own.

In: a workload.  Out: what it took and what came of it.  The program is compiled here, against what is measured.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from benchmarks.simulated.ours import Outcome
from benchmarks.simulated.taken import take
from benchmarks.simulated.workload import Workload
from shadowlab.errors import CannotRunError

SOURCE = Path(__file__).with_name("peer.cc")
PACKAGE_HEADERS = Path("/usr/include/ns3")
PACKAGE = "libns3-dev (and g++): as root, apt-get install libns3-dev g++"
MODULES = ("applications", "point-to-point", "internet", "traffic-control", "bridge", "network", "stats", "core")
_COUNTED = "crossings"


def compile_peer(folder: Path, tree: Path | None) -> Path:
    """The program.  ``tree``: the ``build`` folder of an ns-3 source tree; None: Debian's package.

    Raises CannotRunError naming what is missing, CalledProcessError.
    """
    headers = PACKAGE_HEADERS if tree is None else tree / "include/ns3"
    if not (headers / "core-module.h").is_file() or shutil.which("g++") is None:
        raise CannotRunError(f"ns-3 is not there: {PACKAGE}" if tree is None else f"no build of ns-3 in {tree}")
    program = folder / ("peer-package" if tree is None else "peer-tree")
    words = ["g++", "-std=c++17", "-O2", "-o", str(program), str(SOURCE)]
    if tree is None:
        words += [f"-lns3-{module}" for module in MODULES]
    else:
        words += [f"-I{tree / 'include'}", f"-L{tree / 'lib'}", f"-Wl,-rpath,{tree / 'lib'}"]
        words += [f"-l:{_library(tree, module)}" for module in MODULES]
    subprocess.run(words, check=True)
    return program


def _library(tree: Path, module: str) -> str:
    found = sorted((tree / "lib").glob(f"libns3*-{module}-optimized.so")) or sorted(
        (tree / "lib").glob(f"libns3*-{module}.so")
    )
    if not found:
        raise CannotRunError(f"no library of ns-3's module {module} in {tree / 'lib'}")
    return found[0].name


def drive(program: Path, workload: Workload, *, cpu: int, count: bool = False) -> Outcome:
    """``count``: also the packet-hops, which costs it time.  Raises CalledProcessError."""
    printed, taken = take([str(program), *(["count"] if count else [])], given=workload.text(), cpu=cpu)
    lines = printed.splitlines()
    hops = int(lines.pop().removeprefix(_COUNTED)) if count else 0
    return Outcome(taken=taken, received_bytes=tuple(map(int, lines)), packet_hops=hops)
