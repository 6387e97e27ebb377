"""The HTTP functions. Routing only: what a request means is decided in `shared/endpoint.py`.

Every route takes every verb, because the Functions host answers 404 where a verb is not listed
and clients need the 405. `authLevel` is anonymous: the endpoint's own code is the lock.
"""

import os
from pathlib import Path

import azure.functions as func

from shared.hosting.azure_functions import serve
from shared.startup import build_or_refuse

VERBS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
endpoint = build_or_refuse(Path(__file__).parent, os.environ)


@app.route(route="mcp", methods=VERBS)
async def mcp(req: func.HttpRequest) -> func.HttpResponse:
    return await serve(endpoint, req)


@app.route(route="tools", methods=VERBS)
async def tools(req: func.HttpRequest) -> func.HttpResponse:
    return await serve(endpoint, req)


@app.route(route=".well-known/oauth-protected-resource/{*resource}", methods=VERBS)
async def protected_resource_metadata(req: func.HttpRequest) -> func.HttpResponse:
    return await serve(endpoint, req)


@app.route(route="healthz", methods=VERBS)
async def healthz(req: func.HttpRequest) -> func.HttpResponse:
    return await serve(endpoint, req)


@app.route(route="readyz", methods=VERBS)
async def readyz(req: func.HttpRequest) -> func.HttpResponse:
    return await serve(endpoint, req)
