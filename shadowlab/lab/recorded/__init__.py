"""What a run left or leaves behind, as something to ask: what it watched, its indicators, its raw records."""
