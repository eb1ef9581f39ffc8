"""Every fact that can happen, one file per domain. Anyone may import from here; nothing here imports a feature."""
