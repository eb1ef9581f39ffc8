"""Trains what tells an opt-out from other replies by its wording."""
