"""Scripts: run inside their node, ended with everything they started.  Linux only."""

from __future__ import annotations

import os
import time

from contract_base import linux, make_line, refused

from shadowlab.kernel.ports import Segment


@linux
def a_script_runs_inside_its_node(segment: Segment) -> None:
    make_line(segment)

    outcome = segment.run_script(
        "r", ["/bin/sh", "-s"], {"WHO": "me"}, 5 * 10**9, "cat /proc/net/dev; echo $WHO; exit 3"
    )

    assert outcome.exit_code == 3
    assert not outcome.timed_out
    assert "ra:" in outcome.output
    assert "rb:" in outcome.output
    assert outcome.output.endswith("me\n")


@linux
def a_script_sees_only_what_it_was_given(segment: Segment) -> None:
    segment.create_namespace("a")

    outcome = segment.run_script("a", ["/bin/sh"], {"GIVEN": "1"}, 5 * 10**9, "/usr/bin/env; pwd; ls | wc -l")

    names = {line.split("=")[0] for line in outcome.output.splitlines() if "=" in line}
    assert names <= {"GIVEN", "PATH", "PWD", "OLDPWD", "SHLVL", "_", "LC_CTYPE"}, outcome.output
    assert outcome.output.splitlines()[-1].strip() == "0"


@linux
def a_script_that_takes_too_long_ends_with_all_its_children(segment: Segment) -> None:
    segment.create_namespace("a")
    before = time.monotonic_ns()

    outcome = segment.run_script(
        "a", ["/bin/sh"], {}, 500_000_000, "echo begun; setsid sleep 77777 & sleep 77777 & sleep 77777"
    )

    assert outcome.timed_out
    assert outcome.output == "begun\n"
    assert outcome.exit_code != 0
    assert time.monotonic_ns() - before < 2_000_000_000
    left = segment.run_script("a", ["/bin/sh"], {}, 5 * 10**9, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert "sleep 77777" not in left.output


@linux
def what_a_script_leaves_behind_is_ended(segment: Segment) -> None:
    segment.create_namespace("a")

    outcome = segment.run_script("a", ["/bin/sh"], {}, 5 * 10**9, "(setsid sleep 66666 &) ; echo done")

    assert outcome.exit_code == 0
    assert outcome.output == "done\n"
    left = segment.run_script("a", ["/bin/sh"], {}, 5 * 10**9, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert "sleep 66666" not in left.output


@linux
def long_output_is_cut(segment: Segment) -> None:
    segment.create_namespace("a")

    outcome = segment.run_script("a", ["/bin/sh"], {}, 5 * 10**9, "head -c 200000 /dev/zero | tr '\\0' x")

    assert outcome.exit_code == 0
    assert 65_536 <= len(outcome.output) < 65_600
    assert "cut" in outcome.output[-30:]


@linux
def a_program_that_is_not_there_is_refused_by_name(segment: Segment) -> None:
    segment.create_namespace("a")

    with refused("/no/such/program", "ENOENT"):
        segment.run_script("a", ["/no/such/program"], {}, 10**9, "")


@linux
def a_script_that_forks_without_end_leaves_nobody(segment: Segment) -> None:
    segment.create_namespace("a")
    forks = "n=0; while [ $n -lt 60 ]; do (setsid sleep 55555 &); sleep 55555 & n=$((n+1)); done; sleep 55555"

    outcome = segment.run_script("a", ["/bin/sh"], {}, 10**9, forks)

    assert outcome.timed_out
    left = segment.run_script("a", ["/bin/sh"], {}, 5 * 10**9, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert "sleep 55555" not in left.output


@linux
def a_script_that_prints_without_end_is_stopped(segment: Segment) -> None:
    segment.create_namespace("a")

    outcome = segment.run_script("a", ["/bin/sh"], {}, 60 * 10**9, "head -c 1000000000 /dev/zero")

    assert outcome.exit_code != 0
    assert not outcome.timed_out
    assert "it printed more than 64 MiB" in outcome.output[-60:]
    assert len(outcome.output) < 66_000


@linux
def a_script_that_fills_the_disk_fills_its_own(segment: Segment) -> None:
    segment.create_namespace("a")
    fill = "pwd; head -c 100000000 /dev/zero > big 2>/dev/null || echo refused; ls -l big | cut -c1-10"

    outcome = segment.run_script("a", ["/bin/sh"], {}, 60 * 10**9, fill)

    place, *said = outcome.output.split()
    assert said[0] == "refused", outcome.output
    assert not os.path.exists(f"{place}/big")


@linux
def a_script_that_removes_its_folder_ends_as_it_would(segment: Segment) -> None:
    segment.create_namespace("a")

    outcome = segment.run_script("a", ["/bin/sh"], {}, 5 * 10**9, 'rm -rf "$PWD" 2>/dev/null; echo still here')

    assert (outcome.exit_code, outcome.output) == (0, "still here\n")
