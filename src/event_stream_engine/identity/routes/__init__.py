"""Identity's HTTP routes: parse, call an action, answer."""
