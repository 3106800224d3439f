"""What happens in a run, and when.

In: the events of a scenario file as they are written; a network.  Out: events as plain values, their words, the links
they are about.  Never: an operation, which :mod:`shadowlab.lab.changes` makes of them.
"""
