"""A running API: what its cache gives again, what ends that, and what the shop's own rules do to slates."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
import redis

from api.answers import HiddenAnswer, RankAnswer, SlateAnswer, SurfacesAnswer
from recommender.changes import ERASED
from recommender.features import FeatureRow
from recommender.installation import Installation
from recommender.settings import Settings
from tests.conftest import free_port
from tests.e2e.api_server import running_api, wait_until
from tests.e2e.test_api_serving import Shop
from tests.spec.test_slate import activity, catalogue, session

pytestmark = pytest.mark.timeout(300)

ITEMS = [(f"item{number:02}", "Shoes" if number % 2 else "Camping", float(50 - number)) for number in range(40)]


@pytest.fixture(scope="module")
def shop(redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("slates")
    with redis.Redis.from_url(redis_server) as client:
        client.flushall()
    settings = Settings(data_dir=folder / "data", redis_url=redis_server, port=free_port(), dev=True)
    with running_api(settings, folder / "api.log") as client:
        shop = Shop(client, settings)
        rows: list[FeatureRow] = []
        for item_id, category, trend in ITEMS:
            rows += [catalogue(item_id, category, 5, shop.later()), activity(item_id, trend, [], [], shop.later())]
        shop.write(*rows)
        wait_until(lambda: "liveshelf_api_items 40.0" in client.get("/metrics").text)
        yield shop


def ask(shop: Shop, path: str, **headers: str) -> tuple[SlateAnswer, str]:
    answer = shop.client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    assert answer.status_code == 200, answer.text
    return SlateAnswer.model_validate_json(answer.content), answer.headers["x-cache"]


def look(shop: Shop, user: str, *items: str) -> None:
    """The stream has seen what a user looked at, in a session of the user's own."""
    row = session([(item, "Shoes") for item in items], feature_time_us=shop.later())
    shop.write(msgspec.structs.replace(row, session_id=f"{user}'s", user_id=user))


def path(user: str, n: int = 5) -> str:
    return f"/v1/users/{user}/recommendations?session_id={user}'s&n={n}"


def test_the_second_of_two_equal_questions_is_answered_from_the_cache(shop: Shop) -> None:
    look(shop, "ann", "item01")

    (first, first_cache), (second, second_cache) = ask(shop, path("ann")), ask(shop, path("ann"))

    assert (first_cache, first.answered_by) == ("miss", "live")
    assert (second_cache, second.answered_by) == ("hit", "cached")
    assert second.items == first.items
    assert second.slate_id != first.slate_id
    assert ask(shop, path("ann", 6))[1] == "miss"


def test_who_wants_no_cache_gets_none_and_leaves_it_as_it_is(shop: Shop) -> None:
    assert [ask(shop, path("bob"), cache_control="no-cache")[1] for _ in range(2)] == ["bypass", "bypass"]
    assert ask(shop, path("bob"))[1] == "miss"
    assert ask(shop, path("bob") + "&explain=true")[1] == "bypass"


def test_what_the_shopper_does_changes_the_next_slate(shop: Shop) -> None:
    look(shop, "cleo", "item39")
    before, _ = ask(shop, path("cleo"))
    assert ask(shop, path("cleo"))[1] == "hit"
    ask(shop, path("ann"))

    look(shop, "cleo", "item37", "item39")

    wait_until(lambda: ask(shop, path("cleo"))[0].feature_time != before.feature_time, 20.0)
    assert "item37" in [item.item_id for item in ask(shop, path("cleo"))[0].items]
    assert ask(shop, path("ann"))[1] == "hit", "of others nothing changes"


def test_a_slate_with_a_changed_item_is_made_anew_with_what_is_true_now(shop: Shop) -> None:
    look(shop, "dora", "item03")
    slate, _ = ask(shop, path("dora"))
    shown = slate.items[0].item_id
    assert ask(shop, path("dora"))[1] == "hit"

    shop.write(msgspec.structs.replace(catalogue(shown, "Shoes", 5, shop.later()), price_cents=77))
    wait_until(lambda: ask(shop, path("dora"))[0].items[0].price_cents == 77, 20.0)

    shop.write(catalogue(shown, "Shoes", 0, shop.later()))
    wait_until(lambda: shown not in [item.item_id for item in ask(shop, path("dora"))[0].items], 20.0)
    shop.write(catalogue(shown, "Shoes", 5, shop.later()))


