"""The HTTP functions. Routing only: what a request means is decided in `shared/endpoint.py`.

Every route takes every verb, because the Functions host answers 404 where a verb is not listed
and clients need the 405. `authLevel` is anonymous: the endpoint's own code is the lock.
"""

import os
from pathlib import Path

import azure.functions as func

from shared.hosting.azure_functions import function_for

ROUTES = {
    "mcp": "mcp",
    "tools": "tools",
    "protected_resource_metadata": ".well-known/oauth-protected-resource/{*resource}",
    "authorization_server_metadata": ".well-known/oauth-authorization-server/{*resource}",
    "healthz": "healthz",
    "readyz": "readyz",
}
VERBS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
# One function behind all routes: its types differ with `Hosting:Streaming`.
answer = function_for(Path(__file__).parent, os.environ)

for name, route in ROUTES.items():
    app.function_name(name)(app.route(route=route, methods=VERBS)(answer))
