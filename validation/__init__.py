"""Great Expectations suites, checkpoints and reports, derived from the definitions."""
