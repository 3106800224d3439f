"""Building: the key, the tools, the options, the lock, and what a failure leaves."""

from __future__ import annotations

import fcntl
import subprocess
import threading
import time
from pathlib import Path

import pytest

from shadowlab.errors import CannotRunError, InputError, ShadowFailedError
from shadowlab.guest import tools
from shadowlab.guest.build import CONFIG_SOURCE, build_kernel, compile_command, kernel_key, refine_clock
from shadowlab.guest.cache import kernels_folder
from shadowlab.guest.options import read_options
from shadowlab.guest.source import KernelSource, find_source

SOURCE = KernelSource(path=Path("/usr/src/linux-source-6.12.tar.xz"), version="6.12", digest="d1")
PARTS = {"options": "NET\n", "preload": "int x;", "compiler": "gcc 12.2"}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SHADOWLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def broken_source(folder: Path) -> KernelSource:
    folder.mkdir()
    (folder / "Makefile").write_text(
        "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 1\n%config:\n\t@echo no rule for $@; exit 3\n"
    )
    return find_source(folder)


def test_the_same_inputs_give_the_same_key_which_begins_with_the_version() -> None:
    key = kernel_key(SOURCE, **PARTS)

    assert key == kernel_key(SOURCE, **PARTS)
    assert key.startswith("6.12-")


@pytest.mark.parametrize("part", ["options", "preload", "compiler"])
def test_a_change_of_any_input_changes_the_key(part: str) -> None:
    assert kernel_key(SOURCE, **PARTS | {part: "other"}) != kernel_key(SOURCE, **PARTS)


def test_a_change_of_the_source_changes_the_key() -> None:
    changed = KernelSource(path=SOURCE.path, version="6.12", digest="d2")

    assert kernel_key(changed, **PARTS) != kernel_key(SOURCE, **PARTS)


def test_missing_tools_are_named_together_with_the_line_that_installs_them(tmp_path: Path) -> None:
    (tmp_path / "gcc").write_text("#!/bin/sh\n")
    (tmp_path / "gcc").chmod(0o755)

    with pytest.raises(CannotRunError) as error:
        tools.need(
            {"gcc": "gcc", "flex": "flex", "ld": "binutils", "strip": "binutils"},
            search_path=str(tmp_path),
            header=(str(tmp_path / "stdio.h"), "libc6-dev"),
        )

    assert str(error.value) == (
        f"missing to build the embedded kernel: {tmp_path}/stdio.h, flex, ld, strip; "
        "as root: apt-get install --no-install-recommends binutils flex libc6-dev"
    )


def test_a_failing_build_shows_the_end_of_its_log_and_leaves_only_the_log(tmp_path: Path, cache: Path) -> None:
    source = broken_source(tmp_path / "linux")

    with pytest.raises(ShadowFailedError) as error:
        build_kernel(source)

    assert str(error.value).startswith("cannot configure the kernel (exit 2); log: ")
    assert "no rule for allnoconfig" in str(error.value)
    left = sorted(file.name for file in kernels_folder().iterdir())
    assert [name for name in left if not name.endswith(".log")] == [".lock"]
    assert "no rule for allnoconfig" in next(kernels_folder().glob("*.log")).read_text()


