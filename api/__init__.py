"""The HTTP service: events in, slates out."""
