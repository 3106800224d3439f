"""Queueing disciplines of an interface.

In: an interface, and an impairment or a shaper.  Out: requests (``asked``), what the kernel holds and where that
differs (``held``), and what was counted (``counters``).
"""
