"""How soon a click changes the shopper's own slates, while the shop is busy."""
