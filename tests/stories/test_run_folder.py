"""What a run leaves and prints: its folder, never written over; result.json on request; an exit code that tells."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from host_tables import host_tables
from user_command import Ended, ended, run, small_scenario, start, until

pytestmark = [pytest.mark.story, pytest.mark.guest]

STRANGER = (
    "# instance printer at 2026-11-22T09:00:10Z\n"
    "ESTAB 0 0 10.9.9.1:1000 192.0.2.20:5001 cubic rto:204 rtt:0.5/0.2 mss:1448 cwnd:10 bytes_sent:5 bytes_acked:5\n"
)


@dataclass(frozen=True)
class Run:
    folder: Path
    ended: Ended

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def json(self, name: str) -> dict[str, object]:
        found: dict[str, object] = json.loads((self.out / name).read_text())
        return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with ``--json`` whose telemetry also knows an instance that the map does not."""
    folder = tmp_path_factory.mktemp("finished")
    small_scenario(folder)
    with (folder / "before.ss").open("a") as file:
        file.write(STRANGER)
    before = host_tables()
    done = Run(folder, run("run", "incident.yaml", "--out", "out", "--json", folder=folder))
    assert host_tables() == before, "a run leaves the host's network as it was"
    return done


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(one.relative_to(folder)): hashlib.sha256(one.read_bytes()).hexdigest()
        for one in folder.rglob("*")
        if one.is_file()
    }


def test_json_prints_result_json_and_nothing_else(finished: Run) -> None:
    assert (finished.ended.code, finished.ended.stderr) == (0, "")
    assert finished.ended.stdout == (finished.out / "result.json").read_text()


def test_a_record_of_an_unknown_instance_is_counted_listed_and_left_out(finished: Run) -> None:
    telemetry = finished.json("result.json")["telemetry"]

    assert telemetry == {
        "is": "TelemetryUse",
        "records": 13,
        "unreadable": 0,
        "connections": 3,
        "left_out": {"instance 'printer' is not a node of the map, nor is its address": 1},
    }


def test_the_result_says_what_happened_and_what_to_do(finished: Run) -> None:
    result = finished.json("result.json")

    domain, cures = result["fault_domain"], result["cures"]
    assert isinstance(domain, dict)
    assert isinstance(cures, list)
    assert (domain["links"], domain["kind"]) == (["north-south"], "loss")
    assert [one["cure"] for one in cures] == ["reroute", "do nothing"]
    assert result["expectations"] == {"the best cure is reroute": True, "the fault domain is north-south": True}


def test_a_second_run_into_the_same_folder_is_refused_and_the_first_stays(finished: Run) -> None:
    before = hashes(finished.out)

    second = run("run", "incident.yaml", "--out", "out", folder=finished.folder)

    assert second.triple == (
        2,
        "",
        "shadowlab: out already holds ablation and more: a run never writes over another; choose a new folder "
        "with --out, or remove this one\n",
    )
    assert hashes(finished.out) == before


def test_two_runs_at_once_do_not_share_a_folder(tmp_path: Path) -> None:
    small_scenario(tmp_path)
    first = start("run", "incident.yaml", "--out", "out", folder=tmp_path)
    until((tmp_path / "out" / "raw").exists, first)

    second = run("run", "incident.yaml", "--out", "out", folder=tmp_path)

    assert second.triple == (
        2,
        "",
        "shadowlab: another run is writing into out: choose another folder with --out\n",
    )
    assert ended(first).code == 0


def test_an_expectation_that_is_not_met_ends_in_1(tmp_path: Path) -> None:
    small_scenario(
        tmp_path,
        ("incident.yaml", "{fault: north-south, best: reroute}", "{fault: north-west}"),
        ("incident.yaml", "mitigations:\n  - reroute: true\n", ""),
    )

    done = run("run", "incident.yaml", folder=tmp_path)

    assert (done.code, done.stderr) == (1, "")
    assert "Expected        the fault domain is north-west: NOT MET\n" in done.stdout
    assert done.stdout.endswith("Report: runs/triangle-incident-1/report/report.html\n")
    assert (tmp_path / "runs" / "triangle-incident-1" / "report" / "report.html").is_file()


def test_without_expectations_broken_service_levels_end_in_1(tmp_path: Path) -> None:
    small_scenario(
        tmp_path,
        ("incident.yaml", "expect: {fault: north-south, best: reroute}\n", ""),
        ("incident.yaml", "mitigations:\n  - reroute: true\n", ""),
    )

    done = run("run", "incident.yaml", "--seed", "7", folder=tmp_path)

    assert (done.code, done.stderr) == (1, "")
    assert "Service levels  1 of 3 broken after the event\n" in done.stdout
    assert (tmp_path / "runs" / "triangle-incident-7").is_dir()


def test_a_calm_network_ends_in_0_and_says_so(tmp_path: Path) -> None:
    small_scenario(
        tmp_path,
        # Long enough for what is normal here: every 20 s the probes meet the packets of the paced flows for a while.
        ("incident.yaml", "duration: 40 s", "duration: 100 s"),
        ("incident.yaml", "to: 24 s", "to: 60 s"),
        ("incident.yaml", "expect: {fault: north-south, best: reroute}\n", ""),
        (
            "incident.yaml",
            "events:\n  - {at: 25 s, degrade: north-south, loss: 10 %, reason: a connector is dirty}\n",
            "",
        ),
    )

    done = run("run", "incident.yaml", "--out", "out", folder=tmp_path)

    assert (done.code, done.stderr) == (0, "")
    assert done.stdout.startswith("All paths keep to their baseline.\n")
    assert not (tmp_path / "out" / "rehearsals").exists()


def test_without_an_embedded_kernel_a_run_ends_in_3_and_says_what_to_do(tmp_path: Path) -> None:
    small_scenario(tmp_path)

    done = run(
        "run",
        "incident.yaml",
        "--kernel",
        "embedded",
        folder=tmp_path,
        environment={"SHADOWLAB_CACHE": str(tmp_path / "empty")},
    )

    assert done.triple == (
        3,
        "",
        f"shadowlab: no embedded kernel for the virtual clock in {tmp_path}/empty/kernels: "
        "run 'shadowlab kernel build' (3 to 5 minutes)\n",
    )
    assert not (tmp_path / "runs").exists()