def test_a_second_build_waits_for_the_first(tmp_path: Path, cache: Path) -> None:
    source = broken_source(tmp_path / "linux")
    kernels_folder().mkdir(parents=True)
    stages: list[str] = []

    def build() -> None:
        with pytest.raises(ShadowFailedError):
            build_kernel(source, progress=lambda what, _fraction: stages.append(what))

    with (kernels_folder() / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = threading.Thread(target=build)
        second.start()
        patience = time.monotonic() + 10
        while not stages and time.monotonic() < patience:
            time.sleep(0.01)
        assert stages == ["waiting for another build"]
    second.join()

    assert len(stages) > 1


def test_what_a_killed_build_left_is_removed_by_the_next(tmp_path: Path, cache: Path) -> None:
    left = kernels_folder() / ".building-6.12-0123-abc"
    left.mkdir(parents=True)

    with pytest.raises(ShadowFailedError):
        build_kernel(broken_source(tmp_path / "linux"))

    assert not left.exists()


def test_a_source_too_old_is_refused(cache: Path) -> None:
    old = KernelSource(path=Path("/usr/src/linux-source-5.10.tar.xz"), version="5.10", digest="d")

    with pytest.raises(InputError, match=r"version 5\.10 is older than 6\.1"):
        build_kernel(old)


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SHADOWLAB_CACHE", str(tmp_path / "file"))

    with pytest.raises(CannotRunError, match="file/kernels cannot be written: Not a directory"):
        build_kernel(SOURCE)


def test_the_options_in_the_package_are_read_without_contradiction() -> None:
    options = read_options(CONFIG_SOURCE.read_text())

    assert {"UML_TIME_TRAVEL_SUPPORT", "HOSTFS", "NET_SCH_NETEM", "VETH", "TCP_CONG_BBR"} <= set(options.wanted)
    assert {"HW_RANDOM", "UML_RANDOM", "MODULES"} <= set(options.unwanted)
    assert not set(options.wanted) & set(options.unwanted)


def test_options_become_a_fragment_for_make() -> None:
    options = read_options("# comment\nVETH  # why\n!MODULES\n?NEW\n\n")

    assert options.fragment() == "CONFIG_VETH=y\nCONFIG_NEW=y\n# CONFIG_MODULES is not set\n"


def test_options_that_came_out_otherwise_are_all_named() -> None:
    options = read_options("VETH\nIFB\nTUN\n!MODULES\n?NEW\n")

    with pytest.raises(CannotRunError) as error:
        options.check("CONFIG_VETH=y\n# CONFIG_TUN is not set\nCONFIG_IFB=m\nCONFIG_MODULES=y\n")

    assert str(error.value) == (
        "this kernel source cannot be configured as needed: "
        "IFB is not built in, TUN is not built in, MODULES is built in and must not be"
    )


def test_a_line_that_is_no_option_is_named_with_its_number() -> None:
    with pytest.raises(InputError, match=r"kernel\.config:2: 'CONFIG_VETH=y' is no option"):
        read_options("NET\nCONFIG_VETH=y\n")


def test_the_preloaded_library_compiles_without_a_warning(tmp_path: Path) -> None:
    command = [*compile_command(tmp_path / "preload.so"), "-Wextra", "-Werror"]

    done = subprocess.run(command, check=False, env=tools.build_environment(), capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "preload.so").read_bytes().startswith(b"\x7fELF")


def clock_sources(tree: Path, *, multiplier: int = 256) -> dict[Path, str]:
    files = {
        tree / "arch/um/include/linux/time-internal.h": f"#define TIMER_MULTIPLIER {multiplier}\n#define OTHER 1\n",
        tree / "arch/um/kernel/time.c": "\ttime_travel_update_time_rel(TIMER_MULTIPLIER);\n\treturn os_nsecs();\n",
    }
    for file, text in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return files


def test_the_clock_is_made_to_count_nanoseconds_and_a_reading_of_it_costs_what_it_did(tmp_path: Path) -> None:
    header, code = clock_sources(tmp_path)

    refine_clock(tmp_path)

    assert header.read_text() == "#define TIMER_MULTIPLIER 1\n#define OTHER 1\n"
    assert code.read_text() == "\ttime_travel_update_time_rel(256);\n\treturn os_nsecs();\n"


def test_a_source_whose_clock_reads_otherwise_is_left_as_it_is(tmp_path: Path) -> None:
    files = clock_sources(tmp_path, multiplier=64)

    refine_clock(tmp_path)
    refine_clock(tmp_path / "of no kernel")

    assert {file: file.read_text() for file in files} == files
