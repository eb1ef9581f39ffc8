"""What people wrote, at the command line."""
