"""Every published figure, each from one command."""
