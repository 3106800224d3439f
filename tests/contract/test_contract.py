"""One suite, two kernels: what the fake promises is what Linux does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from contract_base import Check
from suite import CHECKS, LINUX_CHECKS, RESULTS_FILE

from shadowlab.errors import KernelRefusedError, ShadowLabError
from shadowlab.guest.boot import run_in_guest
from shadowlab.guest.cache import need_kernel
from shadowlab.kernel.fake import FakeSegment
from shadowlab.kernel.ports import ScriptOutcome

_VIRTUAL_DEADLINE_NS = 600 * 10**9
_WALL_DEADLINE_S = 120.0


@pytest.fixture(scope="module")
def linux_results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """One boot of the embedded kernel for all checks.  Without a kernel the tests fail; they never skip."""
    folder: Path = tmp_path_factory.mktemp("contract")
    try:
        run_in_guest(
            kernel=need_kernel("virtual"),
            entry="suite:run",
            job=b"",
            folder=folder,
            clock="virtual",
            seed=1,
            virtual_deadline_ns=_VIRTUAL_DEADLINE_NS,
            wall_deadline_s=_WALL_DEADLINE_S,
        )
    except ShadowLabError as error:
        pytest.fail(f"the contract suite could not run in the embedded kernel: {error}")
    results: dict[str, str] = json.loads((folder / RESULTS_FILE).read_text(encoding="utf-8"))
    return results


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_fake(check: Check) -> None:
    with FakeSegment() as segment:
        check(segment)


@pytest.mark.guest
@pytest.mark.parametrize("name", [check.__name__ for check in CHECKS + LINUX_CHECKS])
def test_linux(name: str, linux_results: dict[str, str]) -> None:
    trouble = linux_results.get(name, "was not run")

    assert not trouble, trouble


def test_the_fake_carries_no_packets_and_says_so() -> None:
    with FakeSegment() as segment:
        segment.create_namespace("a")

        with pytest.raises(KernelRefusedError, match="carries no packets"):
            segment.open_socket("a", 2, 1)


def test_the_fake_runs_scripts_as_the_test_has_it() -> None:
    seen = []

    def on_script(node: str, argv: object, environment: object, text: str) -> ScriptOutcome:
        seen.append((node, text))
        return ScriptOutcome(exit_code=0, output="fine", timed_out=False)

    with FakeSegment(on_script=on_script) as segment:
        segment.create_namespace("a")

        outcome = segment.run_script("a", ["/bin/sh"], {}, 10**9, "exit 0")

    assert outcome.output == "fine"
    assert seen == [("a", "exit 0")]
