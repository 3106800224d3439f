"""Face: the terminal.  One file per command; each imports what it needs when it runs, so ``--help`` stays fast."""
