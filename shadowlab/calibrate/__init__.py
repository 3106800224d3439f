"""Records and map become demands: what each flow wants, and what limits it.

In: telemetry records, network.  Out: one flow specification per connection, with the evidence it stands on.
Never: a measurement of its own.
"""
