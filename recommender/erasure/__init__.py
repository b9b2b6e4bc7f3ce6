"""Erasing a user: everything that an installation holds of a person goes, and the proof that it went stays.

``control`` is the event that travels through the event log, ``book`` what is noted of requests, ``worker`` what does
the work, ``held`` and ``traces`` find what there is of a user, ``audit`` is what is written down for good.
"""
