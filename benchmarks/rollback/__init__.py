"""A rollback drill: models are changed under load, one of them is damaged, and nobody notices."""
