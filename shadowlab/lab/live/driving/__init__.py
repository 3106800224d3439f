"""Traffic in a living lab.

In: a recording, a lab, a time.  Out: what became of each flow.  Never: traffic that outlives its command.
"""
