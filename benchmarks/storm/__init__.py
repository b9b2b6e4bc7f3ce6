"""A storm of stock changes: whether slates, cached ones too, still show what is sold out."""
