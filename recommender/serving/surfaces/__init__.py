"""Surfaces as data: what each place in the shop shows, and by which rules."""

from recommender.serving.surfaces.book import BadSurfaces, Book, Rules, built_in, default_rules, read_book
from recommender.serving.surfaces.settings import (
    AgeLimit,
    Boost,
    Campaign,
    Exclusions,
    Pin,
    SurfaceSettings,
    SurfacesFile,
)

__all__ = [
    "AgeLimit",
    "BadSurfaces",
    "Book",
    "Boost",
    "Campaign",
    "Exclusions",
    "Pin",
    "Rules",
    "SurfaceSettings",
    "SurfacesFile",
    "built_in",
    "default_rules",
    "read_book",
]
