"""Feast's feature store of an installation."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from feast import FeatureStore
from feast.repo_config import load_repo_config

from recommender.history import ensure_tables
from recommender.installation import Installation
from recommender.settings import Settings
from recommender.store.connection import installation_connection
from recommender.store.declare import declare


class NotApplied(RuntimeError):
    """The installation has no feature registry yet."""


def repository_dir() -> Path:
    """Return the folder that ``feast`` commands run in, found without importing anything from it."""
    spec = importlib.util.find_spec("feature_repo")
    if spec is None or not spec.submodule_search_locations:
        raise NotApplied("feature_repo: must be installed beside recommender; it is not found")
    return Path(next(iter(spec.submodule_search_locations)))


def open_store(settings: Settings) -> FeatureStore:
    """Open the feature store that ``feature_store.yaml`` describes, at these settings' Redis and data folder."""
    folder = repository_dir()
    config = load_repo_config(folder, folder / "feature_store.yaml")
    config.online_config.setdefault("connection_string", installation_connection(settings))
    config.registry_config.setdefault("path", str(Installation(settings.data_dir).registry_path))
    return FeatureStore(config=config)


def open_applied_store(settings: Settings) -> FeatureStore:
    """Open the feature store.

    Raises:
        NotApplied: there is no registry. (Feast would write an empty one, and that could overtake an apply.)
    """
    path = Installation(settings.data_dir).registry_path
    if not path.exists():
        raise NotApplied(f"feature store: needs a registry at {path}; run `feast apply` in {repository_dir()}")
    return open_store(settings)


def apply(settings: Settings) -> None:
    """Register all feature views in this process, as ``feast apply`` does from outside."""
    history_dir = Installation(settings.data_dir).history_dir
    ensure_tables(history_dir)
    open_store(settings).apply(list(declare(history_dir).values()))
