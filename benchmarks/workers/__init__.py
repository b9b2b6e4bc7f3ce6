"""``liveshelf bench workers``: the same events by one process of the flow and by several."""
