"""What is decided about exchanges: when, who, how large, what next.

In: plain values, chance as an argument.  Out: plain values.  Never: a socket, a clock, a timer.
"""
