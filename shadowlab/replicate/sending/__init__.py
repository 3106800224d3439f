"""The agent: reads an instance's sockets, spools what changed, and sends it until it is acknowledged."""
