"""The settings of a namespace that TCP looks at when it opens a connection.  They rule IPv4 and IPv6.

In: nothing.  Out: names below ``/proc/sys`` and their values.  Imported inside the guest: standard library only.
"""

from __future__ import annotations

SACK = "net/ipv4/tcp_sack"
TIMESTAMPS = "net/ipv4/tcp_timestamps"
WINDOW_SCALING = "net/ipv4/tcp_window_scaling"

ECN = "net/ipv4/tcp_ecn"
ECN_ASK, ECN_ANSWER = "1", "2"
"""Ask for it in what is opened and agree to it in what is taken; or only the latter, which is Linux' default."""
