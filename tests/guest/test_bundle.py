"""The modules of a guest in one file: the same result without it, and never an old module."""

from __future__ import annotations

import marshal
import os
import sys
from pathlib import Path

import pytest

from shadowlab.guest.boot import INTERPRETER_FLAGS, run_in_guest
from shadowlab.guest.bundle import bundle_for
from shadowlab.guest.cache import BuiltKernel
from shadowlab.guest.init import HEAD_BYTES
from shadowlab.lab.job import Job
from shadowlab.model.flow import FlowSpec
from shadowlab.model.flow import Path as FlowPath
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Link, Network, Node
from shadowlab.shadow.plan import build_plan
from shadowlab.topology.addressing import address, leaving_of
from shadowlab.topology.routing import shortest_routes

S = 10**9


def modules_of(bundle: bytes | None) -> dict[str, tuple[object, bool, str]]:
    assert bundle is not None
    found: dict[str, tuple[object, bool, str]] = marshal.loads(
        bundle[HEAD_BYTES + int.from_bytes(bundle[:HEAD_BYTES], "little") :]
    )
    return found


def test_a_bundle_is_made_once_and_again_when_a_module_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHADOWLAB_CACHE", str(tmp_path / "cache"))
    package = tmp_path / "shadowlab"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "part.py").write_text("VALUE = 1\n")
    (package / "probe.py").write_text("import shadowlab.part\n")
    path = [*(one for one in sys.path if "python3" in one and "site-packages" not in one), str(tmp_path)]

    def made() -> bytes | None:
        return bundle_for("shadowlab.probe:run", path, INTERPRETER_FLAGS)

    first = made()
    kept = next((tmp_path / "cache" / "modules").iterdir())
    written_ns = kept.stat().st_mtime_ns
    again = made()

    assert again == first
    assert kept.stat().st_mtime_ns == written_ns
    assert {"shadowlab", "shadowlab.part", "shadowlab.probe"} <= set(modules_of(first))

    (package / "part.py").write_text("VALUE = 22\n")
    changed = made()

    names: dict[str, object] = {}
    exec(modules_of(changed)["shadowlab.part"][0], names)  # type: ignore[call-overload]
    assert names["VALUE"] == 22


def test_where_nothing_can_be_kept_one_is_made_each_time_and_for_a_function_that_is_not_ours_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SHADOWLAB_CACHE", str(tmp_path / "file"))

    assert "shadowlab.lab.inside" in modules_of(bundle_for("shadowlab.lab.inside:run", sys.path, INTERPRETER_FLAGS))
    assert bundle_for("json:loads", sys.path, INTERPRETER_FLAGS) is None


@pytest.mark.guest
def test_a_run_is_the_same_to_the_bit_with_a_bundle_and_without(
    built_kernel: BuiltKernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = Impairment(delay_ns=3_000_000, rate_bps=5_000_000, queue_packets=20, loss=0.02)
    network = Network(
        name="pair",
        nodes=(Node(id="a", kind="host"), Node(id="b", kind="host"), Node(id="r", kind="router")),
        links=(
            Link(id="a-r", a="a", b="r", forward=wire, backward=wire),
            Link(id="b-r", a="b", b="r", forward=wire, backward=wire),
        ),
    )
    fabric = address(network)
    job = Job(
        seed=1,
        duration_ns=5 * S,
        sample_every_ns=S,
        probe_every_ns=S // 10,
        build=build_plan(network, fabric, shortest_routes(network, fabric)),
        addresses=fabric.node_address,
        interface_directions=leaving_of(fabric),
        flows=(FlowSpec(id="bulk", source="a", target="b", flow_class="greedy"),),
        paths=(FlowPath(source="a", target="b"),),
        watched=(),
        timeline=(),
    )

    def raw(name: str) -> dict[str, bytes]:
        folder = tmp_path / name
        folder.mkdir()
        run_in_guest(
            kernel=built_kernel,
            entry="shadowlab.lab.inside:run",
            job=job.to_bytes(),
            folder=folder,
            clock="virtual",
            seed=1,
            virtual_deadline_ns=600 * S,
            wall_deadline_s=300,
        )
        return {file.name: file.read_bytes() for file in folder.iterdir() if file.suffix in (".blocks", ".jsonl")}

    monkeypatch.setenv("SHADOWLAB_CACHE", str(tmp_path / "cache"))
    with_bundle = raw("with")
    assert os.listdir(tmp_path / "cache" / "modules")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SHADOWLAB_CACHE", str(tmp_path / "file"))
    without = raw("without")

    assert "tcp.blocks" in with_bundle
    assert with_bundle == without