def test_redis_keeps_slates_for_other_processes_by_the_times_of_the_shoppers_rows(shop: Shop) -> None:
    look(shop, "eve", "item05")
    ask(shop, path("eve"))
    with redis.Redis.from_url(str(shop.settings.redis_url)) as client:
        wait_until(lambda: client.hlen("liveshelf:slates:user:eve") == 1, 20.0)
        assert client.ttl("liveshelf:slates:user:eve") > 0
        # What this process keeps is gone, as in one that has just been started; Redis has it still.
        client.xadd("liveshelf:changes", {"view": ERASED, "keys": "eve"})
        wait_until(lambda: 'invalidations_total{reason="erased"}' in shop.client.get("/metrics").text, 20.0)

    assert ask(shop, path("eve"))[1] == "hit"
    look(shop, "eve", "item07")
    wait_until(lambda: ask(shop, path("eve"))[0].answered_by == "live", 20.0)


def test_many_who_ask_the_same_at_once_have_it_made_once(shop: Shop) -> None:
    look(shop, "finn", "item09")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: ask(shop, path("finn")), range(16)))

    assert len({msgspec.json.encode([item.model_dump() for item in slate.items]) for slate, _ in found}) == 1


def test_hidden_items_leave_the_users_slates_until_they_are_shown_again(shop: Shop) -> None:
    look(shop, "gus", "item11")
    slate, _ = ask(shop, path("gus"))
    shown = slate.items[0].item_id

    answer = shop.client.put(f"/v1/users/gus/hidden/{shown}")

    assert HiddenAnswer.model_validate_json(answer.content).item_ids == [shown]
    wait_until(lambda: shown not in [item.item_id for item in ask(shop, path("gus"))[0].items], 20.0)
    assert shop.client.get("/v1/users/gus/hidden").json()["item_ids"] == [shown]
    assert shop.client.delete(f"/v1/users/gus/hidden/{shown}").json()["item_ids"] == []
    wait_until(lambda: shown in [item.item_id for item in ask(shop, path("gus"))[0].items], 20.0)


def test_items_are_ranked_for_the_shopper_and_those_that_cannot_be_sold_are_named(shop: Shop) -> None:
    look(shop, "hal", "item13")
    body = {"session_id": "hal's", "item_ids": ["item20", "ghost", "item13"]}

    answer = shop.client.post("/v1/rank", json=body)

    slate = RankAnswer.model_validate_json(answer.content)
    assert [item.item_id for item in slate.items] == ["item13", "item20"]
    assert slate.left_out_item_ids == ["ghost"]


def test_an_explained_ranking_has_the_shape_that_is_described_and_reasons_for_the_first_hundred(shop: Shop) -> None:
    many = [f"extra{number:03}" for number in range(110)]
    shop.write(*(catalogue(item, "Extras", 5, shop.later()) for item in many))
    wait_until(lambda: shop.client.get("/v1/items/extra109").status_code == 200, 10.0)

    answer = shop.client.post("/v1/rank?explain=true", json={"item_ids": many})

    slate = RankAnswer.model_validate_json(answer.content)
    assert len(slate.items) == 110
    assert [item.explanation is not None for item in slate.items] == [True] * 100 + [False] * 10
    shop.write(*(catalogue(item, "Extras", 0, shop.later()) for item in many))
    wait_until(lambda: shop.client.get("/v1/items/extra109").json()["available"] is False, 10.0)


