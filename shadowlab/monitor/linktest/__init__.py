"""Is a link what the map says?  What to send, the sending, and what to think of it.

In: a direction's wish and its two ends.  Out: what was measured, and a grade for delay, rate, loss and queue.
Never: a grade for what could not be measured; that is said.
"""
