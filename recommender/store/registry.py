"""Feast's registry in the data folder of the installation."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from pathlib import Path

from feast.infra.registry.registry_store import RegistryStore
from feast.protos.feast.core.FeatureView_pb2 import FeatureViewMeta
from feast.protos.feast.core.Registry_pb2 import Registry
from feast.repo_config import RegistryConfig

from recommender.installation import Installation, write_atomically
from recommender.settings import Settings


class InstallationRegistryStore(RegistryStore):
    """One file, replaced as a whole: a reader sees the registry of before or after an apply, never half of one.

    Feast notes a state of each view, and refuses to serve one that a materialization has under way or has left
    behind when it was killed. Here the stream writes the views all the time, and a materialization only adds what
    is missing, so a view can always be served: the state is left out.
    """

    def __init__(self, registry_config: RegistryConfig, repo_path: Path | None) -> None:
        path = registry_config.path
        self._path = Path(path) if path else Installation(Settings().data_dir).registry_path

    def get_registry_proto(self) -> Registry:
        """Read the registry.

        Raises:
            FileNotFoundError: nothing has been applied yet.
        """
        registry = Registry()
        registry.ParseFromString(self._path.read_bytes())
        return registry

    def update_registry_proto(self, registry_proto: Registry) -> None:
        """Replace the registry."""
        registry_proto.version_id = str(uuid.uuid4())
        registry_proto.last_updated.FromDatetime(datetime.now(UTC))
        for view in registry_proto.feature_views:
            view.meta.state = FeatureViewMeta().state
        write_atomically(self._path, registry_proto.SerializeToString())

    def teardown(self) -> None:
        """Remove the registry."""
        self._path.unlink(missing_ok=True)
