"""What a guest imports, compiled, in one file.

In:    the name of the function that is to be called, where modules are found.
Out:   the bytes of a bundle, kept in the cache where that can be written, or None where none could be made: the guest
       then imports file by file.
Never: a module other than the one on the disk: every file's size and time are compared before a bundle is taken.

Inside, each system call stops a traced process twice, and an import makes a dozen of them: of what a short run costs,
a sixth was spent on opening modules.
"""

from __future__ import annotations

import json
import marshal
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from shadowlab.guest.cache import cache_folder
from shadowlab.guest.init import HEAD_BYTES

OWN = "shadowlab."
"""Only the program's own functions have a bundle; a test's are called once."""
KEPT = 8
"""Bundles in the cache: one for each function, interpreter and checkout."""

_LIST = """
import marshal, sys
before = set(sys.modules)
sys.path[:] = sys.argv[2:]
__import__(sys.argv[1])
specs = [(name, getattr(module, "__spec__", None)) for name, module in sys.modules.items() if name not in before]
found = [
    (name, spec.origin, spec.submodule_search_locations is not None)
    for name, spec in specs
    if spec is not None and spec.name == name and spec.has_location and spec.origin.endswith(".py")
]
sys.stdout.buffer.write(marshal.dumps(found))
"""
_PATIENCE_S = 120
"""Long, for a busy machine: without a bundle what is imported later takes other virtual time, and chance differs."""


def bundle_for(entry: str, path: Sequence[str], flags: Sequence[str]) -> bytes | None:
    """The bundle for ``entry`` ("package.module:function"), whose modules an interpreter with ``flags`` finds along
    ``path``."""
    module, _, _ = entry.partition(":")
    if not module.startswith(OWN):
        return None
    name = sha256(json.dumps([module, list(path), list(flags), sys.executable, sys.version]).encode()).hexdigest()[:16]
    file = cache_folder() / "modules" / name
    try:
        held = file.read_bytes()
        if _is_current(held):
            return held
    except (OSError, ValueError, EOFError, TypeError):
        pass  # not there yet, or torn
    try:
        made = _make(module, path, flags)
    except (OSError, ValueError, SyntaxError, subprocess.SubprocessError):
        return None
    with suppress(OSError):  # a cache that is not ours to write: made anew each time, for it must be there in every run
        _keep(file, made)
    return made


def _is_current(held: bytes) -> bool:
    size = int.from_bytes(held[:HEAD_BYTES], "little")
    return all(_stamp(origin) == stamp for origin, stamp in marshal.loads(held[HEAD_BYTES : HEAD_BYTES + size]))


def _stamp(origin: str) -> tuple[int, int]:
    found = os.stat(origin)
    return found.st_size, found.st_mtime_ns


def _make(module: str, path: Sequence[str], flags: Sequence[str]) -> bytes:
    words = [sys.executable, *flags, "-c", _LIST, module, *path]
    listed = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, timeout=_PATIENCE_S)
    files, modules = [], {}
    for name, origin, is_package in marshal.loads(listed.stdout):
        files.append((origin, _stamp(origin)))
        code = compile(Path(origin).read_bytes(), origin, "exec", dont_inherit=True, optimize=0)
        modules[name] = (code, is_package, origin)
    head = marshal.dumps(files)
    return len(head).to_bytes(HEAD_BYTES, "little") + head + marshal.dumps(modules)


def _keep(file: Path, made: bytes) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as new:
        new.write(made)
    os.replace(new.name, file)
    others = sorted(file.parent.iterdir(), key=lambda one: one.stat().st_mtime_ns, reverse=True)
    for one in others[KEPT:]:
        with suppress(OSError):
            one.unlink()
