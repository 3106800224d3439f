"""Commands of ours that we start as children.

In: arguments.  Out: a running child, for an event loop.  Never: one that outlives us unasked.
"""
