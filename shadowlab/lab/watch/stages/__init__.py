"""The long stages of a cycle, one file each.

In: what earlier stages found.  Out: plain values.  Never: the state: the cycle puts them together.
"""
