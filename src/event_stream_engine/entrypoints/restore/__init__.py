"""The hold of a restored database: what it shows, and how it ends."""
