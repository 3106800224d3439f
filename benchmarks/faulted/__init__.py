"""The campaign of faults: a production that is hidden, what the product says of it, and the truth beside that.

In: a topology, a kind of fault, a seed.  Out: one row per case, and a table of them.  Never: the truth to what judges.
"""
