"""Every check of the contract, and the guest's entry that runs them all against Linux in one boot."""

from __future__ import annotations

import json

import contract_behaviour
import contract_ipv6
import contract_lan
import contract_links
import contract_netem
import contract_packets
import contract_queue_behaviour
import contract_routes
import contract_scripts
import contract_shapers
import contract_ways
from contract_base import CHECKS, LINUX_CHECKS

__all__ = ["CHECKS", "LINUX_CHECKS", "RESULTS_FILE", "run"]

RESULTS_FILE = "contract.json"
REAL_CLOCK = b"real clock"
"""As the job: leave out what holds moments to a microsecond, which only the virtual clock can."""
VIRTUAL_ONLY = frozenset({"contract_behaviour", "contract_queue_behaviour"})
PARTS = (
    contract_links,
    contract_routes,
    contract_lan,
    contract_ipv6,
    contract_ways,
    contract_netem,
    contract_shapers,
    contract_packets,
    contract_behaviour,
    contract_queue_behaviour,
    contract_scripts,
)


def run(job_path: str, folder: str) -> int:
    """Each check against Linux, in a segment of its own; name to traceback (empty: it held) as JSON."""
    import traceback

    from shadowlab.kernel.linux import LinuxSegment

    with open(job_path, "rb") as file:
        left_out = VIRTUAL_ONLY if file.read() == REAL_CLOCK else frozenset()
    results: dict[str, str] = {}
    for check in CHECKS + LINUX_CHECKS:
        if check.__module__ in left_out:
            continue
        try:
            with LinuxSegment() as segment:
                check(segment)
            results[check.__name__] = ""
        except Exception:  # noqa: BLE001 - whatever went wrong, the test of that name reports it
            results[check.__name__] = traceback.format_exc()
    with open(f"{folder}/{RESULTS_FILE}", "w", encoding="utf-8") as file:
        json.dump(results, file)
    return 0
