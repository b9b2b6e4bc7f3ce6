"""The serving core: what is known of all items, and how a slate is made of it. It knows no HTTP and no database."""
