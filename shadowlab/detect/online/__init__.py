"""Detectors that hear one sample after the other: bounded work and memory each, no look ahead.

In: the moment, a value or a vector.  Out: a :class:`~shadowlab.detect.online.reading.Reading` each.  Never: a clock, a
cause, a second look at a sample.  A detector is one file and one line of ``registry``.
"""
