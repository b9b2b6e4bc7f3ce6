"""The settings of an installation, from environment variables ``LIVESHELF_*``, and secrets from files too."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SecretsSettingsSource, SettingsConfigDict

_CHECKOUT = Path(__file__).resolve().parent.parent
DEFAULT_REDIS_URL = "redis://127.0.0.1:6379/0"
RATE_FORM = r"^([1-9]\d{0,8}/(second|minute|hour|day))?$"


def default_data_dir() -> Path:
    """Return ``.liveshelf`` in the source checkout, or in the home folder where there is no checkout."""
    root = _CHECKOUT if (_CHECKOUT / "pyproject.toml").exists() else Path.home()
    return root / ".liveshelf"


_SECRETS_DIR = "LIVESHELF_SECRETS_DIR"


class WrongSettings(ValueError):
    """The settings cannot be used."""


class UnsafeSettings(WrongSettings):
    """The settings would open the API to strangers."""


class Settings(BaseSettings):
    """All settings. A composition root reads them once; nothing else looks at the environment.

    What the environment does not say may be in a file of the folder that ``LIVESHELF_SECRETS_DIR`` names, such as
    ``liveshelf_admin_key``.
    """

    model_config = SettingsConfigDict(env_prefix="LIVESHELF_", frozen=True)

    data_dir: Path = Field(default_factory=default_data_dir, description="the one folder of an installation")
    redis_url: str | None = Field(
        default=None,
        pattern="^(redis|rediss|unix)://.",
        description="an existing Redis; without it the embedded one of the data folder",
    )
    redis_fsync: Literal["always", "everysec"] = Field(
        default="always",
        description="when the embedded Redis makes its file durable: before each answer, or later",
    )
    event_log: str | None = Field(default=None, description="redis://... or kafka://...; without it the Redis above")
    partitions: int = Field(default=4, ge=1, le=256, description="partitions of each topic of the event log")
    retention_hours: float = Field(default=72.0, gt=0, description="how long read events stay in the event log [h]")
    accept_lost_events: bool = Field(
        default=False, description="go on where the event log no longer has what was not yet read"
    )
    kafka_topic_prefix: str = Field(
        default="liveshelf.",
        pattern=r"^[A-Za-z0-9._-]{0,200}$",
        description="what the names of topics and consumer groups begin with",
    )
    kafka_timeout_seconds: float = Field(default=5.0, gt=0, description="how long Kafka may take to answer [s]")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="how to speak to Kafka"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="PLAIN", description="how the user proves who it is"
    )
    kafka_sasl_username: str | None = Field(default=None, description="the user at Kafka")
    kafka_sasl_password: SecretStr | None = Field(default=None, description="its password")
    kafka_ca_file: Path | None = Field(default=None, description="certificates to trust, PEM; else the system's")
    kafka_cert_file: Path | None = Field(default=None, description="the client's own certificate, PEM")
    kafka_key_file: Path | None = Field(default=None, description="the key to it, PEM")
    host: str = Field(default="127.0.0.1", description="address that the API listens on")
    port: int = Field(default=8000, ge=1, le=65535, description="port that the API listens on")
    api_workers: int = Field(default=1, ge=1, le=64, description="processes of the API, all on that port")
    api_process: str = Field(
        default="",
        pattern=r"^(api-[0-9]+)?$",
        description="which of several API processes this one is; `up` sets it, empty for the only one",
    )
    api_private_port: int = Field(
        default=0, ge=0, le=65535, description="port on loopback by which `up` asks that process itself; 0 for none"
    )
    dev: bool = Field(default=False, description="no keys are asked for; only where the host is this computer alone")
    admin_key: SecretStr | None = Field(default=None, description="a key to the API with the scope admin")
    api_keys_file: Path | None = Field(
        default=None, description="where the API's keys are kept, hashed; else api_keys.json in the data folder"
    )
    run_key: SecretStr | None = Field(
        default=None, description="a key to the API with all scopes, which `up` makes anew for each run"
    )
    api_key: SecretStr | None = Field(default=None, description="the key that commands show to an API")
    rate_limit: str = Field(
        default="",
        pattern=RATE_FORM,
        description="requests that a key without a rate of its own may make, such as 600/minute; none without it",
    )
    cors_origins: str = Field(
        default="", description="origins whose pages may ask the API, with commas between; none without it"
    )
    surfaces: Path | None = Field(
        default=None, description="file of the shop's surfaces; without it surfaces.yaml in the data folder, if any"
    )
    deadline_ms: float = Field(default=40.0, gt=0, description="how long a slate may take to make [ms]")
    cache_slates: int = Field(
        default=20_000, ge=1, description="slates that each process of the API keeps, some 8 KB each [count]"
    )
    workers: int = Field(default=1, ge=1, le=16, description="processes of the dataflow")
    session_days: int = Field(
        default=30, ge=1, description="days without an event after which an anonymous session is forgotten [count]"
    )
    user_days: int = Field(
        default=400, ge=1, description="days without an event after which a known shopper is forgotten [count]"
    )
    snapshot_seconds: int = Field(default=1, ge=1, description="how often the dataflow saves its progress [s]")
    learn: bool = Field(default=True, description="whether `up` starts the learner, which goes on from a full training")
    learn_rate: float = Field(default=0.03, gt=0, le=1, description="learning rate of online updates")
    learn_batch_seconds: float = Field(default=5.0, gt=0, description="how long examples wait to be learned from [s]")
    learn_batch_events: int = Field(default=2_000, ge=1, description="examples that are not waited beyond [count]")
    learn_publish_seconds: float = Field(
        default=30.0, gt=0, description="from one online version to the next, if there is anything new [s]"
    )
    learn_cpu_ratio: float = Field(default=0.25, gt=0, le=1, description="share of a processor that learning may take")
    learn_behind_seconds: float = Field(
        default=60.0, gt=0, description="how far the learner may be behind before it leaves shoppers out [s]"
    )
    learn_shoppers: int = Field(default=20_000, ge=100, description="shoppers that the learner remembers [count]")
    learn_metrics_port: int = Field(
        default=0, ge=0, le=65535, description="port of the learner's Prometheus metrics; 0 for none"
    )
    learn_metrics_host: str = Field(default="127.0.0.1", description="address of that port")
    until_drained: bool = Field(default=False, description="the dataflow ends once it has read the whole event log")
    max_batch_events: int = Field(default=1_000, ge=1, description="events in one POST [count]")
    max_body_bytes: int = Field(default=1_048_576, ge=1, description="size of one request body [bytes]")
    log_level: str = Field(default="INFO", description="DEBUG, INFO, WARNING or ERROR")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return where settings come from, the strongest first.

        Raises:
            WrongSettings: the folder of secrets is none.
        """
        folder = os.environ.get(_SECRETS_DIR)
        if not folder:
            return init_settings, env_settings
        if not Path(folder).is_dir():
            raise WrongSettings(f"{_SECRETS_DIR}: must be a folder; got {folder!r}")
        return init_settings, env_settings, SecretsSettingsSource(settings_cls, secrets_dir=folder)


def require_loopback_for_dev(settings: Settings) -> None:
    """Let an API without keys be reached from this computer alone.

    Raises:
        UnsafeSettings: it would listen elsewhere.
    """
    if settings.dev and not _is_loopback(settings.host):
        raise UnsafeSettings(
            f"dev: may be set only where host is a loopback address, such as 127.0.0.1; got host {settings.host!r}"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
