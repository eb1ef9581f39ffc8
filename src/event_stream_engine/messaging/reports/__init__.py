"""What the screens and the API read: projections and lists."""
