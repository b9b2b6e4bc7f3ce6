"""Data quality: Great Expectations suites derived from the definitions, run over the history."""

import os

os.environ["GX_ANALYTICS_ENABLED"] = "false"
"""Great Expectations reads this when it is imported; an installation tells nobody what it does."""
