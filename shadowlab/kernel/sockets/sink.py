"""A reader inside the kernel: what arrives on the sockets handed to it is read there and then, and thrown away.

In: connected TCP sockets.  Out: nothing, and no wake-up of ours; how much came is in their TCP_INFO.
Never: a byte of a socket that was not handed over.  Imported inside the guest: standard library only.

A socket in a BPF sockmap whose verdict program answers "drop" is read by ``tcp_read_skb`` from within the softirq that
delivers its bytes (kernel: ``sk_psock_verdict_data_ready``, ``tcp_eat_skb``): the window opens and acknowledgements go
out as for an application that reads at once, without a system call.  The end of the stream and errors are told to epoll
as ever; EPOLLIN must not be asked for, or every packet wakes the loop for nothing.

Needs CAP_BPF and CAP_NET_ADMIN outside of user namespaces, and CONFIG_BPF_STREAM_PARSER.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from contextlib import suppress

from shadowlab.kernel.syscalls import bpf

_MAP_CREATE, _MAP_UPDATE_ELEM, _PROG_LOAD, _PROG_ATTACH = 0, 2, 5, 8
_MAP_TYPE_SOCKMAP, _PROG_TYPE_SK_SKB = 15, 14
_SK_SKB_VERDICT = 38
_MOVE_64, _EXIT = 0xB7, 0x95
_SK_DROP = 0
_INSTRUCTION = struct.Struct("<BBhi")
_PROGRAM = _INSTRUCTION.pack(_MOVE_64, 0, 0, _SK_DROP) + _INSTRUCTION.pack(_EXIT, 0, 0, 0)
_PLACES = 1024
"""Sockets a map has room for; a map is made when a descriptor needs it, for descriptors are their places."""


class Sink:
    """Enter it to open it.  Raises KernelRefusedError where this kernel, or our rights, do not do."""

    def __init__(self) -> None:
        self._program = -1
        self._maps: dict[int, int] = {}

    def __enter__(self) -> Sink:
        code = ctypes.create_string_buffer(_PROGRAM, len(_PROGRAM))
        licence = ctypes.create_string_buffer(b"Dual BSD/GPL")
        count = len(_PROGRAM) // _INSTRUCTION.size
        wanted = struct.pack("=IIQQ", _PROG_TYPE_SK_SKB, count, ctypes.addressof(code), ctypes.addressof(licence))
        self._program = bpf(_PROG_LOAD, wanted, "load the program that reads in the kernel's place")
        try:
            self._map_of(0)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go: sockets that are still in it are ordinary ones again."""
        for fd in (*self._maps.values(), self._program):
            if fd >= 0:
                os.close(fd)
        self._maps.clear()
        self._program = -1

    def take(self, sock: socket.socket) -> None:
        """From now on the kernel reads this connected socket, what has arrived already included."""
        fd = sock.fileno()
        place, value = ctypes.c_uint32(fd % _PLACES), ctypes.c_uint32(fd)
        wanted = struct.pack("=IxxxxQQQ", self._map_of(fd), ctypes.addressof(place), ctypes.addressof(value), 0)
        bpf(_MAP_UPDATE_ELEM, wanted, "let the kernel read a connection")
        with suppress(BlockingIOError):  # what came before, until the next packet nobody would look at
            while sock.recv(1 << 16, socket.MSG_TRUNC):
                pass

    def _map_of(self, fd: int) -> int:
        number = fd // _PLACES
        if number not in self._maps:
            wanted = struct.pack("=IIII", _MAP_TYPE_SOCKMAP, 4, 4, _PLACES)
            made = bpf(_MAP_CREATE, wanted, "make a map for connections the kernel reads")
            self._maps[number] = made
            wanted = struct.pack("=IIII", made, self._program, _SK_SKB_VERDICT, 0)
            bpf(_PROG_ATTACH, wanted, "let the kernel read connections")
        return self._maps[number]
