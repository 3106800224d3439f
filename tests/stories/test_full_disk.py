"""A disk that gets full, early or late: exit code 3, one line that names the folder, nothing left on it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from user_command import run, small_scenario

pytestmark = [pytest.mark.story, pytest.mark.guest]

SMALL_DISK = Path(__file__).with_name("small_disk.py")
MAIN_RUN = r"main run: no space left in {disk}/out/raw; free some, or choose another folder with --out"
LATER = (
    r"(do nothing|reroute): no space left in {disk}/out/rehearsals/[01]; "
    r"free some, or choose another folder with --out",
    r"cannot write (result\.json|manifest\.json|paths\.csv|links\.csv): no space left in {disk}/out; "
    r"free some, or choose another folder",
    r"cannot write the report: no space left in {disk}/out/report; free some, or choose another folder",
)


@pytest.fixture(scope="module")
def namespace() -> list[str]:
    """The command that gives a program a mount namespace: by its own rights, or else by root's."""
    tried = []
    for command in (["unshare", "--user", "--map-root-user", "--mount"], ["unshare", "--mount"]):
        done = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return command
        tried.append(f"{' '.join(command)}: {done.stderr.strip()}")
    pytest.fail("a small disk needs a mount namespace, and this machine gives none:\n" + "\n".join(tried))


@pytest.fixture(scope="module")
def whole_bytes(tmp_path_factory: pytest.TempPathFactory) -> int:
    """What a run takes when there is room."""
    folder = tmp_path_factory.mktemp("roomy")
    small_scenario(folder)
    assert run("run", "incident.yaml", "--out", "out", folder=folder).code == 0
    page = os.sysconf("SC_PAGE_SIZE")
    return sum(-(-one.stat().st_size // page) * page for one in (folder / "out").rglob("*") if one.is_file())


def on_small_disk(folder: Path, namespace: list[str], size_bytes: int) -> dict[str, object]:
    small_scenario(folder)
    disk = folder / "disk"
    disk.mkdir()
    command = [sys.executable, "-m", "shadowlab", "run", "incident.yaml", "--out", str(disk / "out")]
    subprocess.run(
        [*namespace, sys.executable, str(SMALL_DISK), str(size_bytes), str(disk), "outcome.json", *command],
        cwd=folder,
        check=True,
        timeout=300,
    )
    outcome: dict[str, object] = json.loads((folder / "outcome.json").read_text())
    return outcome


@pytest.mark.parametrize("share", [0.005, 0.05])
def test_a_disk_that_is_full_at_once(tmp_path: Path, namespace: list[str], whole_bytes: int, share: float) -> None:
    outcome = on_small_disk(tmp_path, namespace, int(share * whole_bytes))

    message = MAIN_RUN.format(disk=tmp_path / "disk")
    assert outcome == {"code": 3, "stdout": "", "stderr": f"shadowlab: {message}\n", "left": []}


@pytest.mark.parametrize("share", [0.3, 0.5, 0.6, 0.8, 0.95])
def test_a_disk_that_gets_full_later(tmp_path: Path, namespace: list[str], whole_bytes: int, share: float) -> None:
    outcome = on_small_disk(tmp_path, namespace, int(share * whole_bytes))

    assert (outcome["code"], outcome["stdout"], outcome["left"]) == (3, "", [])
    known = "|".join(one.format(disk=re.escape(str(tmp_path / "disk"))) for one in LATER)
    assert re.fullmatch(f"shadowlab: ({known})\n", str(outcome["stderr"])), outcome["stderr"]


FILL = """
import sys
from pathlib import Path
from shadowlab.errors import CannotRunError
from shadowlab.shadow.ledger import Begun, Failed, Ledger
folder = Path(sys.argv[1])
ledger = Ledger(folder)
ledger.append(Begun(lab="0", name="t", kernel="host", boot="b", map="/m", at_ns=1))
held = 1
try:
    while True:
        ledger.append(Failed(why="x" * 300))
        held += 1
except CannotRunError as error:
    print(error)
again = Ledger(folder)
print(held == len(again.read()))
(folder / "room").unlink()
again.append(Failed(why="there is room again"))
print(len(Ledger(folder).read()) == held + 1)
"""


def test_a_ledger_on_a_disk_that_gets_full_loses_nothing(tmp_path: Path, namespace: list[str]) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    room = f"open({str(disk / 'room')!r}, 'wb').write(bytes(8192)); import sys; sys.argv[1:] = [{str(disk)!r}]\n"
    program = [sys.executable, "-c", room + FILL]
    words = [*namespace, sys.executable, str(SMALL_DISK), "65536", str(disk), str(tmp_path / "outcome.json"), *program]

    subprocess.run(words, check=True, timeout=60)

    outcome = json.loads((tmp_path / "outcome.json").read_text())
    said = f"the ledger {disk}/ledger cannot be written: the disk is full; what was to follow was not begun"
    assert (outcome["stdout"].splitlines(), outcome["stderr"]) == ([said, "True", "True"], "")


def test_a_disk_with_room_enough(tmp_path: Path, namespace: list[str], whole_bytes: int) -> None:
    outcome = on_small_disk(tmp_path, namespace, 2 * whole_bytes)

    assert (outcome["code"], outcome["stderr"]) == (0, "")
    assert f"{tmp_path}/disk/out/report/report.html" in str(outcome["left"])
