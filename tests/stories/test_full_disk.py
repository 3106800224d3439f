"""A disk that gets full, early or late: exit code 3, one line that names the folder; what was measured can be read."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from user_command import run, small_scenario

pytestmark = [pytest.mark.story, pytest.mark.guest]

KEPT = "; what was measured until then is kept: shadowlab query {disk}/out --list"
SMALL_DISK = Path(__file__).with_name("small_disk.py")
MAIN_RUN = r"main run: no space left in {disk}/out/raw; free some, or choose another folder with --out"
LATER = (
    r"(no fault|north-south both ways: [a-z ]+): no space left in {disk}/out/ablation/[1-9]; "
    r"free some, or choose another folder with --out",
    r"(do nothing|reroute): no space left in {disk}/out/rehearsals/[01]; "
    r"free some, or choose another folder with --out",
    r"cannot write (result\.json|manifest\.json|(paths|links|services|instances)\.csv): no space left in {disk}/out; "
    r"free some, or choose another folder",
    r"cannot write (paths|links|services|instances)\.blocks: no space left in {disk}/out/kpis; "
    r"free some, or choose another folder",
    r"cannot write the report: no space left in {disk}/out/report; free some, or choose another folder",
)
PAGE = os.sysconf("SC_PAGE_SIZE")
FULL_AT_ONCE = (
    (1, "cannot write watched.json: no space left in {disk}/out; free some, or choose another folder"),
    (2, MAIN_RUN),
)
PARTLY = 18
"""Pages: the first ones of all files of the main run, and a few more."""


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
    shadowlab, out = f"{shlex.quote(sys.executable)} -m shadowlab", shlex.quote(f"{disk}/out")
    ask = f"{shadowlab} query {out} loss throughput_mbps --csv >asked.csv 2>asked.err"
    command = ["sh", "-c", f"{shadowlab} run incident.yaml --out {out}; code=$?; {ask}; exit $code"]
    subprocess.run(
        [*namespace, sys.executable, str(SMALL_DISK), str(size_bytes), str(disk), "outcome.json", *command],
        cwd=folder,
        check=True,
        timeout=300,
    )
    outcome: dict[str, object] = json.loads((folder / "outcome.json").read_text())
    return outcome


@pytest.mark.parametrize(("pages", "message"), FULL_AT_ONCE)
def test_a_disk_that_is_full_before_anything_is_measured(
    tmp_path: Path, namespace: list[str], pages: int, message: str
) -> None:
    outcome = on_small_disk(tmp_path, namespace, pages * PAGE)

    said = f"shadowlab: {message.format(disk=tmp_path / 'disk')}\n"
    assert outcome == {"code": 3, "stdout": "", "stderr": said, "left": []}


SLOW = (pytest.param(share, marks=pytest.mark.slow) for share in (0.3, 0.95))


@pytest.mark.parametrize("share", [None, 0.6, *SLOW])
def test_a_disk_that_gets_full_later_keeps_what_was_measured(
    tmp_path: Path, namespace: list[str], whole_bytes: int, share: float | None
) -> None:
    outcome = on_small_disk(tmp_path, namespace, int(share * whole_bytes) if share else PARTLY * PAGE)

    assert (outcome["code"], outcome["stdout"]) == (3, "")
    disk = re.escape(str(tmp_path / "disk"))
    known = "|".join(one.format(disk=disk) for one in (MAIN_RUN, *LATER))
    assert re.fullmatch(f"shadowlab: ({known}){KEPT.format(disk=disk)}\n", str(outcome["stderr"])), outcome["stderr"]
    left = {Path(str(one)).relative_to(tmp_path / "disk" / "out").parts[:1] for one in outcome["left"]}
    assert left == {(), ("raw",), ("watched.json",), (".shadowlab-unfinished",)}
    assert (tmp_path / "asked.err").read_text() == ""
    asked = (tmp_path / "asked.csv").read_text().splitlines()
    assert asked[0] == "time_s,subject,loss,throughput_mbps"
    if share:  # the main run was over
        assert (asked[1][:11], asked[-1].split(",")[0]) == ("1,api→db,0,", "38")


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


@pytest.mark.slow
def test_a_disk_with_room_enough(tmp_path: Path, namespace: list[str], whole_bytes: int) -> None:
    outcome = on_small_disk(tmp_path, namespace, 2 * whole_bytes)

    assert (outcome["code"], outcome["stderr"]) == (0, "")
    assert f"{tmp_path}/disk/out/report/report.html" in str(outcome["left"])
