"""All SQL of identity, one file per kind of row."""
