"""Messaging's HTTP routes: parse, call an action or a report, answer."""
