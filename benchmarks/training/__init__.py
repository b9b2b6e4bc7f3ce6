"""How training grows with the history: ``liveshelf bench train``."""
