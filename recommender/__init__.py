"""The core of Liveshelf: events, features, model, candidates, ranking, ports and adapters."""
