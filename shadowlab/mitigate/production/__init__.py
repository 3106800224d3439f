"""A rehearsed cure on production, where somebody has switched that on: nothing here runs without a configuration that
says ``enabled: true``, a dry run that was looked at, and an approval of exactly its commands.

In: a cure that was rehearsed, a checked configuration.  Out: commands of the operator's own programs, each written to
an append-only log before it runs, and taken back if the service level does not recover.
Never: a shell, a name of a map as more than one plain word, a command that the dry run did not show.
"""
