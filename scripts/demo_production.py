"""A stand-in for production, watched by agents: a second segment whose instances are nodes of a lab.

The lab is the Abilene map with one more host, the collector.  The connections of the recorded telemetry run in it on
the real clock, first in a sound network, then with the incident's fault.  In every instance an agent reads that node's
sockets and sends what it reads over TLS to the receiver, which runs in the collector: packets of the agents stay in the
segment like all others, and what the receiver wrote leaves it through the lab's own line, after the traffic.

Run it as ``scripts/demo --through-agent``.  It writes ``FOLDER/before`` and ``FOLDER/after`` (a file per instance), and
``FOLDER/scenario.yaml``, and runs that.  Exit code 0: the run's expectations are met, and production, as its agents saw
it, did what the shadow did.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from shadowlab import Lab
from shadowlab.errors import ShadowFailedError, ShadowLabError
from shadowlab.lab.live.api import Finished
from shadowlab.lab.live.driving.drive import drive, recorded_flows
from shadowlab.lab.live.driving.drive_inside import DriveReport
from shadowlab.lab.live.lab import LiveLab
from shadowlab.telemetry.reading import open_telemetry
from shadowlab.telemetry.writing import open_writer
from shadowlab.topology.formats import load_map

ROOT = Path(__file__).parents[1]
SCENARIO = ROOT / "topologies" / "abilene-incident.yaml"
COLLECTOR, COLLECTOR_ROUTER, PORT = "collector", "chi", 8443
INSIDE = "/run/tmp"
"""Inside the guest: its memory, which ends with the lab."""
PROGRAMS_BYTES = 1 << 30
EVERY_S = 5.0
SETTLE_S, CALM_S, FAULT_S = 5.0, 30.0, 35.0
"""Left out at the start and after the fault; recorded before it; recorded with it."""
SPARE_S = 5.0
"""The traffic lasts so much longer than what is recorded of it."""
LATE_NS = 20_000_000
START_PATIENCE_S = 180.0
SHADOWLAB = (sys.executable, "-m", "shadowlab")


def production_map(scenario: Mapping[str, Any]) -> dict[str, Any]:
    """The scenario's map with the collector, one access link away from a router."""
    found: dict[str, Any] = yaml.safe_load((SCENARIO.parent / scenario["map"]).read_text())
    found["name"] = f"{found['name']}-production"
    found["nodes"][COLLECTOR] = {"kind": "host", "label": "Receiver of the agents"}
    found["links"][f"{COLLECTOR}-{COLLECTOR_ROUTER}"] = {"ends": [COLLECTOR, COLLECTOR_ROUTER]}
    return found


def fault(scenario: Mapping[str, Any]) -> tuple[str, str]:
    """The link and the loss of the scenario's last event: what the fault has grown to."""
    last = scenario["events"][-1]
    return last["degrade"], last["loss"]


def shadow_scenario(scenario: Mapping[str, Any]) -> dict[str, Any]:
    """The scenario, with the folders beside it as telemetry and its other files where they are."""
    found = dict(scenario)
    found["map"] = str(SCENARIO.parent / scenario["map"])
    found["telemetry"], found["production_after"] = "before", "after"
    found["mitigations"] = [
        {"script": one["script"] | {"file": str(SCENARIO.parent / one["script"]["file"])}} if "script" in one else one
        for one in scenario["mitigations"]
    ]
    return found


def identities(names: list[str]) -> bytes:
    """The folder of a new authority as a packed tar, without the authority's own key: what the nodes need."""
    with tempfile.TemporaryDirectory(prefix="shadowlab-demo-") as folder:
        lab_ca = Path(folder) / "ca"
        for words in (["init"], ["issue", "--server", COLLECTOR], ["issue", *names]):
            command = [*SHADOWLAB, "ca", words[0], "--folder", str(lab_ca), *words[1:]]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as tar:
            for path in sorted(lab_ca.iterdir()):
                if path.name != "ca.key":
                    tar.add(path, arcname=f"ca/{path.name}")
        return packed.getvalue()


class Program(threading.Thread):
    """A program in a node, waited for in a thread."""

    def __init__(self, lab: Lab, node: str, *words: str) -> None:
        super().__init__(name=node, daemon=True)
        self._ask: Callable[[], Finished] = lambda: lab[node].run(words, timeout_s=600)
        self.finished: Finished | None = None
        self.trouble = ""

    def run(self) -> None:
        try:
            self.finished = self._ask()
        except ShadowLabError as error:
            self.trouble = str(error)

    def need_alive(self) -> None:
        """Raises ShadowFailedError, with its last words, if it has ended."""
        if self.is_alive():
            return
        done = self.finished
        why = self.trouble or (f"exit code {done.exit_code}: {done.stderr.decode().strip()}" if done else "it ended")
        raise ShadowFailedError(f"the program in {self.name} ended early: {why}")


