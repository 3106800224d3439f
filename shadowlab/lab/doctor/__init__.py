"""The doctor: from facts about this machine to findings, each with what it means and what mends it."""
