"""One file per format of telemetry.

In: blocks of bytes.  Out: records, one after the other; what could not be read goes to the tally.
Never: a file opened, a whole file in memory, an exception for bad content.
"""
