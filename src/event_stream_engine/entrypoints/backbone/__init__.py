"""The backbone over HTTP: streams, the relay, events, groups, dead letters, replays."""
