"""Event Stream Engine: engagement on one transactional event log."""

__version__ = "0.1.0"
