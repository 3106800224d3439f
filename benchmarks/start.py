"""How long a user waits for nothing: ``import shadowlab``, and ``shadowlab --help`` beside a bare interpreter."""

from __future__ import annotations

import subprocess
import sys
import time

from benchmarks import report

RUNS = 15


def _wall(arguments: list[str]) -> float:
    before = time.monotonic()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return (time.monotonic() - before) * 1000


def main() -> None:
    """Print the two figures."""
    bare = sorted(_wall(["-c", "pass"]) for _ in range(RUNS))[RUNS // 2]
    imports = [max(0.0, _wall(["-c", "import shadowlab"]) - bare) for _ in range(RUNS)]
    report(benchmark="import shadowlab", unit="ms", values=imports, target=50)
    report(
        benchmark="shadowlab --help",
        unit="ms",
        values=[_wall(["-m", "shadowlab", "--help"]) for _ in range(RUNS)],
        target=200,
        bare_interpreter_ms=round(bare, 1),
    )


if __name__ == "__main__":
    main()
