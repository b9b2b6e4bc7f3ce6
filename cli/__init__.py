"""The command line, `liveshelf`."""
