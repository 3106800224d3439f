"""What a watch decides: when a cycle begins, what is summed up, what an incident is and when it is over, what is told.

In: plain values, the moment as an argument.  Out: plain values.  Never: a clock, a file, a socket.
"""
