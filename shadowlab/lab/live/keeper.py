"""Inside the guest: keeps the lab's namespaces, and answers what comes over the line.

In: requests as JSON lines, each with the number of its connection.  Out: answers with the same number.
Never: an answer lost to a program that writes faster than it is read: each stream has credit, granted by its reader.
Imported inside the guest: standard library only.
"""

from __future__ import annotations

import json
import os
import pty
import select
import tty
from contextlib import suppress
from typing import Any

from shadowlab.errors import ShadowLabError
from shadowlab.kernel import named, programs
from shadowlab.kernel.links import FIRST_IFINDEX
from shadowlab.kernel.named import NamedSegment
from shadowlab.kernel.rights import privileges
from shadowlab.lab.live.ground import observe
from shadowlab.lab.live.running import Running, resize
from shadowlab.model.plain import from_plain
from shadowlab.shadow.apply import apply
from shadowlab.shadow.ledger import Intent
from shadowlab.shadow.recover import carry_on

LINE = "/dev/tty1"
HELLO = b"hello\n"


def keep(job_path: str, folder: str) -> int:
    """The guest's entry: serve until the guest is ended from outside."""
    with open(job_path, "rb") as file:
        job = json.load(file)
    named.make_folder()
    line = os.open(LINE, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(line)
    os.write(line, HELLO)
    with NamedSegment(job["lab"], next_ifindex=FIRST_IFINDEX) as segment:
        Keeper(line=line, segment=segment, folder=folder).serve()
    return 0


class Keeper:
    """One loop over the line and the programs' streams."""

    def __init__(self, *, line: int, segment: NamedSegment, folder: str) -> None:
        self._line = line
        self._segment = segment
        self._folder = folder
        self._rest = b""
        self._poll = select.poll()
        self._programs: dict[int, Running] = {}
        self._by_fd: dict[int, Running] = {}

    def serve(self) -> None:
        self._poll.register(self._line, select.POLLIN)
        while True:
            for fd, events in self._poll.poll():
                if fd == self._line:
                    self._on_line()
                elif running := self._by_fd.get(fd):
                    running.on_ready(fd, events)
                    self._watch(running)

    def _send(self, message: dict[str, Any]) -> None:
        payload = memoryview(json.dumps(message, separators=(",", ":")).encode() + b"\n")
        while payload:
            payload = payload[os.write(self._line, payload) :]

    def _on_line(self) -> None:
        chunk = os.read(self._line, 4096)
        if not chunk:
            raise SystemExit(0)
        self._send({"got": len(chunk)})
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._on_message(json.loads(line))

    def _on_message(self, message: dict[str, Any]) -> None:
        number = message["id"]
        if "do" not in message:
            if running := self._programs.get(number):
                running.on_message(message)
                self._watch(running)
            return
        try:
            answer = self._answer(number, message)
        except (ShadowLabError, OSError) as error:
            answer = {"error": str(error)}
        if answer is not None:
            self._send({"id": number, "end": answer})

    def _answer(self, number: int, message: dict[str, Any]) -> dict[str, Any] | None:
        match message["do"]:
            case "apply" | "finish":
                self._apply(message["file"], whole=message["do"] == "apply")
                return {}
            case "observe":
                return observe(self._segment, self._segment.namespaces())
            case "root":
                return _read_root()
            case "exec":
                self._start(number, message, privileges.NODE)
                return None
            case "examine":  # a program of ours, which goes from node to node
                self._start(number, message, privileges.SEGMENT)
                return None
        return {"error": f"unknown request {message['do']!r}"}

    def _apply(self, file: str, *, whole: bool) -> None:
        with open(f"{self._folder}/{file}", "rb") as stored:
            intent: Intent = from_plain(Intent, json.load(stored))
        if whole:
            apply(intent.ops, self._segment)
        else:
            carry_on(self._segment, intent)

    def _start(self, number: int, message: dict[str, Any], rights: frozenset[int]) -> None:
        size = message["tty"]
        ours = theirs = -1
        if size is not None:
            ours, theirs = pty.openpty()
            resize(ours, size)
        stream: int = theirs if size is not None else programs.PIPE
        try:
            with self._segment.inside(message["node"]):
                started = programs.start(
                    message["argv"],
                    environment=message["env"],
                    folder=message["cwd"],
                    stdin=stream,
                    stdout=stream,
                    stderr=stream,
                    hosts=message["hosts"],
                    terminal=size is not None,
                    rights=rights,
                )
        except programs.START_ERRORS as error:
            if ours >= 0:
                os.close(ours)
            code, words = programs.why_not(message["argv"], error)
            self._send({"id": number, "end": {"code": code, "words": words}})
            return
        finally:
            if theirs >= 0:
                os.close(theirs)
        running = Running(number=number, started=started, terminal=ours, send=self._send)
        self._programs[number] = running
        self._watch(running)

    def _watch(self, running: Running) -> None:
        """Watch what it wants watched; forget it when it is over."""
        wanted = {} if running.over else running.wanted()
        for fd in [fd for fd, owner in self._by_fd.items() if owner is running and fd not in wanted]:
            del self._by_fd[fd]
            with suppress(KeyError):
                self._poll.unregister(fd)
        for fd, events in wanted.items():
            self._by_fd[fd] = running
            self._poll.register(fd, events)
        if running.over:
            running.close()
            del self._programs[running.number]


def _read_root() -> dict[str, Any]:
    """What the guest's own namespace, the segment's root, holds: interfaces, routes, sockets, forwarding."""
    root: dict[str, Any] = {"interfaces": sorted(os.listdir("/sys/class/net"))}
    for name, path in (("routes", "route"), ("tcp", "tcp"), ("udp", "udp"), ("raw", "raw"), ("packet", "packet")):
        try:
            with open(f"/proc/net/{path}") as file:
                root[name] = file.read().splitlines()[1:]
        except FileNotFoundError:
            root[name] = []
    with open("/proc/sys/net/ipv4/ip_forward") as file:
        root["forwards"] = file.read().strip() == "1"
    return root
