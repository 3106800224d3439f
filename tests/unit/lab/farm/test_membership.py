"""Who may be a member of a farm, and what is sent to one."""

from __future__ import annotations

import shutil
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from shadowlab.errors import CannotRunError, InputError
from shadowlab.guest.cache import BuiltKernel, kernel_hash
from shadowlab.lab.farm import parcel
from shadowlab.lab.farm.credentials import Credentials, read_credentials, scheduler_address
from shadowlab.lab.farm.library import distributed
from shadowlab.replicate.authority import FARM_AUTHORITY, create_authority, issue

NOW = 1_800_000_000_000_000_000
ANYBODY = Credentials(authority=Path("ca"), certificate=Path("cert"), key=Path("key"))


def farm_of_two(folder: Path) -> Path:
    create_authority(folder / "farm", now_ns=NOW, name=FARM_AUTHORITY)
    return issue(folder / "farm", "me", server=False, farm=True, now_ns=NOW).folder


def agents(folder: Path) -> Path:
    create_authority(folder / "lab", now_ns=NOW)
    return issue(folder / "lab", "web", server=False, now_ns=NOW).folder


def test_a_members_folder_is_read_and_has_no_token(tmp_path: Path) -> None:
    mine = farm_of_two(tmp_path)

    assert read_credentials(mine).key == mine / "key.pem"
    assert not (mine / "token").exists()


def test_an_agents_folder_is_refused_also_with_the_farms_authority_beside_it(tmp_path: Path) -> None:
    mine, web = farm_of_two(tmp_path), agents(tmp_path)

    with pytest.raises(InputError, match="for agents does not mean the right to run code"):
        read_credentials(web)
    shutil.copy(mine / "ca.pem", web / "ca.pem")
    with pytest.raises(InputError, match=r"cert\.pem: not of a farm's authority"):
        read_credentials(web)


def test_no_authority_makes_certificates_of_the_other_kind(tmp_path: Path) -> None:
    farm_of_two(tmp_path)
    agents(tmp_path)

    with pytest.raises(InputError, match="is for a farm, not for agents"):
        issue(tmp_path / "farm", "web", server=False, now_ns=NOW)
    with pytest.raises(InputError, match="is for agents, not for farms"):
        issue(tmp_path / "lab", "me", server=False, farm=True, now_ns=NOW)


@pytest.mark.parametrize("text", ["farm:8786", "tls://farm", "tls://farm:99999", "http://farm:1", "tls://farm:1/x"])
def test_an_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--scheduler"):
        scheduler_address(text, ANYBODY)


def test_without_tls_only_the_loopback_is_spoken_to() -> None:
    assert scheduler_address("tcp://127.0.0.1:8786", None) == "tcp://127.0.0.1:8786"
    assert scheduler_address("tls://[2001:db8::1]:8786", ANYBODY) == "tls://[2001:db8::1]:8786"
    for text in ("tcp://192.0.2.1:8786", "tcp://localhost:8786", "tls://127.0.0.1:8786"):
        with pytest.raises(InputError):
            scheduler_address(text, None)


def kernel_in(folder: Path) -> BuiltKernel:
    folder.mkdir(parents=True)
    (folder / "linux").write_bytes(b"a kernel")
    (folder / "linux").chmod(0o755)
    (folder / "preload.so").write_bytes(b"a library")
    digest = sha256(b"a kernel").hexdigest()
    return BuiltKernel(key=folder.name, version="6.12", folder=folder, sha256=digest, virtual_clock=True)


def test_a_kernel_that_is_not_there_is_kept_as_it_was_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHADOWLAB_CACHE", str(tmp_path / "cache"))
    theirs = kernel_in(tmp_path / "6.12-abc")
    wanted = kernel_hash(theirs)

    assert parcel.find_by_hash(wanted) is None
    kept = parcel.keep_kernel(parcel.pack_kernel(theirs), wanted)

    assert parcel.find_by_hash(wanted) == kept
    assert (kept.key, kept.path.read_bytes(), kept.path.stat().st_mode & 0o111) == ("6.12-abc", b"a kernel", 0o111)


def test_a_kernel_with_other_bytes_than_asked_for_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHADOWLAB_CACHE", str(tmp_path / "cache"))
    theirs = kernel_in(tmp_path / "6.12-abc")
    wanted = kernel_hash(theirs)
    (theirs.folder / "preload.so").write_bytes(b"another library")

    with pytest.raises(ValueError, match="its bytes are others"):
        parcel.keep_kernel(parcel.pack_kernel(theirs), wanted)

    assert parcel.find_by_hash(wanted) is None
    assert [one for one in (tmp_path / "cache").rglob("*") if one.is_file()] == []


def test_a_parcel_of_another_program_is_not_opened() -> None:
    with pytest.raises(ValueError, match="another ShadowLab"):
        parcel.unpack(parcel.Parcel(program="another", kernel="any", packed=b"never looked at"))


def test_without_the_library_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)

    with pytest.raises(CannotRunError, match=r"pip install 'shadowlab\[dist\]'"):
        distributed()
