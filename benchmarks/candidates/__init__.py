"""How the model's best items are found: by asking all or an index; how quickly, and how many are missed."""
