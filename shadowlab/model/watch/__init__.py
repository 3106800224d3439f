"""What a continuous watch knows: cycles, incidents with their life, notifications, and the state that outlives a kill.

In: plain values.  Out: frozen values with a stable plain form.  Never: a clock, a file.
"""
