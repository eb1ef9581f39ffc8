"""All SQL of messaging, one file per kind of row."""
