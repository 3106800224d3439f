"""A remediation script: a child in the namespace the calling thread is in, ended with everything it started.

In: arguments, an environment, a time limit, the script's text.  Out: exit code and output.
Never: a descendant left alive, an environment variable that was not given, more output than 64 kB, a file of more than
64 MiB, a right beyond those of a program in a node (`privileges.NODE`) or one gained from a file.  In a guest its files
are gone with it, wherever they were, and all together no larger: the host's disk is out of its reach.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence

from shadowlab.kernel import clock, syscalls
from shadowlab.kernel.ports import ScriptOutcome
from shadowlab.kernel.rights import privileges

OUTPUT_BYTES = 64 << 10
CUT_MARK = "\n[output cut here]\n"
MOST_OUTPUT_BYTES = 64 << 20
"""What prints more than this is stopped: on the virtual clock no time passes while it prints, so no limit of time ends
it."""
STOPPED_MARK = "\n[stopped here: it printed more than 64 MiB]\n"
MOST_FILE_BYTES = 64 << 20
"""A file grows no further than this, and all of them together where the folder can be a file system of its own."""
GUEST_SCRATCH = "/run/tmp"
"""Where a guest's programs have their temporary files, see `guest/command_line.py`: below /run, which nobody but us
needs there."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NOSUID_NODEV = 2 | 4
TIMED_OUT_CODE = 124
"""The exit code of a script that was stopped, as timeout(1) has it."""


def run(argv: Sequence[str], environment: Mapping[str, str], timeout_ns: int, text: str, name: str) -> ScriptOutcome:
    """Run to the end or to the limit.  Raises KernelRefusedError if the program cannot be started.

    The child is the first of a session of its own and works in an empty temporary folder.  What it left running, in
    its session or out of it, is killed when it ends: this process adopts orphans, so nothing escapes by double fork.
    """
    syscalls.adopt_orphans()
    mine = _children()
    scratch = _scratch_folder()
    folder = tempfile.mkdtemp(prefix="shadowlab-", dir=scratch)
    try:
        try:
            child = subprocess.Popen(
                list(argv),
                env={"PATH": PATH, **environment},
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_confined_in_a_guest if scratch == GUEST_SCRATCH else _hold_a_nodes_rights,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise syscalls.refusal(f"start {name}", getattr(error, "errno", 0) or 0) from error
        with child:
            try:
                return _follow(child, timeout_ns, text.encode())
            finally:
                _end(child, mine)
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # a script may leave what we may not remove; the folder is scratch


def _confined_in_a_guest() -> None:
    """A small file system of its own in the place of all that can be written in a guest, the job's folder on the host
    among it."""
    syscalls.unshare(syscalls.CLONE_NEWNS, "leave the mounts of others")
    syscalls.make_mounts_private()
    for place in ("/run", "/dev/shm"):
        syscalls.mount("tmpfs", place, "tmpfs", _NOSUID_NODEV, f"mount on {place}", f"size={MOST_FILE_BYTES}")
    os.chdir("/run")
    _hold_a_nodes_rights()


def _hold_a_nodes_rights() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_FILE_BYTES, MOST_FILE_BYTES))
    privileges.keep_only(privileges.NODE)
    privileges.no_new_privileges()
    privileges.set_death_signal(signal.SIGKILL)  # last: a change of rights takes it away


def _scratch_folder() -> str:
    return next((one for one in (os.environ.get("TMPDIR", ""), "/run/tmp", "/run") if os.access(one, os.W_OK)), "/tmp")


def _follow(child: subprocess.Popen[bytes], timeout_ns: int, text: bytes) -> ScriptOutcome:
    """Feed the text, gather the output, until the child itself ends (not: until the last holder of the pipe does)."""
    assert child.stdin is not None
    assert child.stdout is not None
    give_up_ns = clock.now_ns() + timeout_ns
    feed, output = child.stdin.fileno(), child.stdout.fileno()
    os.set_blocking(feed, False)
    os.set_blocking(output, False)
    ended = os.pidfd_open(child.pid)
    poll = select.poll()
    poll.register(output, select.POLLIN)
    poll.register(feed, select.POLLOUT)
    poll.register(ended, select.POLLIN)
    kept, printed, over, timed_out = bytearray(), 0, False, False
    try:
        while not over and not timed_out and printed <= MOST_OUTPUT_BYTES:
            left_ns = give_up_ns - clock.now_ns()
            ready = {fd for fd, _ in poll.poll(max(-(-left_ns // 1_000_000), 0))}
            timed_out = not ready and left_ns <= 0
            over = ended in ready
            if feed in ready and not over:
                text = _write_some(feed, text)
                if not text:
                    poll.unregister(feed)
                    child.stdin.close()
            if output in ready:
                chunk = _read_some(output)
                if chunk == b"":
                    poll.unregister(output)  # closed early; the child may work on
                printed += len(chunk)
                kept += chunk[: OUTPUT_BYTES - len(kept)]
        while over and (chunk := _read_some(output)):
            printed += len(chunk)
            kept += chunk[: OUTPUT_BYTES - len(kept)]
    finally:
        os.close(ended)
    endless = not over and not timed_out
    if endless:
        child.kill()
    code = TIMED_OUT_CODE if timed_out else child.wait()
    mark = STOPPED_MARK if endless else CUT_MARK if printed > OUTPUT_BYTES else ""
    return ScriptOutcome(
        exit_code=code,
        output=kept.decode(errors="replace") + mark,
        timed_out=timed_out,
    )


def _write_some(fd: int, text: bytes) -> bytes:
    """What is left to write.  A child that does not read its script is none of our business."""
    try:
        return text[os.write(fd, text) :] if text else b""
    except BlockingIOError:
        return text
    except BrokenPipeError:
        return b""


def _read_some(fd: int) -> bytes:
    try:
        return os.read(fd, 1 << 16)
    except BlockingIOError:
        return b""


def _children() -> set[int]:
    """The direct children of this process, ended ones included that nobody waited for."""
    own = os.getpid()
    found: set[int] = set()
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", "rb") as file:
                # pid (name) state parent ...: the name may hold anything, so count from its last parenthesis
                parent = int(file.read().rpartition(b")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
        if parent == own:
            found.add(int(entry))
    return found


def _end(child: subprocess.Popen[bytes], mine: set[int]) -> None:
    """Kill the session, then, generation by generation, whatever falls to us as an orphan."""
    with contextlib.suppress(ProcessLookupError):  # nobody of its group is left
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    while orphans := _children() - mine:
        for orphan in orphans:
            os.kill(orphan, signal.SIGKILL)
            os.waitpid(orphan, 0)
