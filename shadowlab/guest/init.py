"""The guest's first process: runs inside, calls one function, and powers the guest off.

In:    the control folder of the run, as the host process's working directory; in it ``boot``, written by `boot.py`.
Out:   ``.guest/output`` (what the function printed), ``.guest/ending`` (how it went), both on the host at once, since
       hostfs writes through.
Never: imports more than it needs (boot to the first line of the function takes 0.3 s), or returns.

Process 1 only watches; the function runs in a child.  So whatever kills the function (the kernel's out-of-memory
killer, a crash, the deadline) leaves somebody to tell of it, and a signal works on it as on any process.
"""

import _signal  # type: ignore[import-not-found]  # the whole of `signal` without its enums
import ctypes
import gc
import marshal
import os
import sys
import time

JOB_FOLDER = "/run/job"
"""Where the run's folder is mounted inside.  Always the same, so that no path of the host gets into a result."""
CONTROL_FOLDER = ".guest"
INTERPRETER_LINK = "python"
PROGRAM_LINK = "init.py"
LIBRARIES_LINK = "libraries"
"""There only if the interpreter needs LD_LIBRARY_PATH to find its own library."""
HERE = "/proc/self/cwd"
"""Before our own proc is mounted, hostfs shows the host's: this is where the guest's host process stands, the control
folder.  So the kernel's command line names no path of this machine.  It must not: the kernel stirs its command line
into its random pool, and the same seed would give another result in another folder."""
BOOT_FILE = "boot"
JOB_FILE = "job"
BUNDLE_FILE = "bundle"
"""Modules, compiled, behind a list of their files; it is there only if one could be made."""
HEAD_BYTES = 8
"""The length of that list."""
OUTPUT_FILE = "output"
ENDING_FILE = "ending"

MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8
MCL_CURRENT, MCL_FUTURE = 1, 2
RB_POWER_OFF = 0x4321FEDC
MOST_FILES = 1 << 20
"""The kernel's default of fs.nr_open, beyond which no limit is taken."""
FIRST_SECOND_NS = 1_000_000_000
"""Work starts after the monotonic clock has passed one second: programs take second 0 for "not started"."""

_libc = ctypes.CDLL(None, use_errno=True)


def mount(kind: str, where: str, options: str = "", flags: int = 0) -> None:
    if _libc.mount(b"none", os.fsencode(where), kind.encode(), flags, os.fsencode(options)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"mount {kind} on {where} ({options}): {os.strerror(number)}")