class Driving(threading.Thread):
    """The flows of the recording, in a thread."""

    def __init__(self, lab: str, telemetry: Path, seconds: float) -> None:
        super().__init__(name="traffic", daemon=True)
        self._lab = LiveLab(lab)
        network = self._lab.whole().network
        assert network is not None
        self.flows = recorded_flows(telemetry, network).flows
        self._seconds = seconds
        self.begun = threading.Event()
        self.report: DriveReport | None = None
        self.trouble = ""

    def run(self) -> None:
        try:
            self.report = drive(
                self._lab,
                self.flows,
                duration_ns=round(self._seconds * 1e9),
                on_done=lambda _share: self.begun.set(),
            )
        except ShadowLabError as error:
            self.trouble = str(error)

    def ended(self) -> DriveReport:
        """How it went, once its time is over.  Raises ShadowFailedError if it did not come to that."""
        self.join(START_PATIENCE_S)
        if self.report is None:
            raise ShadowFailedError(f"production's traffic did not end well: {self.trouble or 'it goes on and on'}")
        return self.report

    def need_alive(self) -> None:
        """Raises ShadowFailedError if the traffic has ended."""
        if not self.is_alive():
            raise ShadowFailedError(f"production's traffic ended early: {self.trouble or 'its time was over'}")


class Teller:
    """Lines of progress on stderr, each with the seconds since the start."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    def __call__(self, words: str) -> None:
        print(f"[{time.monotonic() - self._begun:5.1f} s] {words}", file=sys.stderr, flush=True)


def start_agents(lab: Lab, names: list[str], tell: Teller) -> list[Program]:
    """The receiver and an agent in each instance; returns when the receiver has heard of all."""
    lab[COLLECTOR].run(["tar", "-xz", "--no-same-owner", "-C", INSIDE], stdin=identities(names), timeout_s=60).check()
    ca, replica = f"{INSIDE}/ca", f"{INSIDE}/replica"
    receiver = Program(
        lab,
        COLLECTOR,
        *(*SHADOWLAB, "replicate-server", "--folder", replica, "--listen", f"0.0.0.0:{PORT}"),
        *("--identity", f"{ca}/{COLLECTOR}", "--tokens", f"{ca}/tokens", "--revoked", f"{ca}/revoked.crl"),
    )
    agents = [
        Program(
            lab,
            name,
            *(*SHADOWLAB, "agent", "--to", f"https://{COLLECTOR}:{PORT}", "--identity", f"{ca}/{name}"),
            *("--instance", name, "--every", str(EVERY_S), "--spool", f"{INSIDE}/spool/{name}", "--spool-mb", "4"),
        )
        for name in names
    ]
    started = [receiver, *agents]
    for one in started:
        one.start()
    give_up = time.monotonic() + START_PATIENCE_S
    heard: set[str] = set()
    while heard != set(names):
        if time.monotonic() > give_up:
            silent = ", ".join(sorted(set(names) - heard))
            raise ShadowFailedError(f"the receiver has not heard of {silent} in {START_PATIENCE_S:g} s")
        for one in started:
            one.need_alive()
        time.sleep(1)
        heard = set(lab[COLLECTOR].run(["ls", replica], timeout_s=60).text.split()) & set(names)
    tell(f"the receiver in {COLLECTOR} has heard of all {len(names)} agents")
    return started


def wait(seconds: float, programs: list[Program], driving: Driving | None = None) -> None:
    """Let production run; raises ShadowFailedError as soon as one of its programs, or its traffic, is gone."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        for one in programs:
            one.need_alive()
        if driving is not None:
            driving.need_alive()
        time.sleep(min(1.0, left))


def play(lab: Lab, telemetry: Path, link: str, loss: str, tell: Teller) -> tuple[int, dict[str, tuple[int, int]]]:
    """Let the traffic run, calm and then with the fault; how many flows, and the windows of both in ns of Unix time."""
    names = sorted(name for name in lab if name != COLLECTOR and name in _hosts(lab))
    programs = start_agents(lab, names, tell)
    driving = Driving(lab.name, telemetry, 2 * SETTLE_S + CALM_S + FAULT_S + SPARE_S)
    driving.start()
    while not driving.begun.wait(1):
        driving.need_alive()
    tell(f"{len(driving.flows)} connections run between the instances; calm for {SETTLE_S + CALM_S:g} s")
    wait(SETTLE_S, programs, driving)
    calm_from = time.time_ns()
    wait(CALM_S, programs, driving)
    calm_to = time.time_ns()
    for change in lab.set(link, loss=loss):
        tell(f"fault: {change.op.describe()}")
    wait(SETTLE_S, programs, driving)
    fault_from = time.time_ns()
    wait(FAULT_S, programs, driving)
    fault_to = time.time_ns()
    tell_of_traffic(driving.ended(), tell)
    wait(2 * EVERY_S, programs)  # what was read in the last window is sent
    return len(driving.flows), {"before": (calm_from, calm_to), "after": (fault_from, fault_to)}


def tell_of_traffic(report: DriveReport, tell: Teller) -> None:
    """How well this machine kept the time, and which connections died."""
    tell(f"production's timers were late by at most {report.late_p99_ns / 1e6:.1f} ms (99 %)")
    if report.late_p99_ns > LATE_NS:
        tell("  this machine was busy elsewhere: production's round-trip times are longer than its links make them")
    for one in report.flows:
        if one.failures:
            tell(f"  connection {one.flow} failed {one.failures} times: {one.last_failure}")


