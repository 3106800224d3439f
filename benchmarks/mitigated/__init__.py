"""Are the cures that a shadow ranks first the best ones in production?

In: seeds.  Out: incidents in hidden networks, every candidate tried there, and what we and others would have chosen.
"""
