"""Sweeps over hosts: a scheduler, workers on any number of machines, and the crew that gives them errands.

In: errands of a sweep, a folder of credentials.  Out: figures, the same bytes that this machine's own cores give.
Never: a connection without TLS beyond this machine's loopback; a certificate of another authority than the farm's own.
"""
