"""Inside the segment: the network that the job's plan builds, trains of packets over it, and programs in its nodes.

In: a task file (a job, trains, programs, settings).  Out: per train what left and what arrived, per program its output.
Never: a judgement.  Standard library only.

The network is built as a run builds it: the same operations, by the same code.  A train is numbered UDP packets from
one node to another; arrivals carry the kernel's own timestamps.  One process, both ends, one clock.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import struct
import time
from array import array
from collections.abc import Mapping
from typing import Any

from shadowlab.kernel import netns, programs
from shadowlab.kernel.clock import KernelClock
from shadowlab.kernel.linux import LinuxSegment
from shadowlab.kernel.loop import KernelWaiter
from shadowlab.lab.job import Job
from shadowlab.model.plain import from_plain
from shadowlab.shadow.apply import apply

SENT, ARRIVED, OUTPUT = "sent", "arrived", "output.json"
ALTERED = 1 << 62
"""The number of a packet whose payload arrived changed."""
HEADER_BYTES = 8 + 20 + 14
_SO_NO_CHECK, _SO_RCVBUFFORCE, _SO_SNDBUFFORCE, _SO_TIMESTAMPNS = 11, 33, 32, 35
_BUFFER_BYTES = 512 << 20
_NUMBER = struct.Struct("=qq")
"""A packet's number, and its complement: so a number that was hit is known."""
_TIMESPEC = struct.Struct("=qq")
_SIOCGSKNS = 0x894C
_PORT = 7000
_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "TMPDIR": "/run"}


def run(job_path: str, folder: str) -> int:
    """The entry point."""
    with open(job_path, "rb") as file:
        task = json.load(file)
    with LinuxSegment() as segment:
        job = from_plain(Job, task["job"])
        apply(job.build, segment)
        for node, key, value in task["sysctls"]:
            segment.set_sysctl(node, key, value)
        clock, waiter = KernelClock(), KernelWaiter()
        _sleep_until(clock, waiter, (clock.now_ns() // 10**9 + 1) * 10**9)
        for number, train in enumerate(task["trains"]):
            _send(segment, clock, waiter, train, job.addresses, f"{folder}/{number}")
            print(f"train {number} of {len(task['trains'])}", flush=True)
        outputs = [_programs(segment, group) for group in task["programs"]]
        with open(f"{folder}/{OUTPUT}", "w") as file:
            json.dump(outputs, file)
    return 0


def _sleep_until(clock: KernelClock, waiter: KernelWaiter, when_ns: int) -> None:
    while clock.now_ns() < when_ns:
        waiter.wait(when_ns)


def _send(
    segment: LinuxSegment,
    clock: KernelClock,
    waiter: KernelWaiter,
    train: Mapping[str, Any],
    addresses: Mapping[str, str],
    path: str,
) -> None:
    """``batch`` packets every ``gap_ns``, ``count`` in all; then ``wait_ns`` for the last."""
    size = int(train["payload_bytes"])
    body = bytes(range(256)) * (size // 256 + 1)
    sent, arrived = array("q"), array("q")
    with (
        segment.open_socket(train["source"], socket.AF_INET, socket.SOCK_DGRAM) as sender,
        segment.open_socket(train["target"], socket.AF_INET, socket.SOCK_DGRAM) as receiver,
    ):
        receiver.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
        receiver.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        receiver.bind((addresses[train["target"]], _PORT))
        sender.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _BUFFER_BYTES)
        sender.setsockopt(socket.SOL_SOCKET, _SO_NO_CHECK, 1)  # what was corrupted is to arrive
        sender.connect((addresses[train["target"]], _PORT))
        begin_ns = clock.now_ns() + 1_000_000
        _sleep_until(clock, waiter, begin_ns)
        for number in range(train["count"]):
            packet = _NUMBER.pack(number, ~number) + body[_NUMBER.size : size]
            sent.append(clock.wall_ns())
            sender.send(packet)
            if train["gap_ns"] and (number + 1) % train["batch"] == 0:
                _sleep_until(clock, waiter, begin_ns + (number + 1) // train["batch"] * train["gap_ns"])
            if number % 4096 == 4095:
                _drain(receiver, size, body, arrived)
        _sleep_until(clock, waiter, clock.now_ns() + train["wait_ns"])
        _drain(receiver, size, body, arrived)
    for name, values in ((SENT, sent), (ARRIVED, arrived)):
        with open(f"{path}.{name}", "wb") as file:
            values.tofile(file)


def _drain(receiver: socket.socket, size: int, body: bytes, arrived: array[int]) -> None:
    """Append (number, moment) of each packet that has come."""
    ancillary = socket.CMSG_SPACE(_TIMESPEC.size)
    while True:
        try:
            payload, notes, _, _ = receiver.recvmsg(size + 1, ancillary)
        except BlockingIOError:
            return
        seconds, rest = _TIMESPEC.unpack_from(notes[0][2])
        number, complement = _NUMBER.unpack_from(payload)
        if number != ~complement or payload[_NUMBER.size :] != body[_NUMBER.size : size]:
            number = ALTERED  # perhaps of its number too: it is enough to know that it was hit
        arrived.extend((number, seconds * 10**9 + rest))


def _programs(segment: LinuxSegment, group: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Start all but the last, one after the other; run the last to its end; end the others."""
    running = []
    try:
        for one in group[:-1]:
            running.append(_start(segment, one))
            time.sleep(0.2)  # until it listens
        last = _collect(_start(segment, group[-1]), group[-1])
        others = [_collect(started, one) for started, one in zip(running, group[:-1], strict=True)]
        running.clear()
    finally:
        for started in running:
            started.kill()
            started.wait()
    return [*others, last]


def _start(segment: LinuxSegment, one: Mapping[str, Any]) -> programs.Started:
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    with segment.open_socket(one["node"], socket.AF_INET, socket.SOCK_DGRAM) as there:
        namespace = fcntl.ioctl(there.fileno(), _SIOCGSKNS)
    try:
        with netns.visit(namespace, home, one["node"]):
            return programs.start(
                one["argv"],
                environment=_ENVIRONMENT,
                folder=None,
                stdin=programs.PIPE,
                stdout=programs.PIPE,
                stderr=programs.PIPE,
                hosts=None,
            )
    finally:
        os.close(namespace)
        os.close(home)


def _collect(started: programs.Started, one: Mapping[str, Any]) -> dict[str, Any]:
    done = programs.collect(started, b"", one["timeout_s"])
    return {
        "argv": list(one["argv"]),
        "exit_code": done["exit_code"],
        "stdout": done["stdout"].decode(errors="replace"),
        "stderr": done["stderr"].decode(errors="replace"),
    }
