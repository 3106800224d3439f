"""Which kernel source is taken."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from shadowlab.errors import CannotRunError, InputError
from shadowlab.guest.source import find_source, read_version

MAKEFILE = "# SPDX\nVERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 117\nEXTRAVERSION =\nNAME = Baby\n"


def make_tree(folder: Path, makefile: str = MAKEFILE) -> Path:
    folder.mkdir(parents=True)
    (folder / "Makefile").write_text(makefile)
    return folder


def make_tarball(folder: Path, name: str, content: str = MAKEFILE) -> Path:
    tree = make_tree(folder / "trees" / name, content)
    tarball = folder / f"{name}.tar.xz"
    with tarfile.open(tarball, "w:xz") as archive:
        archive.add(tree, arcname=name)
    return tarball


def test_the_newest_debian_tarball_is_taken_by_number_not_by_letter(tmp_path: Path) -> None:
    for name in ("linux-source-6.1", "linux-source-6.12", "linux-source-6.9"):
        make_tarball(tmp_path, name)
    (tmp_path / "linux-source-7.0.tar.xz.sig").touch()

    found = find_source(None, debian_folder=tmp_path)

    assert found.path.name == "linux-source-6.12.tar.xz"
    assert found.version == "6.12"
    assert found.repeats_exactly


def test_an_old_source_is_taken_when_it_is_the_only_one_and_known_not_to_repeat(tmp_path: Path) -> None:
    make_tarball(tmp_path, "linux-source-6.1")

    assert not find_source(None, debian_folder=tmp_path).repeats_exactly


def test_without_any_source_the_package_to_install_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotRunError) as error:
        find_source(None, debian_folder=tmp_path)

    assert str(error.value) == (
        f"no kernel source in {tmp_path}: as root, 'apt-get install linux-source-6.12' (or linux-source), "
        "or name one with --source DIR|TARBALL"
    )


def test_a_named_folder_states_its_version_in_its_makefile(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "linux")

    found = find_source(tree)

    assert found.version == "6.12.117"
    assert not found.is_tarball


def test_a_release_candidate_keeps_its_suffix(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "linux", MAKEFILE.replace("EXTRAVERSION =", "EXTRAVERSION = -rc3"))

    assert read_version(tree) == "6.12.117-rc3"


def test_a_folder_that_is_no_kernel_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="its Makefile states no version; this is no kernel source"):
        find_source(make_tree(tmp_path / "other", "all:\n"))


def test_a_folder_make_cannot_build_in_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a path with a space or a colon"):
        find_source(make_tree(tmp_path / "my linux"))


def test_what_does_not_exist_or_is_no_source_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()

    with pytest.raises(InputError, match="nowhere: does not exist"):
        find_source(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"notes\.txt: is neither a folder nor a tarball"):
        find_source(tmp_path / "notes.txt")


def test_two_tarballs_differ_in_their_digest_only_if_their_bytes_do(tmp_path: Path) -> None:
    one = find_source(make_tarball(tmp_path / "a", "linux-6.12.1"))
    other = find_source(make_tarball(tmp_path / "b", "linux-6.12.1", MAKEFILE + "#\n"))

    assert one.digest == find_source(one.path).digest
    assert one.digest != other.digest
