"""Whoever starts a guest, and whatever its root tries: on the host it has no rights and writes to its folder only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import as_user
import pytest

from shadowlab.guest.cache import BuiltKernel
from shadowlab.kernel.rights import landlock
from shadowlab.kernel.rights.privileges import DAC_READ_SEARCH, GUEST_USER

pytestmark = pytest.mark.guest

IS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not IS_ROOT, reason="what root gives up; needs root")
CHECKOUT = Path(__file__).parents[2]
NONE = "0000000000000000"

Escape = Callable[..., dict[str, Any]]


@pytest.fixture
def escape(built_kernel: BuiltKernel, tmp_path: Path) -> Escape:
    """Boot a guest that tries to escape; what became of it.  ``home`` holds a secret and a file that all may write."""
    home, folder = tmp_path / "home of a user", tmp_path / "run here"
    for one in (home, folder):
        one.mkdir()
    (home / "secret").write_text("secret")
    (home / "open").write_text("")
    for one in (home, home / "open"):
        one.chmod(0o777)
    tmp_path.chmod(0o755)

    def run(*means: str, user: bool = False, needed: tuple[Path, ...] = (), umask: int = 0o022) -> dict[str, Any]:
        beyond = ["/tmp", "/dev/shm", "/var/tmp", "/etc", str(CHECKOUT)] if means else []
        places = {
            "write": [*beyond, str(home), str(folder)],
            "append": [str(home / "open"), "/proc/self/oom_score_adj"],
            "read": [str(home / "secret"), "/etc/shadow", "/etc/passwd", __file__],
            "needed": [str(one) for one in needed],
        }
        command = [sys.executable, "-c", "import confined; confined.start()", str(folder), json.dumps(places), *means]
        if user and IS_ROOT:
            command = [sys.executable, as_user.__file__, str(folder), *command]
        paths = os.pathsep.join([str(Path(__file__).parent), str(CHECKOUT)])
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PYTHONPATH": paths},
            timeout=120,
            umask=umask,
        )
        assert done.returncode == 0, done.stderr
        owner = as_user.USER if user and IS_ROOT else os.geteuid()
        assert {one.lstat().st_uid for one in (folder, *folder.rglob("*"))} == {owner}, "the files are the caller's"
        told: dict[str, Any] = json.loads(done.stdout)
        assert told["told"]["write"].pop(str(folder)) == "written"
        assert bool((home / "open").read_text()) == (told["told"]["write"][str(home / "open")] == "written")
        return told

    return run


def assert_nothing_written(found: dict[str, Any]) -> None:
    assert "written" not in found["told"]["write"].values(), found


@needs_root
@pytest.mark.parametrize("means", [["landlock", "binds"], ["binds"]])
def test_a_guest_that_root_starts_has_no_rights_and_writes_nowhere_else(escape: Escape, means: list[str]) -> None:
    found = escape(*means, umask=0o077)

    assert found["confinement"]["by"] == ("landlock" if landlock.abi() and "landlock" in means else "binds")
    assert found["confinement"]["network"] == "none"
    assert_nothing_written(found)
    assert len(found["processes"]) >= 3
    for process in found["processes"]:
        assert {process[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {NONE}
        assert process["Uid"].split() == [str(GUEST_USER)] * 4
        assert process["Groups"].split() == []
        assert process["NoNewPrivs"] == "1"


@pytest.mark.skipif(not landlock.abi(), reason="this kernel has no Landlock")
def test_it_reads_its_program_and_no_secrets(escape: Escape) -> None:
    read = escape("landlock")["told"]["read"]

    assert read.pop("/etc/passwd") == read.pop(__file__) == "read"
    assert set(read.values()) <= {"Permission denied", "No such file or directory"}


@needs_root
def test_what_root_alone_may_read_is_readable_if_it_is_needed_and_no_other_right_is_kept(
    escape: Escape, tmp_path: Path
) -> None:
    tool = tmp_path / "private tool"
    tool.write_text("")
    tool.chmod(0o600)

    found = escape("landlock", "binds", needed=(tool,))

    assert found["confinement"]["reads_all"]
    assert_nothing_written(found)
    for process in found["processes"]:
        assert int(process["CapEff"], 16) == int(process["CapBnd"], 16) == 1 << DAC_READ_SEARCH
        assert process["Uid"].split() == [str(GUEST_USER)] * 4


@pytest.mark.parametrize("means", [["landlock", "binds"], ["binds"]])
def test_a_guest_that_a_user_starts_writes_nowhere_else_though_the_user_could(escape: Escape, means: list[str]) -> None:
    found = escape(*means, user=True)

    assert found["confinement"]["by"] == ("landlock" if landlock.abi() and "landlock" in means else "binds")
    assert_nothing_written(found)
    for process in found["processes"]:
        assert process["CapEff"] == process["CapPrm"] == NONE
        assert process["NoNewPrivs"] == "1"


def test_a_machine_without_any_means_says_so(escape: Escape) -> None:
    """And this is what the others would find if nothing were confined."""
    found = escape(user=True)

    assert found["confinement"]["by"] == "user"
    assert list(found["told"]["write"].values()).count("written") == 2
