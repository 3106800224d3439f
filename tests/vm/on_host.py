"""The host-kernel path on the kernel we stand on: its capability, the contract suite, a story on the real clock.

In: ``--contract`` for the contract suite without what takes long, ``--smoke`` for the short story without rehearsals
and plots; otherwise everything, a lab that is verified, and the small story as a user types it.
Out: a line per check on stderr, and one JSON document on stdout: name to what went wrong, empty if nothing did.
Meant for ``scripts/vm``; exit code 0 only if all held.

Under an emulated processor (``SHADOWLAB_VM=tcg``) the real clock is the emulation's: what depends on it is reported
under its name with the word LATE, and does not fail.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

HERE = Path(__file__).parent
CONTRACT = HERE.parent / "contract"
SMALL = HERE.parent / "stories" / "small" / "incident.yaml"
SMOKE = HERE / "smoke.yaml"
LAB = HERE / "lab.yaml"
ON_TIME = frozenset({"a_script_that_takes_too_long_ends_with_all_its_children"})
"""Checks of the contract that hold a moment, and do not tell lateness apart themselves."""
CONTRACT_DEADLINE_S = 200.0
LATE = "LATE: "
FORGIVEN_MS = 900
"""Under an emulated processor a second may be so late and still count: else the story would hold nothing to judge."""

Results = dict[str, str]


class Uninterrupted:
    """Nobody wants the run to end (a shadowlab.lab.interrupt.Interrupt)."""

    def something_to_lose(self) -> None:
        return

    def asked(self) -> bool:
        return False


def try_capability() -> Results:
    """Every piece that a shadow needs, and every congestion control, but for the seeds of 6.11."""
    from shadowlab.kernel.capability import probe_host

    pieces = probe_host().pieces
    return {f"capability: {piece.name}": piece.why for piece in pieces if piece.name != "hash seeds"}


def try_short_contract() -> Results:
    """The contract suite without what takes long."""
    return try_contract(short=True)


def try_contract(*, short: bool = False) -> Results:
    """The contract suite in a private segment of this kernel."""
    from shadowlab.kernel.private import run_private

    path = os.pathsep.join([str(CONTRACT), *filter(None, [os.environ.get("PYTHONPATH")])])
    os.environ["PYTHONPATH"] = path
    sys.path.insert(0, str(CONTRACT))
    from suite import REAL_CLOCK, REAL_CLOCK_ALL, RESULTS_FILE

    with tempfile.TemporaryDirectory() as folder:
        run_private(
            entry="suite:run",
            job=REAL_CLOCK if short else REAL_CLOCK_ALL,
            folder=Path(folder),
            wall_deadline_s=CONTRACT_DEADLINE_S,
            on_line=say,
            stopped=lambda: False,
        )
        found: Results = json.loads((Path(folder) / RESULTS_FILE).read_text())
    return {
        f"contract: {name}": LATE + trouble if trouble and emulated() and name in ON_TIME else told(trouble, emulated())
        for name, trouble in found.items()
    }


def emulated() -> bool:
    """Whether the processor is."""
    return os.environ.get("SHADOWLAB_VM") == "tcg"


def told(trouble: str, forgiven: bool) -> str:
    """On a real processor lateness is a failure like any other."""
    return trouble if forgiven else trouble.removeprefix(LATE)


def try_smoke() -> Results:
    """A scenario from map to fault domain on the real clock.  No report: plots take minutes under TCG."""
    from shadowlab.lab.progress import Silent
    from shadowlab.lab.run import run_scenario
    from shadowlab.monitor.void_windows import LATE_NS

    with tempfile.TemporaryDirectory() as folder:
        outcome = run_scenario(
            SMOKE,
            kernel="host",
            clock="auto",
            seed=None,
            out=Path(folder) / "run",
            scale="off",
            progress=Silent(),
            write_report=lambda *_: Path(folder) / "none",
            interrupt=Uninterrupted(),
            late_ns=FORGIVEN_MS * 10**6 if emulated() else LATE_NS,
        )
        result = json.loads((outcome.folder / "result.json").read_text())
        return judge(result, int(not result["holds"]))


def try_story() -> Results:
    """``shadowlab run`` as a user types it: incident, rehearsed cures, report, exit code."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        words = ["run", str(SMALL), "--kernel", "host", "--out", str(out), "--quiet", "--json"]
        words += ["--late", f"{FORGIVEN_MS} ms"] if emulated() else []
        ended = subprocess.run(
            [sys.executable, "-m", "shadowlab", *words], stdout=subprocess.PIPE, text=True, check=False
        )
        if not ended.stdout:
            return {"story: a result": f"none; exit code {ended.returncode}"}
        report = out / "report" / "report.html"
        found = judge(json.loads(ended.stdout), ended.returncode)
        return found | {"story: a report": "" if report.is_file() else f"no {report.name}"}


