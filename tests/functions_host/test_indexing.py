"""The functions as the host sees them: names, routes, verbs, and no lock but our own."""

from tests.functions_host.host import FunctionsHost, trigger_of

VERBS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]


def test_the_functions_and_their_bindings(host: FunctionsHost) -> None:
    found = {function["name"]: trigger_of(function) for function in host.functions}
    assert {name: trigger["route"] for name, trigger in found.items()} == {
        "mcp": "mcp",
        "tools": "tools",
        "protected_resource_metadata": ".well-known/oauth-protected-resource/{*resource}",
        "authorization_server_metadata": ".well-known/oauth-authorization-server/{*resource}",
        "healthz": "healthz",
        "readyz": "readyz",
    }
    for trigger in found.values():
        assert trigger["authLevel"].lower() == "anonymous"
        assert [verb.upper() for verb in trigger["methods"]] == VERBS


def test_every_function_is_a_trigger_and_a_response_and_nothing_else(host: FunctionsHost) -> None:
    for function in host.functions:
        kinds = [(b["type"].lower(), b["direction"].lower()) for b in function["bindings"]]
        assert sorted(kinds) == [("http", "out"), ("httptrigger", "in")]


def test_no_prefix_stands_before_the_routes(host: FunctionsHost) -> None:
    assert host.route_prefix == ""


def test_an_unconfigured_app_is_indexed_all_the_same(
    host: FunctionsHost, unconfigured: FunctionsHost
) -> None:
    names = [function["name"] for function in host.functions]
    assert [function["name"] for function in unconfigured.functions] == names
