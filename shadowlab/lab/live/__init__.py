"""A lab: a network that stays, in real time, for people and their programs.

In: a map.  Out: namespaces that live until they are torn down, on the host's kernel or in a guest that stays up; the
same commands for both.  Never: an object that is not in the lab's ledger first, or without the lab's mark.
"""
