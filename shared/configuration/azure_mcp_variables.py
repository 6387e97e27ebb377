"""Variables of Azure MCP 2.x besides `AzureAd__*`, and what there is instead of them here."""

from collections.abc import Mapping

from shared.configuration.problems import Problem, Report

_INSTEAD = {
    "AZURE_MCP_DANGEROUSLY_ENABLE_FORWARDED_HEADERS": (
        "forwarded headers are never trusted; set Server__PublicUrl to the URL clients use"
    ),
    "AZURE_MCP_DANGEROUSLY_DISABLE_HTTPS_REDIRECTION": (
        "nothing is redirected here: the platform in front does that"
    ),
    "ALLOW_INSECURE_EXTERNAL_BINDING": (
        "without authentication only this machine is served, in development"
    ),
    "AZURE_MCP_INCLUDE_PRODUCTION_CREDENTIALS": "Azure MCP does not read it any more either",
    "AZURE_MCP_COLLECT_TELEMETRY": "nothing is collected",
    "AZURE_MCP_COLLECT_TELEMETRY_MICROSOFT": "nothing is collected",
    "AZURE_MCP_ENABLE_OTLP_EXPORTER": "nothing is exported",
    "AZURE_CLOUD": "AzureAd__Instance names the cloud",
    "AZURE_LOG_LEVEL": "set Logging__LogLevel__Default",
    "ASPNETCORE_URLS": "manage.py serve takes --host and --port",
    "ASPNETCORE_ENVIRONMENT": "AZURE_FUNCTIONS_ENVIRONMENT says what is development",
}


def warn(environment: Mapping[str, str], report: Report) -> None:
    """Warn of the variables that are set and mean nothing here. Values are not told."""
    for name, text in _INSTEAD.items():
        if environment.get(name):
            problem = Problem(name, "environment", f"has no effect: {text}", "warning")
            report.problems.append(problem)
