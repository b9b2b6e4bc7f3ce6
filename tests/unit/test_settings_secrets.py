"""Secrets from the environment or from files."""

from __future__ import annotations

from pathlib import Path

import pytest

from recommender.settings import Settings, WrongSettings
from tests.unit.test_cli import liveshelf


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIVESHELF_SECRETS_DIR", str(tmp_path))
    return tmp_path


def test_a_secret_may_be_in_a_file_of_its_name(folder: Path) -> None:
    (folder / "liveshelf_admin_key").write_text("from the file\n")
    (folder / "liveshelf_kafka_sasl_password").write_text("of kafka")
    (folder / "liveshelf_redis_url").write_text("redis://:secret@redis:6379/0")
    settings = Settings()
    assert settings.admin_key is not None
    assert settings.admin_key.get_secret_value() == "from the file"
    assert settings.kafka_sasl_password is not None
    assert settings.kafka_sasl_password.get_secret_value() == "of kafka"
    assert settings.redis_url == "redis://:secret@redis:6379/0"


def test_the_environment_is_stronger_than_a_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "liveshelf_admin_key").write_text("from the file")
    monkeypatch.setenv("LIVESHELF_ADMIN_KEY", "from the environment")
    settings = Settings()
    assert settings.admin_key is not None
    assert settings.admin_key.get_secret_value() == "from the environment"


def test_other_files_of_the_folder_mean_nothing(folder: Path) -> None:
    (folder / "admin_key").write_text("x")
    (folder / "liveshelf_of_somebody_else").write_text("x")
    assert Settings().admin_key is None


def test_a_folder_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVESHELF_SECRETS_DIR", str(tmp_path / "none"))
    rule = f"LIVESHELF_SECRETS_DIR: must be a folder; got {str(tmp_path / 'none')!r}"
    with pytest.raises(WrongSettings) as told:
        Settings()
    assert str(told.value) == rule
    answer = liveshelf("status", env={"LIVESHELF_SECRETS_DIR": str(tmp_path / "none")})
    assert (answer.returncode, answer.stderr) == (1, f"liveshelf: {rule}\n")


def test_secrets_do_not_show_where_settings_are_printed() -> None:
    settings = Settings(admin_key="s3cret", run_key="s3cret", api_key="s3cret", kafka_sasl_password="s3cret")
    assert "s3cret" not in f"{settings!r} {settings}"
