"""What a map costs is the sum of its parts, and a machine that has less says so before anything is built."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shadowlab.errors import CannotRunError
from shadowlab.kernel.examine.memory import free_bytes
from shadowlab.predict.cost import PRICES, KernelName, Parts, count_parts, map_cost, need_memory
from shadowlab.shadow.plan import build_plan
from shadowlab.topology.addressing import address
from shadowlab.topology.formats import load_map
from shadowlab.topology.routing import shortest_routes

ABILENE = Path(__file__).parents[3] / "topologies" / "abilene.yaml"
THOUSAND = Parts(nodes=1000, links=1000, queues=1900, arrivals=100, routes=90_100)
MIB = 1 << 20


def test_parts_are_counted_in_the_plan_itself() -> None:
    network = load_map(ABILENE)
    fabric = address(network)

    parts = count_parts(build_plan(network, fabric, shortest_routes(network, fabric)))

    assert (parts.nodes, parts.links) == (len(network.nodes), len(network.links))
    netems = sum(network.impairment(direction).netems for direction in network.directions)
    assert parts.queues + parts.arrivals == netems >= len(network.directions)


@pytest.mark.parametrize("kernel", PRICES)
def test_a_thousand_nodes_take_less_than_2_gib(kernel: KernelName) -> None:
    assert map_cost(THOUSAND, kernel).memory_bytes < 2048 * MIB


@given(some.builds(Parts, **{one.name: some.integers(1, 10**6) for one in fields(Parts)}), some.sampled_from([*PRICES]))
def test_what_fits_fits_and_more_does_not(parts: Parts, kernel: KernelName) -> None:
    cost = map_cost(parts, kernel)

    need_memory(cost, cost.memory_bytes, "it")
    with pytest.raises(CannotRunError):
        need_memory(cost, cost.memory_bytes - 1, "it")
    assert cost.nodes_within(cost.memory_bytes) in (parts.nodes, parts.nodes - 1)
    assert cost.guest_bytes >= cost.memory_bytes
    assert cost.guest_bytes % MIB == 0


def test_a_refusal_says_how_much_is_missing_and_how_much_would_fit() -> None:
    cost = map_cost(THOUSAND, "embedded")

    with pytest.raises(CannotRunError) as refused:
        need_memory(cost, 200_000_000, "lab big")

    assert "of memory and this machine has 200 MB free" in str(refused.value)
    assert "lab big needs" in str(refused.value)
    assert "of its 1000 nodes would fit" in str(refused.value)


def _machine(root: Path, available_kib: int, cgroup: str, files: dict[str, str]) -> Path:
    for name, text in {
        "proc/meminfo": f"MemTotal: 99999999 kB\nMemAvailable: {available_kib} kB\n",
        "proc/self/cgroup": cgroup,
        **files,
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_free_memory_is_what_the_machine_has(tmp_path: Path) -> None:
    assert free_bytes(_machine(tmp_path, 1000, "0::/\n", {})) == 1_024_000


def test_a_container_that_allows_less_counts(tmp_path: Path) -> None:
    above, own = "sys/fs/cgroup/pod", "sys/fs/cgroup/pod/box"
    files = {
        f"{above}/memory.max": "max\n",
        f"{own}/memory.max": "500000\n",
        f"{own}/memory.current": "300000\n",
        f"{own}/memory.stat": "anon 1\ninactive_file 50000\n",
    }

    assert free_bytes(_machine(tmp_path, 1000, "0::/pod/box\n", files)) == 250_000


def test_so_does_one_of_the_old_kind(tmp_path: Path) -> None:
    own = "sys/fs/cgroup/memory/box"
    files = {f"{own}/memory.limit_in_bytes": "500000\n", f"{own}/memory.usage_in_bytes": "300000\n"}

    assert free_bytes(_machine(tmp_path, 1000, "4:memory:/box\n0::/\n", files)) == 200_000
