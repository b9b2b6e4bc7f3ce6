"""The filter language: which items a request or a surface allows, as text that is parsed and never run."""

from recommender.serving.filters.grammar import BadFilter, Filter, named_texts, opposite, parse_filter
from recommender.serving.filters.masks import Masks

__all__ = ["BadFilter", "Filter", "Masks", "named_texts", "opposite", "parse_filter"]