def test_a_file_of_surfaces_comes_into_service_by_itself_and_a_broken_one_does_not(shop: Shop) -> None:
    place = Installation(shop.settings.data_dir).surfaces_path

    def banner() -> int:
        answer = shop.client.post("/v1/recommendations", json={"surface": "banner"})
        return len(answer.json().get("items", []))

    refused = shop.client.post("/v1/recommendations", json={"surface": "banner"})
    assert refused.status_code == 422
    assert "surface: must be one of home, similar, " in refused.json()["error"]["message"]
    ask(shop, "/v1/trending?n=6")
    assert ask(shop, "/v1/trending?n=6")[1] == "hit"

    place.write_text("surfaces: {banner: {kind: home, size: 3}, trending: {filter: 'category == \"Shoes\"'}}")
    wait_until(lambda: banner() == 3, 20.0)
    slate, cached = ask(shop, "/v1/trending?n=6")
    assert (cached, {item.category for item in slate.items}) == ("miss", {"Shoes"})

    place.write_text("surfaces: {banner: {kind: attic}}")
    wait_until(lambda: shop.client.get("/health/ready").json()["warnings"] != [], 20.0)
    assert "surfaces.banner.kind" in shop.client.get("/health/ready").json()["warnings"][0]
    assert banner() == 3

    place.unlink()
    wait_until(lambda: "surfaces.banner.kind" not in str(shop.client.get("/health/ready").json()["warnings"]), 20.0)
    assert banner() == 3, "a file that is gone changes nothing"

    place.write_text("surfaces: {}")
    wait_until(lambda: banner() == 0, 20.0)
    surfaces = SurfacesAnswer.model_validate_json(shop.client.get("/v1/surfaces").content)
    assert "banner" not in surfaces.surfaces


def test_an_address_names_each_item_that_is_not_wanted(shop: Shop) -> None:
    plain, _ = ask(shop, path("jo"))
    first, second = (item.item_id for item in plain.items[:2])

    one, _ = ask(shop, f"{path('jo')}&exclude_item_ids={first}")
    both, _ = ask(shop, f"{path('jo')}&exclude_item_ids={first}&exclude_item_ids={second}")

    assert first not in {item.item_id for item in one.items}
    assert second in {item.item_id for item in one.items}
    assert not {first, second} & {item.item_id for item in both.items}
    assert len(both.items) == len(plain.items)


@pytest.mark.parametrize(
    ("question", "problem"),
    [
        ("filter=price%20%3D%205", 'filter: must compare by "=="; got "=" at 6'),
        ("n=0", "query.n: "),
        ("n=many", "query.n: "),
        ("surface=attic", "surface: must be one of home, "),
        ("surface=rank", "surface: must not be of kind rank here, but at POST /v1/rank; got 'rank'"),
        ("surface=similar", "item_id: is required on surface similar"),
        ("age=-1", "query.age: "),
        ("explain=perhaps", "query.explain: must be true or false; got 'perhaps'"),
        ("user_id=other", "query.user_id: must be left out, as the address says it"),
        ("colour=red", "query.colour: "),
        ("exclude_item_ids=item01&exclude_item_ids=", "query.exclude_item_ids.1: "),
        ("exclude_item_ids=a&" * 1_001, "query.exclude_item_ids: "),
    ],
)
def test_a_wrong_parameter_is_refused_by_its_name(shop: Shop, question: str, problem: str) -> None:
    answer = shop.client.get(f"/v1/users/ian/recommendations?{question}")

    assert answer.status_code == 422
    assert answer.json()["error"]["message"].startswith(problem)


def test_cached_slates_are_counted_with_their_ages_and_what_ended_them(shop: Shop) -> None:
    text = shop.client.get("/metrics").text

    for expected in (
        'liveshelf_api_cache_requests_total{result="hit"}',
        'liveshelf_api_cache_requests_total{result="miss"}',
        'liveshelf_api_cache_invalidations_total{reason="shopper"}',
        'liveshelf_api_cache_invalidations_total{reason="item"}',
        "liveshelf_api_cache_age_seconds_count",
        'liveshelf_api_slates_total{answered_by="cached"',
    ):
        assert expected in text
