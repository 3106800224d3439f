"""``shadowlab calibrate``: the command, and a calibration in lines for people.

In: the command line.  Out: a map, a state, lines on stdout.
"""
