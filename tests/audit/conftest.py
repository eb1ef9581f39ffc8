"""The same application and clients as the tests of the web toolkit."""

from tests.web.conftest import anonymous, app, browser, client_of, link_token, owner, settings

__all__ = ["anonymous", "app", "browser", "client_of", "link_token", "owner", "settings"]
