"""Bytewax dataflows; each module with a `flow` is a target of `python -m bytewax.run`."""
