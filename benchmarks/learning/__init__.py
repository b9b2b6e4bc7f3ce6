"""Learning from a replayed log: what it brings, and what it costs as it grows."""
