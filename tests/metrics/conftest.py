"""The application and signed-in clients, as in the tests of the API."""

from tests.web.conftest import anonymous, app, browser, client_of, link_token, owner, settings

__all__ = ["anonymous", "app", "browser", "client_of", "link_token", "owner", "settings"]
