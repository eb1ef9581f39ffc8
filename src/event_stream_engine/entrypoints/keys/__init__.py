"""API keys at the command line: `ese keys …`."""
