"""A network becomes live namespaces, links, routes and impairments, and goes away again.

In: a network, its addresses and routes.  Out: a plan of operations (pure), and their execution through ``kernel``.
Never: an object without our mark; never a branch in the acting half that deserves a test of its own.
"""
