# ruff: noqa: T201
"""What the tests run inside the guest.  Imported there, so it imports little."""

from __future__ import annotations

import os
import sys
import time


def greet(job_path: str, folder: str) -> int:
    with open(job_path, "rb") as job:
        print("job:", job.read().decode())
    print("folder:", folder)
    print("to stderr", file=sys.stderr)
    print("without a line break", end="")
    with open(f"{folder}/result", "w") as result:
        result.write("done")
    return 7


def chance(_job_path: str, _folder: str) -> int:
    """Every source of chance a run may meet: the kernel's generator, addresses, ports, Python's hashes."""
    import socket
    import subprocess

    print("urandom", os.urandom(16).hex())
    with open("/proc/sys/kernel/random/boot_id") as file:
        print("boot_id", file.read().strip())
    subprocess.run(["ip", "link", "add", "left", "type", "veth", "peer", "name", "right"], check=True)
    for name in ("left", "right"):
        with open(f"/sys/class/net/{name}/address") as file:
            print(name, file.read().strip())
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        print("port", listener.getsockname()[1])
    print("hash", hash("shadow"))
    print("time", time.time_ns(), time.monotonic_ns())
    return 0


def lossy_link(_job_path: str, _folder: str) -> int:
    """Which of 200 datagrams pass a netem that drops a third, without a seed of its own."""
    import socket
    import subprocess

    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(
        ["tc", "qdisc", "add", "dev", "lo", "root", "netem", "loss", "33%", "delay", "5ms", "2ms"], check=True
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 9))
        receiver.settimeout(0.1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for number in range(200):
                sender.sendto(bytes([number]), ("127.0.0.1", 9))
        arrived = []
        try:
            while True:
                arrived.append((receiver.recv(8)[0], time.monotonic_ns()))
        except TimeoutError:
            pass
    print(arrived)
    return 0


def boot_only(_job_path: str, _folder: str) -> int:
    return 0


def clocks(_job_path: str, _folder: str) -> int:
    before = time.monotonic_ns()
    print("started", before)
    time.sleep(1000)
    print("slept", time.monotonic_ns() - before)
    return 0


def lines_then_work(_job_path: str, folder: str) -> int:
    """Prints, then waits (in real time) until the other side has seen the line."""
    print("first", flush=True)
    for _ in range(2_000_000):
        if os.path.exists(f"{folder}/seen"):
            return 0
    return 1


def raises(_job_path: str, _folder: str) -> int:
    raise LookupError("no route to r7")


def leaves_by_exit(_job_path: str, _folder: str) -> int:
    sys.exit(5)


def waits_for_ever(_job_path: str, _folder: str) -> int:
    print("waiting", flush=True)
    while True:
        time.sleep(0.5)


def computes_for_ever(_job_path: str, _folder: str) -> int:
    print("computing", flush=True)
    while True:
        pass


def crashes(_job_path: str, _folder: str) -> int:
    os.abort()


def eats_memory(_job_path: str, _folder: str) -> int:
    """In large steps: with small ones the kernel may drop and re-read the pages of the program for ever, see limits."""
    kept = []
    while True:
        kept.append(b"x" * (64 << 20))


def panics(_job_path: str, _folder: str) -> int:
    """Overwrites the C library of process 1: it crashes at its next step, which no kernel survives."""
    print("about to panic", flush=True)
    with open("/proc/1/maps") as maps:
        code = next(line for line in maps if " r-xp " in line and "/libc" in line)
    begin, end = (int(number, 16) for number in code.split()[0].split("-"))
    with open("/proc/1/mem", "r+b", buffering=0) as memory:
        memory.seek(begin)
        memory.write(b"\xcc" * (end - begin))
    return 0


def writes_everywhere(_job_path: str, folder: str) -> int:
    for place in ("/", "/tmp", "/etc", "/var/tmp", os.path.dirname(os.path.abspath(__file__)), folder):
        try:
            with open(os.path.join(place, "guest-was-here"), "w"):
                print(place, "written", sep="\t")
        except OSError as error:
            print(place, error.strerror, sep="\t")
    return 0


def leaves_a_child(_job_path: str, _folder: str) -> int:
    if os.fork() == 0:
        time.sleep(10_000)
        os._exit(0)
    return 0


def sleeps_half_a_second(_job_path: str, _folder: str) -> int:
    time.sleep(0.5)
    return 0


def escapes(job_path: str, folder: str) -> int:
    """What the guest's root does if it wants out: mounts the host's files anew, to write and to read."""
    import ctypes
    import json

    with open(job_path, "rb") as job:
        places = json.load(job)
    host = "/run/tmp/host"
    os.makedirs(host)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mount(b"none", host.encode(), b"hostfs", 0, b"/") == 0, os.strerror(ctypes.get_errno())
    told: dict[str, dict[str, str]] = {"write": {}, "read": {}}
    for place in places["write"]:
        try:
            with open(f"{host}{place}/guest-was-here", "w") as file:
                file.write("x")
            told["write"][place] = "written"
        except OSError as error:
            told["write"][place] = error.strerror or ""
    for place in places["append"]:
        try:
            with open(host + place, "a") as file:
                file.write("guest was here")
            told["write"][place] = "written"
        except OSError as error:
            told["write"][place] = error.strerror or ""
    for place in places["read"]:
        try:
            with open(host + place, "rb") as opened:
                opened.read(1)
            told["read"][place] = "read"
        except OSError as error:
            told["read"][place] = error.strerror or ""
    with open(f"{folder}/told", "w") as result:
        json.dump(told, result)
    return lines_then_work(job_path, folder)
