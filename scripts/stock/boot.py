"""Boot a stock kernel under qemu, run one command in it, give back its output and its exit code.

In: the files of a kernel, a command.  Out: the command's stdout and stderr while it runs; its exit code, 124 after the
deadline, 3 when the machine did not come up.  Never: a temporary file, a network device, or a qemu that outlives us.

Everything the guest needs beyond the host's root is packed in memory and handed to qemu as an open file.  KVM is taken
where a guest really comes up with it: there are machines with a /dev/kvm that opens and never gets anywhere.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import lzma
import mmap
import os
import re
import selectors
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

from shadowlab.kernel.syscalls import die_with_parent  # noqa: E402 - found from any directory, without an install

PARAMETERS = "console=ttyS0 panic=-1 quiet mitigations=off random.trust_cpu=on no_timer_check"
WANTED = ("virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay")
EXIT_CANNOT_RUN, EXIT_TIMEOUT = 3, 124
KVM_PATIENCE_S, TCG_PATIENCE_S, END_PATIENCE_S = 10.0, 120.0, 5.0
CHUNK = 1 << 16
READ_COUNTER = bytes.fromhex("0f31 48c1e220 4809d0 c3")
"""rdtsc; shl rdx, 32; or rax, rdx; ret"""


def modules_in_order(folder: Path) -> Iterator[Path]:
    """The wanted modules, each after what it depends on, as modules.dep says; none of those built in."""
    files, needs = {}, {}
    for line in (folder / "modules.dep").read_text().splitlines():
        file, _, rest = line.partition(":")
        files[re.sub(r"\.ko(\.\w+)?$", "", Path(file).name)] = file
        needs[file] = rest.split()
    done: set[str] = set()
    for name in WANTED:
        # depmod lists all that a module needs, the innermost last.
        for file in (*reversed(needs.get(files.get(name, ""), [])), *filter(None, [files.get(name)])):
            if file not in done:
                done.add(file)
                yield folder / file


def archive(entries: Sequence[tuple[str, int, bytes]]) -> bytes:
    """An initramfs: the kernel's "newc" cpio of (name, mode, content); see its buffer-format.rst."""
    parts = []
    for number, (name, mode, content) in enumerate((*entries, ("TRAILER!!!", 0, b"")), start=1):
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08x" % one for one in fields) + name.encode() + b"\0"
        parts += [head, bytes(-len(head) % 4), content, bytes(-len(content) % 4)]
    return b"".join(parts)


def job(command: Sequence[str], modules: Path, accel: str) -> str:
    """The script that runs the command where we are, with the environment that we have."""
    names = sorted(name for name in os.environ if re.fullmatch(r"[A-Za-z_]\w*", name))
    return "\n".join(
        [
            f"# modules: {modules}",
            f"export SHADOWLAB_VM={accel}",
            *(f"export {name}={shlex.quote(os.environ[name])}" for name in names),
            f"cd {shlex.quote(os.getcwd())} || exit 126",
            f"exec {shlex.join(command)}\n",
        ]
    )


def initramfs(modules: Path, busybox: Path, command: Sequence[str], accel: str) -> bytes:
    """Everything that the guest needs before it has the host's root."""
    folder, program = 0o040755, 0o100755
    entries = [("modules", folder, b""), ("dev", folder, b""), ("busybox", program, busybox.read_bytes())]
    order = []
    for file in modules_in_order(modules):
        content = file.read_bytes()
        order.append(re.sub(r"\.ko.*", ".ko", file.name))
        entries.append((f"modules/{order[-1]}", program, lzma.decompress(content) if file.suffix == ".xz" else content))
    entries += [
        ("modules/order", program, "".join(f"{one}\n" for one in order).encode()),
        ("init", program, (HERE / "init").read_bytes()),
        ("work", program, (HERE / "work").read_bytes()),
        ("job", program, job(command, modules, accel).encode()),
    ]
    return archive(entries)


