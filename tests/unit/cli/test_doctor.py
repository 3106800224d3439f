"""The doctor: facts in, findings out, each with what it means and the command that mends it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from shadowlab.cli.doctor import as_document, as_text
from shadowlab.guest.cache import BuiltKernel
from shadowlab.guest.host_side.confinement import Confinement
from shadowlab.kernel.capability import HostCapability, Piece
from shadowlab.kernel.examine.disciplines import DISCIPLINES
from shadowlab.kernel.examine.machine import Lateness, Machine, measure_lateness
from shadowlab.lab.doctor.diagnosis import Diagnosis, Finding, diagnose

GIB = 1 << 30
GOOD = Machine(
    kernel="Linux 6.12.1 x86_64",
    root=False,
    cpus=2,
    cpus_present=2,
    open_files=20_000,
    memory_total_bytes=8 * GIB,
    memory_available_bytes=6 * GIB,
    shared_memory_bytes=4 * GIB,
    shared_memory_exec=True,
    max_user_namespaces=1000,
    max_net_namespaces=1000,
    userns_forbidden_by="",
    ptrace_scope=1,
    conntrack_count=1,
    conntrack_max=1000,
    congestion_allowed=("reno", "cubic"),
    lateness=Lateness(samples=250, median_ns=60_000, p99_ns=200_000, max_ns=300_000),
)
CONFINED = Confinement(by="landlock", user=1000, reads_all=False, network="no TCP", abi=7)
NAMES = ("private namespaces", "veth", "netem", "ifb", "matchall and mirred", "packets")


def piece(name: str, why: str = "") -> Piece:
    return Piece(
        name=name,
        present=not why,
        why=why,
        needed_for="links",
        cure="a kernel",
        required=not name.startswith("congestion"),
    )


def capable(**why: str) -> HostCapability:
    return HostCapability(
        pieces=tuple(piece(name, why.get(name.split()[-1], "")) for name in (*NAMES, "congestion control bbr"))
    )


def kernel(version: str = "6.12.1", *, virtual: bool = True) -> BuiltKernel:
    return BuiltKernel(key="k", version=version, folder=Path("/none"), sha256="", virtual_clock=virtual)


def diagnosis(
    machine: Machine = GOOD,
    capability: HostCapability | None = None,
    kernels: tuple[BuiltKernel, ...] = (),
    missing: str = "",
    confinement: Confinement | str = CONFINED,
) -> Diagnosis:
    disciplines = {kind: "unknown kind" if kind == missing else "" for kind in DISCIPLINES}
    return diagnose(machine, capability or capable(), disciplines, kernels, confinement)


def finding(found: Diagnosis, name: str) -> Finding:
    (one,) = [one for one in found.findings if one.name == name]
    return one


def test_a_good_machine_needs_no_mending_but_an_embedded_kernel() -> None:
    found = diagnosis()

    assert [one.name for one in found.findings if one.mend] == ["virtual clock"]
    assert finding(found, "virtual clock").mend == "shadowlab kernel build"
    assert found.can_run


def test_nothing_can_run_without_netem_and_without_an_embedded_kernel() -> None:
    found = diagnosis(capability=capable(netem="unknown kind"))

    assert not found.can_run
    assert not found.host
    assert finding(found, GOOD.kernel).mend == "modprobe -a sch_netem || apt-get install linux-image-amd64 && reboot"


def test_an_embedded_kernel_suffices() -> None:
    found = diagnosis(capability=capable(namespaces="not permitted"), kernels=(kernel(),))

    assert (found.embedded_virtual, found.embedded_real, found.host) == (True, True, False)
    assert found.can_run


def test_debians_kernel_alone_runs_on_the_real_clock_only() -> None:
    found = diagnosis(capability=capable(netem="unknown kind"), kernels=(kernel("6.1.0", virtual=False),))

    assert (found.embedded_virtual, found.embedded_real) == (False, True)
    assert "real clock only" in finding(found, "virtual clock").found


def test_a_kernel_too_old_to_repeat_exactly_is_weak() -> None:
    found = diagnosis(kernels=(kernel("6.1.0"),))

    assert finding(found, "Linux 6.1.0").state == "weak"


def test_a_missing_discipline_names_its_module() -> None:
    one = finding(diagnosis(missing="cake"), "cake")

    assert (one.state, one.mend) == ("missing", "modprobe sch_cake || apt-get install linux-image-amd64 && reboot")


def test_a_missing_congestion_control_is_allowed_beside_the_others() -> None:
    one = finding(diagnosis(capability=capable(bbr="not permitted")), "congestion control bbr")

    assert one.mend == "modprobe tcp_bbr && sysctl -w net.ipv4.tcp_allowed_congestion_control='reno cubic bbr'"


@pytest.mark.parametrize(
    ("name", "machine"),
    [
        ("open files", replace(GOOD, open_files=1024)),
        ("memory", replace(GOOD, memory_available_bytes=GIB // 2)),
        ("/dev/shm", replace(GOOD, shared_memory_bytes=64 << 20)),
        ("/dev/shm", replace(GOOD, shared_memory_exec=False)),
        ("/dev/shm", replace(GOOD, shared_memory_bytes=None)),
        ("network namespaces", replace(GOOD, max_net_namespaces=10)),
        ("connection tracking", replace(GOOD, conntrack_count=900)),
        ("timers", replace(GOOD, lateness=Lateness(samples=9, median_ns=1, p99_ns=5_000_000, max_ns=6_000_000))),
        ("CPUs", replace(GOOD, cpus=1)),
        ("user namespaces", replace(GOOD, userns_forbidden_by="user.max_user_namespaces")),
    ],
)
def test_what_is_scarce_says_what_it_means_and_what_mends_it(name: str, machine: Machine) -> None:
    one = finding(diagnosis(machine), name)

    assert one.state != "ok"
    assert one.found
    assert one.means
    assert one.mend


def test_unlimited_files_and_no_conntrack_are_fine() -> None:
    found = diagnosis(replace(GOOD, open_files=-1, conntrack_max=None, conntrack_count=None))

    assert finding(found, "open files").found == "unlimited"
    assert "connection tracking" not in [one.name for one in found.findings]


def test_the_document_holds_what_the_text_says() -> None:
    found = diagnosis(capability=capable(netem="unknown kind"))

    document, text = json.loads(as_document(found)), as_text(found)

    assert document["can_run"] is False
    for one in document["findings"]:
        assert one["name"] in text
        assert one["mend"] in text
    assert text.splitlines()[-1] == "cannot   host kernel, real clock"


def test_lateness_is_never_negative() -> None:
    late = measure_lateness(5_000_000)

    assert late.samples >= 1
    assert 0 <= late.median_ns <= late.p99_ns <= late.max_ns


@pytest.mark.parametrize("cache", ["empty", "own"])
def test_the_command_prints_one_document_and_its_exit_code_tells_whether_anything_can_run(
    tmp_path: Path, cache: str
) -> None:
    environment = os.environ | ({"SHADOWLAB_CACHE": str(tmp_path)} if cache == "empty" else {})

    ended = subprocess.run(
        [sys.executable, "-m", "shadowlab", "doctor", "--json"],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )

    document = json.loads(ended.stdout)
    assert ended.stderr == ""
    assert ended.returncode == (0 if document["can_run"] else 3)
    assert document["embedded_virtual"] is (cache == "own")
    assert {one["name"] for one in document["findings"]} >= {"netem", "timers", "open files", "root", "/dev/shm"}


def test_confinement_is_told_and_the_lack_of_it_too() -> None:
    well = finding(diagnosis(), "confinement")
    badly = finding(diagnosis(confinement=replace(CONFINED, by="user", abi=0)), "confinement")
    not_at_all = finding(diagnosis(confinement="make a Landlock rule set: EPERM"), "confinement")

    assert (well.state, well.mend) == ("ok", "")
    assert well.found == "confined by Landlock (ABI 7); user 1000, no rights; network: no TCP"
    assert (badly.state, not_at_all.state) == ("weak", "missing")
    assert badly.mend


def test_a_machine_that_forbids_tracing_is_told_so() -> None:
    assert "ptrace_scope=1" in finding(diagnosis(replace(GOOD, ptrace_scope=2)), "tracing").mend
