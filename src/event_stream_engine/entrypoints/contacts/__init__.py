"""One person's data, at the command line."""
