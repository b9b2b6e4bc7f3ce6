"""``liveshelf up`` as it is outside of development: strangers need keys, commands on the same computer do not."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from recommender.installation import Installation
from tests.e2e.test_up import LIVESHELF, Shop, wait_until

pytestmark = pytest.mark.timeout(300)


def test_keys_are_asked_for_made_and_revoked_while_all_runs(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.start(dev="false", learn="false")
    try:
        assert "No key to the API yet: `liveshelf keys create" in shop.output()
        assert shop.api.get("/v1/trending").status_code == 401
        assert shop.api.get("/health/live").status_code == 200

        event = {
            "kind": "view",
            "event_id": "e-1",
            "event_time": datetime.now(UTC).isoformat(),
            "session_id": "s-1",
            "item_id": "i-1",
        }
        file = tmp_path / "events.jsonl"
        file.write_text(json.dumps(event))
        replayed = replay(shop, file)
        assert (replayed["accepted"], replayed["rejected"]) == (1, 0)

        made = shop.command("keys", "create", "--scope", "read")
        headers = {"authorization": f"Bearer {made.stdout.strip()}"}
        wait_until(lambda: shop.api.get("/v1/trending", headers=headers).status_code == 200, 60)
        assert shop.api.post("/v1/events", headers=headers, json=[event]).status_code == 403

        key_id = made.stdout.split("_")[1]
        assert shop.command("keys", "revoke", key_id).returncode == 0
        wait_until(lambda: shop.api.get("/v1/trending", headers=headers).status_code == 401, 60)

        record = Installation(shop.folder).run_record()
        assert record is not None
        assert record.api_key is not None
        assert stat.S_IMODE((shop.folder / "run.json").stat().st_mode) == 0o600
        own = {"x-api-key": record.api_key}
        assert [shop.api.get(path, headers=own).status_code for path in ("/v1/trending", "/v1/models")] == [200, 200]
        written = shop.output() + "".join(log.read_text() for log in Installation(shop.folder).logs_dir.glob("*"))
        for secret in (record.api_key, made.stdout.strip().rpartition("_")[2]):
            assert secret not in written
        assert shop.stop() == 0
    finally:
        shop.close()
    assert not (shop.folder / "run.json").exists()


def replay(shop: Shop, file: Path) -> dict[str, int]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("LIVESHELF_")}
    command = [LIVESHELF, "replay", "generic", str(file), "--json"]  # finds the API by itself
    env["LIVESHELF_DATA_DIR"] = str(shop.folder)
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=60)
    assert done.returncode == 0, done.stderr
    found: dict[str, int] = json.loads(done.stdout)
    return found
