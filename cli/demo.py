"""The demonstration: a simulated shop with a past, a first model, and shoppers that come in all the time."""

from __future__ import annotations

import collections
from collections.abc import Callable

import httpx

from cli.processes import api_names, api_url, environment, python
from cli.supervision import ProcessSpec
from recommender.eventlog import LogUnavailable, open_event_log
from recommender.installation import Installation
from recommender.model.registry import ModelRegistry
from recommender.settings import Settings
from recommender.simulator.runs import Past, past_events

SEED = 1
PAST, TRAIN, SHOP, RETRAIN = "past", "train", "shop", "retrain"
_LIMIT_S = 1_800.0
_RETRAIN_EVERY_S = 600.0
_KEPT = 10
"""Versions, so that a demonstration left alone does not fill the disk [count]."""
_CONSUMER = "features"


def demo_processes(settings: Settings, redis_url: str) -> list[ProcessSpec]:
    """Return what comes behind the API: the shop's past and a model, unless they are there, and its shoppers."""
    installation = Installation(settings.data_dir)
    env = environment(settings, redis_url)
    key = settings.run_key.get_secret_value() if settings.run_key else ""
    shown = {**env, "LIVESHELF_API_KEY": key}
    url = api_url(settings)
    shop = python("-m", "recommender.simulator", "--seed", str(SEED), "--url", url)
    past_file = installation.data_dir / "demo.json"
    past = Past.read(past_file)
    specs, after = [], api_names(settings)
    if past is None or not past.complete:
        command = [*shop, "past", "--file", str(past_file)]
        drained = _drained(settings.model_copy(update={"redis_url": redis_url}))
        specs.append(ProcessSpec(PAST, command, shown, after, ready=drained, ready_limit_s=_LIMIT_S, once=True))
        after = (PAST,)
    train = python("-m", "cli.main", "train", "--data-dir", str(settings.data_dir), "--keep", str(_KEPT))
    if ModelRegistry(installation.models_dir).current_version() is None:
        serves = _serves_a_model(url, key)
        specs.append(
            ProcessSpec(TRAIN, train, env, after, ready=serves, ready_limit_s=_LIMIT_S, once=True, vital=False)
        )
        after = (TRAIN,)
    return [
        *specs,
        ProcessSpec(SHOP, [*shop, "live"], shown, after, vital=False),
        ProcessSpec(RETRAIN, train, env, (SHOP,), ready_limit_s=_LIMIT_S, once=True, every_s=_RETRAIN_EVERY_S),
    ]


def demo_story(settings: Settings) -> str:
    """Return a few commands to try, about someone who is in the shop's past."""
    past = Past.read(Installation(settings.data_dir).data_dir / "demo.json")
    visits = collections.Counter(event.get("user_id") for event in past_events(past)) if past else {}
    user_id = next((user for user, _ in collections.Counter(visits).most_common() if user), "user-001")
    url = api_url(settings)
    click = (
        '{"kind": "view", "event_id": "mine-1", "event_time": "\'$(date -u +%FT%TZ)\'", '
        f'"user_id": "{user_id}", "item_id": "headphone-001"}}'
    )
    show = "" if settings.dev else ' -H "x-api-key: $KEY"'
    key = f"\n  KEY=$(liveshelf keys create --scope read --scope write --data-dir {settings.data_dir})" if show else ""
    return f"""\
The shop sells boots, lamps, headphones and more; its shoppers come in all the time. Try, in another terminal:{key}
  curl{show} '{url}/v1/users/{user_id}/recommendations?n=5'
  curl{show} -X POST {url}/v1/events -H 'content-type: application/json' -d '{click}'
  curl{show} '{url}/v1/users/{user_id}/recommendations?n=5'      # changed by that view
  curl{show} '{url}/v1/items/running-001/similar?n=5'
  curl{show} -X PUT {url}/v1/items/running-001/stock -H 'content-type: application/json' -d '{{"stock": 0}}'  # sold out
  curl{show} '{url}/v1/trending?n=5'"""


def _drained(settings: Settings) -> Callable[[], bool]:
    log = open_event_log(settings)

    def drained() -> bool:
        try:
            return log.lag(_CONSUMER) == 0
        except LogUnavailable:
            return False

    return drained


def _serves_a_model(url: str, key: str) -> Callable[[], bool]:
    client = httpx.Client(timeout=5.0, trust_env=False, headers={"authorization": f"Bearer {key}"})

    def serves() -> bool:
        try:
            answer = client.get(f"{url}/v1/users/user-001/recommendations", params={"n": 1})
        except httpx.TransportError:
            return False
        return answer.status_code == httpx.codes.OK and bool(answer.json().get("model_version"))

    return serves
