"""What is wrong with what was placed: each leading explanation imposed in a shadow of the incident, and compared.

In: a fault domain, what was measured.  Out: the same domain with kind, size, what it takes and what else would do.
"""
