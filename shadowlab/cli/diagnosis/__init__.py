"""The commands that judge data of one's own, without a shadow."""
