# ruff: noqa: T201
"""Programs that tests run inside nodes.  Standard library only; ping is not everywhere."""

from __future__ import annotations

import socket
import sys
import time


def rtt(name: str, times: str = "5") -> None:
    """The smallest of some round-trip times, in milliseconds; 'lost' if nothing comes back."""
    target, found = socket.gethostbyname(name), []
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as opened:
        opened.settimeout(1)
        for number in range(int(times)):
            head = b"\x08\x00" + (0xFFFF - 0x0800 - number).to_bytes(2, "big") + b"\0\0" + number.to_bytes(2, "big")
            began = time.monotonic()
            opened.sendto(head, (target, 0))
            try:
                answer = opened.recv(2048)
            except TimeoutError:
                continue
            if answer[20]:  # type 0 is the echo's reply; an unreachable is none
                continue
            found.append((time.monotonic() - began) * 1e3)
    print(f"{min(found):.3f}" if found else "lost")


def count(seconds: str) -> None:
    """How many datagrams arrive at port 9 until a second after they cease, and the highest number seen."""
    arrived = highest = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind(("0.0.0.0", 9))
        opened.settimeout(float(seconds) + 5)
        print("listening", flush=True)
        try:
            while True:
                highest = max(highest, int(opened.recv(64)))
                arrived += 1
                opened.settimeout(1)
        except TimeoutError:
            pass
    print(arrived, highest)


def send(name: str, seconds: str) -> None:
    """A numbered datagram every two milliseconds."""
    target, number, until = socket.gethostbyname(name), 0, time.monotonic() + float(seconds)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        while time.monotonic() < until:
            number += 1
            opened.sendto(str(number).encode(), (target, 9))
            time.sleep(0.002)
    print(number)


if __name__ == "__main__":
    {"rtt": rtt, "count": count, "send": send}[sys.argv[1]](*sys.argv[2:])