def _hosts(lab: Lab) -> set[str]:
    network = LiveLab(lab.name).whole().network
    assert network is not None
    return {host.id for host in network.hosts}


def fetch_replica(lab: Lab, folder: Path) -> None:
    """What the receiver wrote, out of the segment into ``folder``; the line of the lab is all that leads out."""
    # A copy first: tar minds files that grow while it reads them.
    command = f"cp -r {INSIDE}/replica {INSIDE}/copy && exec tar -czf - -C {INSIDE}/copy ."
    packed = lab[COLLECTOR].run(["sh", "-c", command], timeout_s=120).check().stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        tar.extractall(folder, filter="data")


def cut(replica: Path, folder: Path, window: tuple[int, int]) -> int:
    """The records of a window (from <= moment <= to, ns of Unix time), a file for each instance; how many they are."""
    folder.mkdir()
    count = 0
    for instance in sorted(one for one in replica.iterdir() if one.is_dir()):
        with open_telemetry(instance) as reading, open_writer(folder / f"{instance.name}.jsonl", "jsonl") as writer:
            for record in reading.records:
                if window[0] <= record.at_ns <= window[1]:
                    writer.write(record)
                    count += 1
            reading.check()
    return count


def tell_what_arrived(folder: Path, driven: int, counts: Mapping[str, int], tell: Teller) -> None:
    """How much of production the telemetry tells, by the reading that the shadow will do."""
    tell(f"through agents and receiver: {counts['before']} records before the fault, {counts['after']} with it")
    known = recorded_flows(folder / "before", load_map(ROOT / "topologies" / "abilene.yaml"))
    tell(f"of production's {driven} connections the telemetry tells the demand of {len(known.flows)}")
    for reason, count in known.left_out.items():
        tell(f"  left out, {count} records: {reason}")


@contextmanager
def signals_unwind() -> Iterator[None]:
    """SIGTERM and SIGHUP end it as Ctrl-C does; once one has come, no other disturbs the clearing away."""

    def unwind(_number: int, _frame: object) -> None:
        for one in numbers:
            signal.signal(one, signal.SIG_IGN)
        raise KeyboardInterrupt

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {one: signal.signal(one, unwind) for one in numbers}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def produce(folder: Path, tell: Teller) -> None:
    """Production's part, from its map to the telemetry and the scenario in ``folder``."""
    scenario = yaml.safe_load(SCENARIO.read_text())
    folder.mkdir(parents=True)
    (folder / "production.yaml").write_text(yaml.safe_dump(production_map(scenario), sort_keys=False))
    (folder / "scenario.yaml").write_text(yaml.safe_dump(shadow_scenario(scenario), sort_keys=False))
    name = f"production-{os.getpid()}"
    tell(f"production is lab {name}, on the embedded kernel and the real clock")
    try:
        with Lab.open(folder / "production.yaml", name=name, kernel="embedded", programs_bytes=PROGRAMS_BYTES) as lab:
            driven, windows = play(lab, SCENARIO.parent / scenario["telemetry"], *fault(scenario), tell)
            fetch_replica(lab, folder / "replica")
    finally:
        if LiveLab(name).folder.exists:  # a signal between the building and the block
            LiveLab(name).down()
    tell("production is down, and its certificates are gone with it")
    counts = {what: cut(folder / "replica", folder / what, window) for what, window in windows.items()}
    tell_what_arrived(folder, driven, counts, tell)


def run_shadow(scenario: Path, out: Path, more: list[str]) -> int:
    """``shadowlab run``; its exit code, or 1 if production did not do what the shadow did."""
    with subprocess.Popen([*SHADOWLAB, "run", str(scenario), "--out", str(out), *more]) as process:
        try:
            code = process.wait()
        except KeyboardInterrupt:
            process.terminate()
            raise
    if code:
        return code
    correlation = json.loads((out / "result.json").read_text())["correlation"]
    if correlation["verdict"] != "confirmed":
        print(f"demo: {correlation['verdict']}: {correlation['why']}", file=sys.stderr)
        return 1
    return 0


def main() -> None:
    """Production first, then its shadow."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="to create: production's map, what the receiver wrote, the scenario")
    parser.add_argument("out", type=Path, help="to create: the folder of the shadow's run")
    parser.add_argument("run", nargs=argparse.REMAINDER, help="passed on to shadowlab run")
    asked = parser.parse_args()
    tell = Teller()
    state = "production is taken down"
    try:
        with signals_unwind():
            produce(asked.folder, tell)
            state = f"what production told is in {asked.folder}"
            tell("now its shadow")
            code = run_shadow(asked.folder / "scenario.yaml", asked.out, asked.run)
    except ShadowLabError as error:
        print(f"demo: {error}", file=sys.stderr)
        code = error.exit_code
    except KeyboardInterrupt:
        print(f"demo: interrupted; {state}", file=sys.stderr)
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()
