"""What imposing explanations of a fault showed.

In: plain values.  Out: frozen findings.  Never: a judgement of its own.
"""
