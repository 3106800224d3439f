"""The scaling law, measured: the same networks at full size and at fractions of their rates."""
