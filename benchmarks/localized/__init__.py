"""Made traces for localisation: a fat-tree, its traffic and its faults; and the published way to score."""
