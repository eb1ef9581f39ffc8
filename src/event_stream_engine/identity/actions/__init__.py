"""Identity's use cases: each loads, lets the model decide, saves, and records what happened."""
