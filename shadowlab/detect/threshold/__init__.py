"""From scores to alarms: how rare a score is, how many false alarms are allowed, when an alarm is the same as the last.

In: readings.  Out: p-values, levels, alarms, incidents.  Never: a detector's insides.
"""
