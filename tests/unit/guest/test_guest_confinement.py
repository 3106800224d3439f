"""What the guest's user needs doors for: a pure look at folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from shadowlab.errors import CannotRunError
from shadowlab.guest.host_side.confinement import Confinement, find_doors, read_report


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home that only its owner may pass through, below folders that all may."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_mode & 0o001 == 0 and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o001)
    folder = tmp_path / "a home"
    (folder / "venv" / "lib").mkdir(parents=True)
    (folder / "venv" / "lib" / "one.py").write_text("")
    folder.chmod(0o700)
    return folder


def test_what_everybody_reads_needs_no_door(home: Path, tmp_path: Path) -> None:
    assert find_doors(["/usr", "/bin/sh", "/not/there"], given=str(tmp_path)) == {}


def test_a_private_folder_gets_a_door_to_what_is_needed_of_it_and_nothing_twice(home: Path) -> None:
    venv = home / "venv"

    doors = find_doors([str(venv / "lib" / "one.py"), str(venv), str(venv / "lib")], given="/tmp")

    assert doors == {str(home): [str(venv)]}


def test_a_link_needs_a_door_at_both_its_ends(home: Path) -> None:
    (home / "link").symlink_to(home / "venv")

    assert find_doors([str(home / "link")], given="/tmp") == {str(home): [str(home / "link"), str(home / "venv")]}


def test_no_door_helps_for_what_is_private_in_itself(home: Path) -> None:
    (home / "venv" / "lib").chmod(0o700)

    assert find_doors([str(home / "venv" / "lib")], given="/tmp") is None


def test_a_door_may_lie_behind_another(home: Path) -> None:
    (home / "venv" / "lib").chmod(0o700)

    doors = find_doors([str(home / "venv"), str(home / "venv" / "lib" / "one.py")], given="/tmp")

    assert doors == {str(home): [str(home / "venv")], str(home / "venv" / "lib"): [str(home / "venv/lib/one.py")]}


def test_the_run_s_own_folder_may_be_private_for_it_changes_hands(home: Path) -> None:
    run = home / "run"
    run.mkdir(mode=0o700)

    assert find_doors([], given=str(run)) == {str(home): [str(run)]}


def test_a_launcher_that_could_not_is_an_error_in_its_words() -> None:
    import marshal

    with pytest.raises(CannotRunError, match="make a Landlock rule set: EPERM"):
        read_report(marshal.dumps({"failed": "make a Landlock rule set: EPERM"}))


def test_a_confinement_is_told_in_a_line() -> None:
    known = Confinement(by="landlock", user=65_528, reads_all=False, network="none", abi=7)

    assert known.describe() == "Landlock (ABI 7); user 65528, no rights; network: none"
