"""What the API answers, as values: of a run folder and of a watch's state folder alike.

In: folders.  Out: the documents of ``docs/reference/api.md``.  Never: HTTP; a write.
"""
