"""One file for each family of cures: what it does to the shadow, and what takes it back.

In: what is allowed, the situation.  Out: one candidate.  Never: an effect.
"""