def try_lab() -> Results:
    """A lab of two routers on this kernel, as a user types it: up, read back, every link measured, isolation, down."""
    with tempfile.TemporaryDirectory(dir="/run") as folder:
        environment = os.environ | {"SHADOWLAB_STATE": folder}
        found: Results = {}
        for words in (
            ("up", str(LAB), "--kernel", "host"),
            ("verify", "--quick"),
            ("verify",),
            ("verify", "--isolation"),
            ("down",),
        ):
            ended = subprocess.run(
                [sys.executable, "-m", "shadowlab", *words],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            say(ended.stdout)
            trouble = f"exit code {ended.returncode}: {ended.stdout}" if ended.returncode else ""
            # Of all this only what is measured depends on the clock; what the kernel holds was read back before.
            if trouble and words == ("verify",) and "the kernel holds what was asked" in ended.stdout:
                trouble = told(LATE + trouble, emulated())
            found[f"lab: {' '.join(word for word in words if not word.endswith('.yaml'))}"] = trouble
        left = subprocess.run(["ip", "netns"], stdout=subprocess.PIPE, text=True, check=False).stdout
        return found | {"lab: nothing is left": left}


def judge(result: Mapping[str, object], code: int) -> Results:
    """What every story on the host kernel must come to."""
    say(json.dumps({name: result[name] for name in ("headline", "expectations", "provenance")}, indent=1))
    provenance = result["provenance"]
    expectations = result["expectations"]
    assert isinstance(provenance, dict)
    assert isinstance(expectations, dict)
    place = (provenance["kernel_kind"], provenance["clock"], f"Linux {os.uname().release} (host)")
    late = "" if provenance["valid"] else str(provenance["validity"])
    return {
        "story: the host kernel on the real clock": ""
        if place == ("host", "real", provenance["kernel"])
        else f"{place}, {provenance['kernel']}",
        "story: validity": LATE + late if late and emulated() else late,
        "story: says how late it was": "" if "late" in str(provenance["validity"]) else str(provenance["validity"]),
        "story: the expectations are met": ""
        if all(expectations.values()) and expectations
        else f"{expectations}: {result['headline']}",
        # A void run proves nothing, and its exit code says so.
        "story: exit code": "" if code == int(bool(late)) else str(code),
    }


def say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def import_the_rest() -> None:
    """What the story needs, while the contract suite, in a process of its own, mostly waits."""
    import shadowlab.lab.run  # noqa: F401


def main() -> int:
    """Everything; what a part raises is its result."""
    parts: list[Callable[[], Results]]
    parts = [try_capability, try_contract, try_lab, try_story]
    if "--contract" in sys.argv:
        parts = [try_short_contract]
    elif "--smoke" in sys.argv:
        parts = [try_smoke]
    else:
        threading.Thread(target=import_the_rest).start()
    results: Results = {}
    for part in parts:
        began = time.monotonic()
        try:
            results |= part()
        except Exception as error:  # noqa: BLE001 - the other parts are to be tried too
            results[part.__name__] = f"{type(error).__name__}: {error}"
        say(f"{part.__name__}: {time.monotonic() - began:.1f} s")
    for name, trouble in results.items():
        say(f"{'ok   ' if not trouble else 'late ' if trouble.startswith(LATE) else 'FAILS'} {name}")
        if trouble:
            say("      " + trouble.strip().replace("\n", "\n      "))
    sys.stdout.write(json.dumps(results) + "\n")
    return int(any(trouble and not trouble.startswith(LATE) for trouble in results.values()))


if __name__ == "__main__":
    sys.exit(main())
