"""Production of a stated size for a watch to follow: its map, its connections, its readings."""
