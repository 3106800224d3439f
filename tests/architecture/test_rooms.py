"""The house: layers, file length, and imports without effects."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(ROOT.glob("shadowlab/**/*.py"))
ROOMS = (
    "model",
    "wire",
    "kernel",
    "topology",
    "telemetry",
    "replicate",
    "calibrate",
    "shadow",
    "guest",
    "traffic",
    "monitor",
    "store",
    "detect",
    "localize",
    "mitigate",
    "predict",
    "correlate",
    "lab",
    "serve",
    "report",
    "cli",
    "notebook",
)


def test_every_room_of_the_architecture_exists_and_says_what_goes_in_and_out() -> None:
    for room in ROOMS:
        text = (ROOT / "shadowlab" / room / "__init__.py").read_text()
        assert text.startswith('"""'), room
        assert len(text) > 80, room


def test_rooms_look_down_only() -> None:
    linter = Path(sys.executable).parent / "lint-imports"

    outcome = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert outcome.returncode == 0, outcome.stdout


@pytest.mark.parametrize(
    "path", [*MODULES, *sorted(ROOT.glob("tests/**/*.py"))], ids=lambda path: str(path.relative_to(ROOT))
)
def test_no_file_is_longer_than_500_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 500


def test_no_folder_holds_more_than_fifteen_modules() -> None:
    for folder in {module.parent for module in MODULES}:
        assert len(list(folder.glob("*.py"))) <= 16, folder


def test_importing_any_module_has_no_effect() -> None:
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in MODULES]
    names = [name.removesuffix(".__init__") for name in names if not name.endswith("__main__")]
    watch = f"""
import importlib, os, sys, threading, signal
before = (os.getcwd(), dict(os.environ), threading.active_count(), signal.getsignal(signal.SIGTERM),
          signal.getsignal(signal.SIGINT), len(os.listdir("/proc/self/fd")), os.umask(0o22))
for name in {names!r}:
    importlib.import_module(name)
after = (os.getcwd(), dict(os.environ), threading.active_count(), signal.getsignal(signal.SIGTERM),
         signal.getsignal(signal.SIGINT), len(os.listdir("/proc/self/fd")), os.umask(0o22))
for one, other in zip(before, after):
    if one != other:
        sys.exit(f"{{one}} became {{other}}")
"""

    outcome = subprocess.run([sys.executable, "-c", watch], cwd=ROOT, capture_output=True, text=True, check=False)

    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout == ""
