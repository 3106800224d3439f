"""What begins a cycle early from outside: Alertmanager's webhook.

In: a POST.  Out: a line of words for the cycle.  Never: more than the line: what is wrong is the cycle's to find.
"""
