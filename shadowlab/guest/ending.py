"""How a guest ended, judged from what it told, what its process did, and what its kernel said.

In:    the ``ending`` file of the guest's init, the exit of the host process, the console.
Out:   `GuestOutcome` if the function came back, else `ShadowFailedError` that says why not.
Never: touches a process.
"""

from __future__ import annotations

import marshal
import signal
from dataclasses import dataclass
from pathlib import Path

from shadowlab.errors import ShadowFailedError
from shadowlab.guest import init

LAST_LINES = 30

NOISE = (
    # It finds no place for its pid file: wanted, see `command_line`.
    "Failed to initialize umid",
    "make_umid - ",
    "remove_umid_dir",
    "reboot: ",
    # It may open no terminal of the host's to try how those signal: our consoles are none.
    "check_one_sigio failed",
    # Debian's kernel, at every boot.
    "SELinux: ",
    "mmapper_init - ",
    "Failed to initialize ubd device",
)
"""What the kernel always says."""


@dataclass(frozen=True, kw_only=True)
class GuestOutcome:
    """A function that came back."""

    exit_code: int
    wall_ns: int
    virtual_ns: int
    """The guest's monotonic clock at the end; it reads 0 at boot."""
    kernel_lines: tuple[str, ...]
    """What the kernel said: usually nothing."""


@dataclass(frozen=True, kw_only=True)
class Death:
    """How the host process ended."""

    returncode: int
    past_wall_deadline: bool
    kernel_lines: tuple[str, ...]
    output_lines: tuple[str, ...]
    """The last of them."""
    wall_ns: int


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How the function inside ended, in its own words.  Nothing set: it told nothing."""

    code: int | None = None
    traceback: str = ""
    signal: int | None = None
    past_deadline: bool = False
    init_failed: str = ""
    virtual_ns: int = 0


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the guest was allowed, for the message that says it was not enough."""

    virtual_deadline_ns: int
    wall_deadline_s: float
    memory_bytes: int


def read_ending(control: Path) -> Ending:
    """The words of the guest's init; none if it wrote none or only half of them."""
    try:
        told = marshal.loads((control / init.ENDING_FILE).read_bytes())
    except (OSError, EOFError, ValueError, TypeError):
        return Ending()
    return Ending(
        code=told.get("code"),
        traceback=told.get("traceback", ""),
        signal=told.get("signal"),
        past_deadline=told.get("deadline", False),
        init_failed=told.get("init_failed", ""),
        virtual_ns=told.get("virtual_ns", 0),
    )


def kernel_lines(console: bytes) -> tuple[str, ...]:
    """What the kernel said, without what it always says."""
    lines = (line.strip() for line in console.decode("utf-8", "replace").splitlines())
    return tuple(line for line in lines if line and not any(noise in line for noise in NOISE))


def telling_lines(lines: tuple[str, ...]) -> tuple[str, ...]:
    """The last lines; of a panic, those from its first on: the reason stands above the registers and the stack."""
    for number, line in enumerate(lines):
        if "Kernel panic" in line:
            return lines[number : number + LAST_LINES]
    return lines[-LAST_LINES:]


def judge_ending(ending: Ending, death: Death, limits: Limits) -> GuestOutcome:
    """An outcome if the function came back; otherwise an error that says why it did not."""
    if ending.code is not None:
        return GuestOutcome(
            exit_code=ending.code,
            wall_ns=death.wall_ns,
            virtual_ns=ending.virtual_ns,
            kernel_lines=death.kernel_lines,
        )
    if ending.traceback:
        raise ShadowFailedError("the program inside the guest failed:\n" + ending.traceback.rstrip())
    parts = [_reason(ending, death, limits)]
    if death.output_lines:
        parts += ["last lines of output:", *(f"  {line}" for line in death.output_lines)]
    if death.kernel_lines:
        parts += ["last kernel lines:", *(f"  {line}" for line in telling_lines(death.kernel_lines))]
    raise ShadowFailedError("\n".join(parts))


def _reason(ending: Ending, death: Death, limits: Limits) -> str:
    if any("Out of memory" in line for line in death.kernel_lines):
        return f"the guest ran out of memory ({limits.memory_bytes >> 20} MiB): give it more"
    if ending.init_failed:
        return f"the guest could not start the program: {ending.init_failed}"
    if ending.past_deadline:
        return f"the guest was stopped: its clock passed the deadline of {limits.virtual_deadline_ns / 1e9:g} s"
    if death.past_wall_deadline:
        return f"the guest was stopped: it took longer than the deadline of {limits.wall_deadline_s:g} s of real time"
    if ending.signal is not None:
        return f"the program inside the guest was killed by {_signal_name(ending.signal)}"
    if death.returncode < 0:
        return f"the guest died by {_signal_name(-death.returncode)}"
    return f"the guest ended without a result (exit status {death.returncode})"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
