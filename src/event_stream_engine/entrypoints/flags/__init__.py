"""The feature flags' HTTP routes, commands, and the thread that keeps them new where no API runs."""
