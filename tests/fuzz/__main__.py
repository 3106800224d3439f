"""``scripts/fuzz``: damaged telemetry and maps against the readers, for as many inputs as asked; no test.

A find is written to ``tests/captures/finds/`` and told; the exit code is then 1.  With ``--atheris`` the inputs are
led by coverage (``pip install 'shadowlab[fuzz]'``), else they are random damage to good files, the same for a seed.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
import traceback
from hashlib import sha256
from pathlib import Path

FINDS = Path(__file__).parents[1] / "captures" / "finds"
CORPUS = Path(__file__).parents[2] / "build" / "fuzz"


def keep(name: str, data: bytes) -> Path:
    """Write the find down."""
    FINDS.mkdir(parents=True, exist_ok=True)
    path = FINDS / f"{name}-{sha256(data).hexdigest()[:12]}.bin"
    path.write_bytes(data)
    return path


def all_seeds() -> dict[str, list[bytes]]:
    """Good inputs by reader: formats of telemetry, and ``map-`` with a format of maps."""
    from tests.fuzz import maps, readers

    return readers.seeds() | maps.seeds()


def check(name: str, data: bytes) -> tuple[int, int]:
    """Let the reader of that name read: how many records or nodes, how many faults."""
    from tests.fuzz import maps, readers

    return maps.check(name, data) if name.startswith("map-") else readers.check(name, data)


def run(name: str, inputs: int, seed: int) -> int:
    """Try so many inputs; how many finds (at most five, then it stops)."""
    from tests.fuzz.readers import damaged, packed, recognises

    chance = random.Random(f"{name} {seed}")
    good, of_map = all_seeds()[name], name.startswith("map-")
    tried = records = faults = finds = 0
    began = time.monotonic()
    for _ in range(inputs):
        data = damaged(chance.choice(good), chance)
        if name != "parquet" and not of_map and chance.random() < 0.02:
            data = packed(data, chance)
        tried += 1
        try:
            got = check(name, data)
            if tried % 50 == 0 and not of_map:
                recognises(data)
        except Exception:  # whatever leaves a reader but an InputError is a find, written down and told
            finds += 1
            print(f"{name}: {keep(name, data)}", file=sys.stderr)
            traceback.print_exc(limit=-3)
            if finds >= 5:
                break
            continue
        records, faults = records + got[0], faults + got[1]
    took = {"seconds": round(time.monotonic() - began, 1), "records": records, "faults": faults, "finds": finds}
    print(json.dumps({"reader": name, "inputs": tried, "seed": seed} | took), flush=True)
    return finds


def run_atheris(name: str, inputs: int) -> None:
    """Coverage-guided, until so many inputs were tried; ends the process."""
    import atheris

    with atheris.instrument_imports(include=["shadowlab"]):
        from tests.fuzz import maps, readers  # noqa: F401 - instrumented while they are imported

    def one(data: bytes) -> None:
        check(name, data)

    corpus = CORPUS / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, good in enumerate(all_seeds()[name]):
        (corpus / f"seed-{number}").write_bytes(good)
    atheris.Setup(["fuzz", f"-runs={inputs}", "-max_len=8192", f"-artifact_prefix={FINDS}/{name}-", str(corpus)], one)
    atheris.Fuzz()


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument("readers", nargs="*", help="formats of telemetry, or map-FORMAT; all if none is named")
    parser.add_argument("--inputs", type=int, default=100_000, help="per reader")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--atheris", action="store_true", help="led by coverage; one reader")
    asked = parser.parse_args()
    if asked.atheris:
        run_atheris(asked.readers[0], asked.inputs)
    finds = sum(run(name, asked.inputs, asked.seed) for name in asked.readers or sorted(all_seeds()))
    return 1 if finds else 0


if __name__ == "__main__":
    sys.exit(main())
