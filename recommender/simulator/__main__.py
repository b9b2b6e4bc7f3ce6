"""The simulated shop as a program: ``python -m recommender.simulator past|live --url URL``."""

from __future__ import annotations

import argparse
import logging
import time
from pathlib import Path

import httpx

from recommender.settings import Settings
from recommender.simulator.runs import live, send_past
from recommender.simulator.shop_api import ShopApi


def main() -> None:
    """Send the shop's past, or what happens from now on."""
    parser = argparse.ArgumentParser(prog="python -m recommender.simulator", description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="address of the API")
    parser.add_argument("--seed", type=int, default=1, help="another seed makes another shop")
    parts = parser.add_subparsers(dest="part", required=True)
    past = parts.add_parser("past", help="send the items and some days of events")
    past.add_argument("--file", type=Path, required=True, help="keeps how far it has come")
    present = parts.add_parser("live", help="send what happens from now on")
    present.add_argument("--rate", type=float, default=20.0, help="events a second, about")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    key = Settings().api_key
    headers = {"authorization": f"Bearer {key.get_secret_value()}"} if key else {}
    with httpx.Client(base_url=given.url, headers=headers, timeout=30.0, trust_env=False) as client:
        api = ShopApi(client)
        if given.part == "past":
            send_past(api, given.file, given.seed, time.time_ns() // 1_000)
        else:
            live(api, given.seed, given.rate)


if __name__ == "__main__":
    main()
