"""Everything this platform knows about Twilio: its REST client, its webhooks, signatures and error codes.

Nothing outside this package (and the sandbox, which plays Twilio) names a Twilio field, header or code rule.
"""
