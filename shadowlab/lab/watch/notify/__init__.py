"""Telling others: one file per kind of receiver, each a pure rendering and one request.

In: a notification.  Out: one message, or :class:`~shadowlab.lab.watch.notify.interface.Refused`.
Never: a retry: the outbox does that; a redirect followed; a secret in a message.
"""
