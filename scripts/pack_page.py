#!/usr/bin/env python3
"""Put the libraries of the web page into shadowlab/serve/page/vendor: by npm, pinned by version and checksum.

In: shadowlab/serve/page/libraries.json.  Out: the files it names, and their licences in LICENSES.  What was fetched
once is kept in the cache folder, so a second checkout needs no network.  Never: a file whose checksum is another one.

Standard library only: it runs at set-up, before there is an environment, and within the build of the wheel.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[1] / "shadowlab" / "serve" / "page"


class CannotPack(Exception):
    """Why a library is not to be had; what to do."""


def libraries() -> list[dict[str, Any]]:
    """What is to be packed."""
    found: list[dict[str, Any]] = json.loads((PAGE / "libraries.json").read_text())
    return found


def packed() -> bool:
    """Whether everything is in place, in the versions wanted."""
    stamp = PAGE / "vendor" / "PACKED"
    return stamp.is_file() and stamp.read_text() == _stamp()


def pack() -> None:
    """Fetch, check and place all libraries.  Raises CannotPack."""
    vendor = PAGE / "vendor"
    vendor.mkdir(exist_ok=True)
    licences = []
    for library in libraries():
        with tarfile.open(archive(library)) as contents:
            for inside, outside in library["files"].items():
                _place(_member(contents, inside), vendor / outside)
            text = _member(contents, "LICENSE").decode()
        licences.append(f"{library['package']} {library['version']} ({library['licence']})\n\n{text.strip()}\n")
    _place(("\n" + "-" * 79 + "\n\n").join(licences).encode(), vendor / "LICENSES")
    _place(_stamp().encode(), vendor / "PACKED")


def archive(library: dict[str, Any]) -> Path:
    """The library's archive as npm has it, from the cache or fetched.  Raises CannotPack."""
    name = f"{library['package']}@{library['version']}"
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    cache = Path(os.environ.get("SHADOWLAB_CACHE") or Path(base) / "shadowlab") / "page"
    kept = cache / f"{library['package'].replace('/', '-')}-{library['version']}.tgz"
    if kept.is_file() and _integrity(kept.read_bytes()) == library["integrity"]:
        return kept
    npm = shutil.which("npm")
    if npm is None:
        raise CannotPack(f"npm is missing, which fetches {name}: install the package npm (Debian) and start again")
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [npm, "pack", "--silent", "--ignore-scripts", name], cwd=folder, capture_output=True, text=True, check=False
        )
        fetched = sorted(Path(folder).glob("*.tgz"))
        if done.returncode or not fetched:
            why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise CannotPack(f"npm could not fetch {name}: {why}")
        content = fetched[0].read_bytes()
    if _integrity(content) != library["integrity"]:
        raise CannotPack(
            f"{name} is not what it was: its checksum is {_integrity(content)}, not {library['integrity']}"
        )
    cache.mkdir(parents=True, exist_ok=True)
    _place(content, kept)
    return kept


def _integrity(content: bytes) -> str:
    return "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()


def _stamp() -> str:
    return hashlib.sha256((PAGE / "libraries.json").read_bytes()).hexdigest() + "\n"


def _member(contents: tarfile.TarFile, name: str) -> bytes:
    try:
        member = contents.extractfile(f"package/{name}")
    except KeyError:
        member = None
    if member is None:
        raise CannotPack(f"the archive has no file {name}: mend shadowlab/serve/page/libraries.json")
    return member.read()


def _place(content: bytes, path: Path) -> None:
    """Whole or not at all: another set-up may run at the same time."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_bytes(content)
    part.replace(path)


def main() -> int:
    """0: everything in place; 3: it is not, and why is on stderr."""
    if packed():
        return 0
    try:
        pack()
    except (CannotPack, OSError) as error:
        sys.stderr.write(f"pack_page: {error}\n")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
