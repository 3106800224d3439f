"""Stages of a run that are long enough for a file: the cures' rehearsals, and what is written at its end.

In: what earlier stages found.  Out: cures' outcomes; a result, a timeline, files of a run folder.
"""
