"""HTTP: who may ask what, and how it is answered.

In: requests.  Out: answers as ``docs/reference/api.md`` has them.  Never: a token in a log; an answer to a page of
somebody else.
"""
