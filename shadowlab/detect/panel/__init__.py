"""The default: several detectors for one series, and those that fit its character have a vote.

In: values.  Out: readings, for one series or for very many at once.  Never: a setting for a named series.
"""
