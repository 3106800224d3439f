"""What the user's terminal is given beside the answers: completion of what is typed.

In: the name of a shell.  Out: text for that shell.
"""
