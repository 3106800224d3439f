"""Every check of the contract, and the guest's entry that runs them all against Linux in one boot."""

from __future__ import annotations

import json

import contract_behaviour
import contract_clock
import contract_ipv6
import contract_lan
import contract_links
import contract_netem
import contract_oracles
import contract_packets
import contract_queue_behaviour
import contract_routes
import contract_scripts
import contract_shapers
import contract_ways
import contract_wire
from contract_base import CHECKS, LINUX_CHECKS

__all__ = ["CHECKS", "LINUX_CHECKS", "RESULTS_FILE", "run"]

RESULTS_FILE = "contract.json"
REAL_CLOCK, REAL_CLOCK_ALL = b"real clock", b"real clock, all"
"""As the job: what holds on the real clock; without ``all`` only what takes a few seconds of it."""
LATE = "LATE: "
"""Begins the result of a check that was broken by nothing but lateness."""
VIRTUAL_ONLY = {
    "other_jitter_has_its_standard_deviation": "tells 2 ms of jitter to 3 %, and the real clock adds some of its own",
}
SLOW = frozenset(
    {
        "a_share_of_losses_lies_in_its_interval",
        "four_states_lose_their_mean",
        "a_share_of_packets_overtakes",
        "what_would_be_lost_is_marked_where_it_can_be",
        "even_jitter_comes_back_after_another_distribution",
        "active_disciplines_mark_a_standing_queue",
        "active_disciplines_drop_what_cannot_be_marked",
        "codel_holds_the_delay_where_a_plain_buffer_fills",
        "tc_reads_each_discipline_that_we_set",
        *(check.__name__ for check in LINUX_CHECKS if check.__name__.startswith("pyroute2")),
    }
)
"""These send thousands of packets, fill a queue of 2 Mbit/s, or import much: two minutes on an emulated processor."""
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
    contract_wire,
    contract_scripts,
    contract_oracles,
)


def run(job_path: str, folder: str) -> int:
    """Each check against Linux, in a segment of its own; name to traceback (empty: it held) as JSON."""
    import traceback

    from shadowlab.kernel.linux import LinuxSegment

    with open(job_path, "rb") as file:
        job = file.read()
    left_out: frozenset[str] = frozenset()
    if job in (REAL_CLOCK, REAL_CLOCK_ALL):
        contract_clock.use_the_real_clock()
        left_out = frozenset(VIRTUAL_ONLY) | (SLOW if job == REAL_CLOCK else frozenset())
    results: dict[str, str] = {}
    for check in CHECKS + LINUX_CHECKS:
        if check.__name__ in left_out:
            continue
        try:
            with LinuxSegment() as segment:
                check(segment)
            results[check.__name__] = ""
        except contract_clock.LateError:
            results[check.__name__] = LATE + traceback.format_exc()
        except Exception:  # noqa: BLE001 - whatever went wrong, the test of that name reports it
            results[check.__name__] = traceback.format_exc()
    with open(f"{folder}/{RESULTS_FILE}", "w", encoding="utf-8") as file:
        json.dump(results, file)
    return 0
