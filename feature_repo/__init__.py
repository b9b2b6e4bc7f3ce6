"""The Feast repository; Feast loads it by path, nothing imports it."""