@dataclass
class Machine:
    """One qemu.  Its end: the command's, the deadline, ours."""

    kernel: Path
    initrd: bytes
    accel: str
    patience_s: float
    deadline_s: float
    up: bool = False
    code: int | None = None
    console: bytearray = field(default_factory=bytearray)

    def run(self) -> None:
        """Boot, pass on, end.  ``up`` and ``code`` tell how far it came."""
        memory = os.memfd_create("initrd")
        with open(memory, "wb", closefd=False) as file:
            file.write(self.initrd)
        ends = {name: os.pipe() for name in ("console", "stdout", "stderr", "told")}
        inherited = [memory, *(write for _, write in ends.values())]
        parent = os.getpid()
        qemu = subprocess.Popen(
            self._command(memory, {name: write for name, (_, write) in ends.items()}),
            stdin=subprocess.DEVNULL,
            stdout=ends["console"][1],
            stderr=ends["console"][1],
            pass_fds=inherited,
            start_new_session=True,
            preexec_fn=lambda: die_with_parent(parent),
        )
        try:
            for fd in inherited:
                os.close(fd)
            self._follow({read: name for name, (read, _) in ends.items()})
        finally:
            self._end(qemu)
            for read, _ in ends.values():
                os.close(read)

    def _command(self, memory: int, ends: dict[str, int]) -> list[str]:
        cpus = min(4, len(os.sched_getaffinity(0)))
        ports = []
        for number, name in enumerate(("stdout", "stderr", "told"), start=1):
            ports += ["-add-fd", f"fd={ends[name]},set={number}"]
            ports += ["-chardev", f"file,id={name},path=/dev/fdset/{number},append=on"]
            ports += ["-device", f"virtserialport,bus=ports.0,nr={number},chardev={name}"]
        return [
            *("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
            *("-accel", self.accel, "-cpu", "host" if self.accel == "kvm" else "max"),
            *("-smp", str(cpus), "-m", os.environ.get("SHADOWLAB_VM_MEMORY", "2G"), "-nic", "none"),
            *("-kernel", str(self.kernel), "-initrd", f"/proc/self/fd/{memory}"),
            *("-append", f"{PARAMETERS} {self._clock()}"),
            *("-add-fd", f"fd={ends['console']},set=9", "-chardev", "file,id=console,path=/dev/fdset/9,append=on"),
            *("-serial", "chardev:console"),
            *("-fsdev", "local,id=root,path=/,security_model=none,readonly=on,multidevs=remap"),
            *("-device", "virtio-9p-pci,fsdev=root,mount_tag=root"),
            *("-device", "virtio-serial-pci,id=ports", *ports),
        ]

    def _clock(self) -> str:
        """Under TCG the guest reads the host's counter, but cannot calibrate it: its emulated timers are too slow."""
        if self.accel == "kvm" or "constant_tsc" not in Path("/proc/cpuinfo").read_text():
            return ""
        return f"tsc=reliable tsc_early_khz={counter_khz()}"

    def _follow(self, names: dict[int, str]) -> None:
        started = time.monotonic()
        told = b""
        with selectors.DefaultSelector() as selector:
            for fd, name in names.items():
                selector.register(fd, selectors.EVENT_READ, name)
            while selector.get_map():
                now = time.monotonic() - started
                if now > self.deadline_s or (not self.up and now > self.patience_s):
                    return
                for key, _ in selector.select(0.5):
                    chunk = os.read(key.fd, CHUNK)
                    if not chunk:
                        selector.unregister(key.fd)
                    elif key.data == "console":
                        self.console += chunk
                        if os.environ.get("SHADOWLAB_VM_CONSOLE"):
                            pass_on(2, chunk)
                    elif key.data == "told":
                        told += chunk
                        self.up = self.up or told.startswith(b"up\n")
                        if found := re.search(rb"^exit (\d+)\n", told, re.MULTILINE):
                            self.code = int(found[1])
                    else:
                        pass_on(1 if key.data == "stdout" else 2, chunk)

    def _end(self, qemu: subprocess.Popen[bytes]) -> None:
        if self.code is not None:  # it is powering off
            with contextlib.suppress(subprocess.TimeoutExpired):
                qemu.wait(END_PATIENCE_S)
        qemu.kill()
        qemu.wait()


def counter_khz() -> int:
    """The rate of the processor's time stamp counter, measured for a twentieth of a second."""
    with mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC) as page:
        page.write(READ_COUNTER)
        start = ctypes.c_char.from_buffer(page)
        read = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(start))
        ticks, began_ns = int(read()), time.monotonic_ns()
        time.sleep(0.05)
        khz = (int(read()) - ticks) * 1_000_000 // (time.monotonic_ns() - began_ns)
        del read, start
    return khz


def pass_on(fd: int, chunk: bytes) -> None:
    """All of it: a pipe may take less at once."""
    while chunk:
        chunk = chunk[os.write(fd, chunk) :]


def on_signal(number: int, frame: object) -> None:
    raise SystemExit(128 + number)


def say(text: str) -> None:
    sys.stderr.write(f"vm: {text}\n")
    sys.stderr.flush()


def accelerators(verdict: Path, boot: str) -> list[str]:
    """KVM first, unless it is not there or was found useless since this machine was started."""
    useless = verdict.exists() and verdict.read_text() == boot
    return ["tcg"] if useless or not os.access("/dev/kvm", os.R_OK | os.W_OK) else ["kvm", "tcg"]


def main() -> int:
    """The exit code of the command, or what is said at the top."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--stock", type=Path, required=True, help="the folder of the unpacked kernel")
    parser.add_argument("--busybox", type=Path, required=True)
    parser.add_argument("--timeout", type=float, required=True)
    parser.add_argument("command", nargs="+")
    given = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # nobody reads any more: end as any program does, and qemu with us

    (kernel,) = given.stock.glob("boot/vmlinuz-*")
    (modules,) = given.stock.glob("lib/modules/*")
    verdict, boot = given.stock.parent / "no-kvm", Path("/proc/sys/kernel/random/boot_id").read_text()
    end = time.monotonic() + given.timeout
    for accel in accelerators(verdict, boot):
        machine = Machine(
            kernel=kernel,
            initrd=initramfs(modules, given.busybox, given.command, accel),
            accel=accel,
            patience_s=KVM_PATIENCE_S if accel == "kvm" else TCG_PATIENCE_S,
            deadline_s=end - time.monotonic(),
        )
        machine.run()
        if accel == "tcg" and machine.up and os.access("/dev/kvm", os.R_OK | os.W_OK):
            with contextlib.suppress(OSError):  # a cache that we may only read: tried again next time
                verdict.write_text(boot)
        if machine.code is not None:
            return machine.code
        if time.monotonic() >= end:
            say(f"stopped after its deadline of {given.timeout:g} s")
            return EXIT_TIMEOUT
        if accel == "kvm" and not machine.up:
            say("/dev/kvm is there, but no guest comes up with it: using TCG until this machine is started again")
            continue
        break
    last = machine.console.decode(errors="replace").splitlines()[-20:]
    say("\n  ".join([f"the kernel under {accel} " + ("died" if machine.up else "did not come up"), *last]))
    return EXIT_CANNOT_RUN


if __name__ == "__main__":
    sys.exit(main())
