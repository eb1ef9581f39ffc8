"""Who may come in and with which role: accounts as admins keep them, API keys, and the directory that every request
asks. The roles' permissions stand in `web/permissions.py`."""
