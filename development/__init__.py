"""An identity provider shaped like Entra ID, for a developer's own machine. Never deployed.

It signs in invented users of an invented tenant without a password: whoever reaches it can be
anyone. So it listens on loopback only and refuses to start anywhere but in development.
"""
