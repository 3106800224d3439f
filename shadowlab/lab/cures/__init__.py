"""What a scenario lets be tried: its `mitigations` and its `objective`, as they are written and as values.

In: the raw form.  Out: cures that may be tried and terms to compare them by, or every fault with its place.
"""
