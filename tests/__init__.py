"""Tests, which read as specification."""
