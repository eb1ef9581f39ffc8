"""Alerts at the command line: `ese alerts …`."""
