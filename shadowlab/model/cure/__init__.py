"""What cures ask of production.

In: plain values.  Out: frozen actions.
"""
