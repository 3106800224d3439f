"""Which kind of fault, how large, and whether it is enough: symptoms imposed against symptoms observed.

In: what each path showed in the incident and under each imposed fault.  Out: fitted sizes, Bayes factors.
"""
