"""What a model must beat: one method a module, each from its source."""
