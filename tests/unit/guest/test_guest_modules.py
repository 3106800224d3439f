"""Debian's kernel: which modules go in, in which order, and when it is found at all."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest

from shadowlab.guest.debian import installed_kernel
from shadowlab.guest.modules import insertion_order, name_of, read_module

MODULES_DEP = """\
kernel/net/ipv4/udp_tunnel.ko:
kernel/net/ipv6/ip6_udp_tunnel.ko: kernel/net/ipv4/udp_tunnel.ko
kernel/drivers/net/vxlan/vxlan.ko: kernel/net/ipv6/ip6_udp_tunnel.ko kernel/net/ipv4/udp_tunnel.ko
kernel/drivers/net/geneve.ko: kernel/net/ipv4/udp_tunnel.ko
kernel/net/sched/sch_netem.ko.xz:
"""


def test_what_a_module_needs_goes_in_before_it_and_only_once() -> None:
    order = insertion_order(MODULES_DEP, ("vxlan", "geneve", "sch_netem"))

    assert [name_of(file) for file in order] == ["udp_tunnel", "ip6_udp_tunnel", "vxlan", "geneve", "sch_netem"]


def test_a_module_that_is_built_in_is_not_missed() -> None:
    assert insertion_order(MODULES_DEP, ("veth",)) == []


def test_a_compressed_module_is_unpacked(tmp_path: Path) -> None:
    (tmp_path / "m.ko.xz").write_bytes(lzma.compress(b"\x7fELF"))

    assert read_module(str(tmp_path / "m.ko.xz")) == b"\x7fELF"


def test_debians_kernel_is_found_by_its_program_and_its_newest_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHADOWLAB_CACHE", str(tmp_path / "cache"))
    program = tmp_path / "linux.uml"
    assert installed_kernel(program=program, modules=tmp_path / "modules") is None

    program.touch(mode=0o755)
    for version in ("6.1.9", "6.1.176"):
        (tmp_path / "modules" / version).mkdir(parents=True)
    found = installed_kernel(program=program, modules=tmp_path / "modules")

    assert found is not None
    assert (found.version, found.path, found.virtual_clock) == ("6.1.176", program, False)
    assert not found.repeats_exactly
