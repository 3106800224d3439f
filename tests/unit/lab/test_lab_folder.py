"""The folder of a lab goes with the lab, whatever its programs left there."""

from __future__ import annotations

from pathlib import Path

import pytest

from shadowlab.errors import ShadowFailedError
from shadowlab.lab.live.folder import GUEST_FOLDER, LabFolder, all_labs_lock


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabFolder:
    monkeypatch.setenv("SHADOWLAB_STATE", str(tmp_path / "state"))
    folder = LabFolder("office")
    with all_labs_lock():
        folder.make()
    return folder


def test_folders_that_a_program_made_in_the_guests_are_removed_and_links_are_not_followed(
    made: LabFolder, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    (elsewhere / "kept").write_text("x")
    deep = made.path / GUEST_FOLDER / "captures" / "deep"
    deep.mkdir(parents=True)
    (deep / "file").write_text("x")
    (deep / "link").symlink_to(elsewhere)
    deep.chmod(0o000)

    made.remove()

    assert not made.exists
    assert (elsewhere / "kept").exists()
    assert elsewhere.stat().st_mode & 0o777 == 0o755


def test_what_somebody_put_beside_it_is_named_and_kept(made: LabFolder) -> None:
    (made.path / "notes").write_text("x")

    with pytest.raises(ShadowFailedError, match=r"holds files that are not ours: notes"):
        made.remove()

    assert (made.path / "notes").exists()
