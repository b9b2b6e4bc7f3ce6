"""``python -m api``: the service, by the settings in the environment."""

from __future__ import annotations

import os

# One request's products are too small to be worth more threads; must be set before NumPy is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import sys

from api.server import serve
from recommender.settings import Settings, WrongSettings

if __name__ == "__main__":
    try:
        serve(Settings())
    except WrongSettings as error:
        sys.exit(f"api: {error}")
