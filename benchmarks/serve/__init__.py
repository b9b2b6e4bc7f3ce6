"""How fast slates are served: from the cache, without it, and to shoppers who come, look around and click."""