def mount_all(folder: str) -> None:
    mount("proc", "/proc", flags=MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount("sysfs", "/sys", flags=MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount("tmpfs", "/run", "mode=0755", MS_NOSUID | MS_NODEV)
    for path in (JOB_FOLDER, "/run/netns", "/run/tmp", "/dev/pts", "/dev/shm"):
        os.makedirs(path, exist_ok=True)
    mount("devpts", "/dev/pts", "ptmxmode=0666")
    mount("tmpfs", "/dev/shm", flags=MS_NOSUID | MS_NODEV)
    mount("hostfs", JOB_FOLDER, folder)


def tell(ending: dict[str, object]) -> None:
    """Written under another name first: the parent never reads half an ending."""
    path = f"{JOB_FOLDER}/{CONTROL_FOLDER}/{ENDING_FILE}"
    with open(path + ".new", "wb") as file:
        file.write(marshal.dumps(ending))
    os.rename(path + ".new", path)


def use_output() -> None:
    os.dup2(os.open(f"{JOB_FOLDER}/{CONTROL_FOLDER}/{OUTPUT_FILE}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), 1)
    os.dup2(1, 2)


def read_module(_loader: object, path: str) -> bytes:
    """A module's source or byte code, in the same virtual time whether there is byte code or not.

    A system call that fails takes a microsecond of the virtual clock (so that a loop of them gets somewhere), and the
    kernel's chance follows its clock.  Python's own reader fails once for byte code that is not there, and once for
    each file in asking whether it is a terminal: where modules are not compiled, the same seed would give another
    result.  Here source never fails, and byte code does once, found or not.
    """
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        left = os.fstat(file).st_size
        parts = []
        while left > 0 and (part := os.read(file, left)):
            parts.append(part)
            left -= len(part)
    finally:
        os.close(file)
    if path.endswith(".pyc"):
        try:  # noqa: SIM105 - contextlib is one more module to read
            os.close(-1)
        except OSError:
            pass
    return b"".join(parts)


def take_bundle(path: str) -> None:
    """Let modules come from the bundle, where there is one; others are looked for as ever."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return
    held = marshal.loads(data[HEAD_BYTES + int.from_bytes(data[:HEAD_BYTES], "little") :])
    new_spec = type(sys.__spec__)

    class Bundle:
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> object:
            if name not in held:
                return None
            _, is_package, origin = held[name]
            spec = new_spec(name, Bundle, origin=origin, is_package=is_package)  # type: ignore[arg-type]
            spec.has_location = True
            if is_package:
                spec.submodule_search_locations = [origin.rpartition("/")[0]]
            return spec

        @staticmethod
        def create_module(spec: object) -> None:
            """The usual one."""

        @staticmethod
        def exec_module(module: object) -> None:
            exec(held.pop(module.__name__)[0], module.__dict__)  # type: ignore[attr-defined]

    sys.meta_path.insert(0, Bundle)  # type: ignore[arg-type]


def call(entry: str) -> int:
    """Import and call ``package.module:function``; its result is the exit code."""
    sys.modules["_frozen_importlib_external"].FileLoader.get_data = read_module
    take_bundle(f"{JOB_FOLDER}/{CONTROL_FOLDER}/{BUNDLE_FILE}")
    module_name, _, function_name = entry.partition(":")
    # A page fault costs 20 us inside, and imports make thousands: let memory be there before it is touched.  Not
    # longer than that, or every large buffer would be.  Where it is refused, all goes on as it would without.
    _libc.mlockall(MCL_CURRENT | MCL_FUTURE)
    gc.disable()
    module = __import__(module_name, fromlist=[function_name])
    gc.freeze()  # modules stay: looking through them for what is unused would cost a tenth of the imports
    gc.enable()
    _libc.munlockall()
    # Here and not before: however much the imports did, all that follows begins at the same moment.
    wait_ns = FIRST_SECOND_NS - time.monotonic_ns()
    if wait_ns > 0:
        time.sleep(wait_ns / 1e9)
    code = getattr(module, function_name)(f"{JOB_FOLDER}/{CONTROL_FOLDER}/{JOB_FILE}", JOB_FOLDER)
    return 0 if code is None else int(code)


def work(entry: str) -> int:
    """The child: run the function; a traceback goes to the output and, through `tell`, to the parent."""
    try:
        code = call(entry)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        if isinstance(end.code, str):
            sys.stderr.write(end.code + "\n")
    except BaseException as error:  # noqa: BLE001 - whatever it is, somebody outside wants to read it
        import traceback

        frames = error.__traceback__
        for _ in range(2):  # without `work` and `call`
            frames = frames.tb_next if frames is not None and frames.tb_next is not None else frames
        tell({"traceback": "".join(traceback.format_exception(type(error), error, frames))})
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def watch(child: int, deadline_ns: int) -> dict[str, object] | None:
    """Wait for the child, burying orphans; None if it has told its own ending.

    The clock of a guest whose program waits for something that never comes races through periodic timers for ever:
    the deadline is on this clock.
    """
    while True:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return {"signal": 0}
            if pid == child:
                if os.WIFSIGNALED(status):
                    return {"signal": os.WTERMSIG(status)}
                if os.path.exists(f"{JOB_FOLDER}/{CONTROL_FOLDER}/{ENDING_FILE}"):
                    return None
                return {"code": os.WEXITSTATUS(status), "virtual_ns": time.monotonic_ns()}
            if pid == 0:
                break
        left_ns = deadline_ns - time.monotonic_ns()
        if left_ns <= 0:
            return {"deadline": True}
        _signal.sigtimedwait([_signal.SIGCHLD], left_ns / 1e9)


def allow_files() -> None:
    """Let programs raise their limit of open files: each node takes two, and the kernel's own limit is 4096."""
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, MOST_FILES))


def main() -> None:
    if "LD_LIBRARY_PATH" in os.environ:  # names a link that our own proc is about to hide
        os.environ["LD_LIBRARY_PATH"] = os.readlink(f"{HERE}/{LIBRARIES_LINK}")
    mount_all(os.path.dirname(os.readlink(HERE)))
    with open(f"{JOB_FOLDER}/{CONTROL_FOLDER}/{BOOT_FILE}", "rb") as file:
        boot = marshal.loads(file.read())
    use_output()
    os.chdir(JOB_FOLDER)
    sys.path[:] = boot["path"]
    if boot["modules"]:
        from shadowlab.guest.modules import insert_modules

        insert_modules(boot["modules"])
    _libc.sethostname(b"shadow", 6)
    allow_files()
    _signal.pthread_sigmask(_signal.SIG_BLOCK, [_signal.SIGCHLD])
    child = os.fork()
    if child == 0:
        _signal.pthread_sigmask(_signal.SIG_UNBLOCK, [_signal.SIGCHLD])
        os.setsid()
        os._exit(work(boot["entry"]) & 0xFF)
    ending = watch(child, boot["deadline_ns"])
    if ending is not None:
        tell(ending)


if __name__ == "__main__":
    try:
        main()
    except BaseException as error:  # noqa: BLE001 - process 1 must not end, only power off
        words = f"{type(error).__name__}: {error}"
        try:
            tell({"init_failed": words})
        except OSError:  # the folder is not mounted: the kernel's console is all there is
            with open("/dev/kmsg", "w") as kernel_log:
                kernel_log.write(f"<0>shadowlab: the guest could not start the program: {words}\n")
    _libc.reboot(RB_POWER_OFF)
