"""Proof that a lab is its map, and that it keeps apart.

In: a living lab.  Out: findings as values.  Never: a change that stays.
"""
