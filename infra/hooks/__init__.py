"""What azd runs before and after it creates resources and deploys: `python -m infra.hooks.<name>`.

Standard library only, since it runs in whatever Python is at hand; in the environment of azd, which
hands its variables over as environment variables.
"""
