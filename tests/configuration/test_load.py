"""The whole configuration: files and variables in, settings or every problem at once out."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.configuration.load import HOSTED, load, tree
from shared.configuration.problems import ConfigurationError
from tests.configuration.support import (
    CLIENT_ID,
    DEVELOPMENT,
    PUBLIC_URL,
    SECRET,
    TENANT,
    bearer,
    errors,
    load_text,
    refused,
)
from tests.support import READER_KEY, configured

ALLOWED = json.dumps(configured(), indent=1)

_CORS = "Authentication__Cors"
_ORIGINS = "authentication.cors.allowed_origins"
_ROLES = "Authentication__DefaultPolicy__RequiredRoles"
_COMMANDS = "PowerShellConfiguration__CommandNames"


def text_of(changes: dict[str, Any]) -> str:
    return json.dumps(configured(changes), indent=1)


def url_problem(folder: Path, url: str, environment: dict[str, str] | None = None) -> str:
    (found,) = refused(folder, text_of({"Server": {"PublicUrl": url}}), environment)
    assert found.path == "Server:PublicUrl"
    return str(found)


# Files


def test_a_folder_is_read_with_its_development_file_only_in_development(tmp_path: Path) -> None:
    (tmp_path / "appsettings.json").write_text(ALLOWED)
    (tmp_path / "appsettings.Development.json").write_text('{"server": {"name": "mine"}}')
    assert load(tmp_path, {})[0].server.name == "postern"
    settings, _ = load(tmp_path, DEVELOPMENT)
    assert settings.server.name == "mine"
    assert settings.development


def test_a_given_file_replaces_both_files_of_the_folder(tmp_path: Path) -> None:
    for name in ("appsettings.json", "appsettings.Development.json"):
        (tmp_path / name).write_text("this is not JSON")
    settings, report = load_text(tmp_path, ALLOWED, DEVELOPMENT)
    assert settings.server.name == "postern"
    assert report.problems == []


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_files_written_on_windows_are_read_with_the_right_lines(
    tmp_path: Path, ending: str, mark: str
) -> None:
    text = text_of({"Server": {"PublicUrl": "https://mcp.example.com/mcp", "Nmae": "x"}})
    line = 1 + next(i for i, line in enumerate(text.splitlines()) if "Nmae" in line)
    (found,) = refused(tmp_path, (mark + text.replace("\n", ending)).encode())
    assert str(found) == f"Server:Nmae (settings.json:{line}): unknown key; did you mean Name?"


def test_comments_and_trailing_commas_are_read(tmp_path: Path) -> None:
    text = f'// mine\n{ALLOWED[:-1]}, /* and */ "Toolsets": {{"crm": false,}},}} // end'
    assert load_text(tmp_path, text)[0].toolsets == {"crm": False}


@pytest.mark.parametrize(
    ("content", "where", "reason"),
    [
        (b'{\n"Server": {\n"Name" "x"}}', "settings.json:3", "is not JSON"),
        (b'{"Server": {}, "server": {}}', "settings.json:1", "once"),
        (b"", "settings.json:1", "is not JSON"),
        (b"[]", "settings.json", "object"),
        (b'"text"', "settings.json", "object"),
        (b"null", "settings.json", "object"),
        (b"[" * 100_000, "settings.json:1", "nesting"),
        ("{}".encode("utf-16"), "", "not UTF-8"),
        (b'{"a": "\xe9"}', "", "not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_understood_is_named(
    tmp_path: Path, content: bytes, where: str, reason: str
) -> None:
    (found,) = refused(tmp_path, content)
    assert "settings.json" in found.path
    assert where in found.source
    assert reason in found.text


@pytest.mark.parametrize(
    "content",
    [
        f'{{"Authentication": {{"Schemes": {{"K": {{"Keys": {{"{SECRET}" {{}}}}}}}}}}}}'.encode(),
        f'{{"Keys": {{"{SECRET}": {{}}, "{SECRET}": {{}}}}}}'.encode(),
        f'{{"Keys": {{"{SECRET}\xe9": {{}}}}}}'.encode("latin-1"),
    ],
)
def test_a_file_that_cannot_be_understood_is_not_quoted(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_text(tmp_path, content)
    assert SECRET not in f"{caught.value} {caught.value!r} {caught.value.problems}"
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_variable_is_still_told_of_beside_a_file_that_cannot_be_understood(
    tmp_path: Path,
) -> None:
    paths = [problem.path for problem in refused(tmp_path, b"{", {"Servr__Name": "x"})]
    assert paths == ["settings.json", "Servr__Name"]


def test_a_list_given_as_one_variable_says_how_variables_write_it(tmp_path: Path) -> None:
    text = "expected a list, each a string"
    (found,) = refused(tmp_path, ALLOWED, {_ROLES: "reader"})
    assert found.text == f'"reader" is a string; {text}; as variables …__0, …__1 and so on'
    policy = {"Authentication": {"DefaultPolicy": {"RequiredRoles": "reader"}}}
    (found,) = refused(tmp_path, text_of(policy))
    assert found.text.endswith(text)


def test_a_given_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, {}, config_file=tmp_path / "absent.json")
    assert caught.value.problems[0].path == str(tmp_path / "absent.json")
    assert "cannot be read" in caught.value.problems[0].text


@pytest.mark.parametrize("given", [True, False])
def test_a_folder_in_the_place_of_a_file_is_refused(tmp_path: Path, given: bool) -> None:
    folder = tmp_path / "appsettings.json"
    folder.mkdir()
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, {}, config_file=folder if given else None)
    assert caught.value.problems[0].path == str(folder)
    assert "cannot be read" in caught.value.problems[0].text


def test_no_file_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, {})
    assert "Authentication (appsettings.json): missing" in str(caught.value)


@pytest.mark.parametrize("text", ["{}", '{"Authentication": null}', '{"Server": {}}'])
@pytest.mark.parametrize("environment", [{}, DEVELOPMENT])
def test_a_file_that_does_not_say_who_may_call_is_refused(
    tmp_path: Path, text: str, environment: dict[str, str]
) -> None:
    assert "Authentication" in [p.path for p in refused(tmp_path, text, environment)]


# What each problem says, and that all are told


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"Servr": {}}, "unknown key; did you mean Server?"),
        ({"Server": {"PageSiz": 1}}, "unknown key; did you mean PageSize?"),
        ({"Server": {"Qqqqqqqq": 1}}, "unknown key"),
        ({"Server": {"PageSize": 0}}, "0 is too small; expected an integer from 1 to 1000"),
        ({"Server": {"PageSize": "all"}}, '"all" is a string; expected an integer from 1 to 1000'),
        ({"Server": {"Name": ""}}, '"" is too short; expected a string of 1 to 64 characters'),
        ({"Server": {"Title": ["x"]}}, "is a list; expected a string"),
        ({"Server": "x"}, '"x" is a string; expected an object'),
        ({"Toolsets": {"crm": "of"}}, '"of" is a string; expected true or false or an object'),
        (
            {"Authentication": {"ListTools": "all"}},
            '"all" is not one of the choices; expected "callable" or "reachable"',
        ),
    ],
)
def test_a_problem_says_what_was_found_and_what_is_expected(
    tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    (found,) = refused(tmp_path, text_of(changes))
    assert found.text == told


def test_a_number_beyond_all_bounds_is_called_too_large(tmp_path: Path) -> None:
    text = text_of({"Server": {"ToolTimeoutSeconds": 1}}).replace(
        '"ToolTimeoutSeconds": 1', '"ToolTimeoutSeconds": 1e999'
    )
    (found,) = refused(tmp_path, text)
    assert "is too large; expected a number above 0" in found.text
    assert "null" not in found.text


@pytest.mark.parametrize("at", ['"Type": "ApiKey"', f'"{READER_KEY}"', '"postern"'])
def test_half_a_surrogate_pair_is_a_problem_not_a_crash(tmp_path: Path, at: str) -> None:
    text = text_of({"Server": {"Name": "postern"}})
    assert at in text
    found = refused(tmp_path, text.replace(at, at[:-1] + r'\ud800"'))
    assert READER_KEY not in str(found)


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    text = """{
"Authentication": {
 "Enabled": true, "DefaultScheme": "ApiKey",
 "DefaultPolicy": {"RequireAuthentication": false, "RequiredRole": ["x"]},
 "Schemes": {"ApiKey": {"Type": "ApiKey", "Keys": {"short": {}}}}},
"PowerShellConfiguration": {
 "CommandName": ["A"],
 "CommandOverrides": {"A": {"AllowAnonymous": true, "RequiredRoles": ["x"]}}},
"AzureAd": {"Instance": "https://login.example/{tenant-id}/"}
}"""
    found = refused(tmp_path, text, {"Toolsets__crm": "of"})
    assert {(problem.path, problem.source) for problem in found} >= {
        ("Authentication:DefaultPolicy:RequiredRole", "settings.json:4"),
        ("PowerShellConfiguration:CommandName", "settings.json:7"),
        ("Toolsets:crm", "environment variable Toolsets__crm"),
        ("Authentication:DefaultPolicy:RequireAuthentication", "settings.json:4"),
        ("Authentication:Schemes:ApiKey:Keys", "settings.json:5"),
        ("Authentication:Schemes:ApiKey:Keys[#1]", "settings.json:5"),
        ("PowerShellConfiguration:CommandOverrides:A", "settings.json:8"),
        ("AzureAd", "settings.json:9"),
    }
    assert "Server:PublicUrl" in {problem.path for problem in found}


# Dialects


SECTIONS: dict[str, Any] = {
    "Authentication": bearer()["Authentication"],
    "inboundAuthentication": {
        "type": "JwtBearerScheme",
        "azureAd": {"tenantId": TENANT, "clientId": CLIENT_ID, "audience": PUBLIC_URL},
    },
    "AzureAd": {"TenantId": TENANT, "ClientId": CLIENT_ID, "Audience": PUBLIC_URL},
}


@pytest.mark.parametrize(
    "names",
    [
        ("Authentication", "inboundAuthentication"),
        ("Authentication", "AzureAd"),
        ("inboundAuthentication", "AzureAd"),
        ("AzureAd", "Authentication"),
    ],
)
def test_two_ways_to_say_who_may_call_are_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    sections = {name: SECTIONS[name] for name in names}
    text = json.dumps({**sections, "Server": {"PublicUrl": PUBLIC_URL}}, indent=1)
    (found,) = refused(tmp_path, text)
    first, second = sorted(names, key=list(SECTIONS).index)
    assert found.path == second
    assert found.text == (
        f"says who may call, and so does {first}; expected one of them, remove the other"
    )


def test_all_three_ways_at_once_are_refused(tmp_path: Path) -> None:
    text = json.dumps({**SECTIONS, "Server": {"PublicUrl": PUBLIC_URL}})
    assert {p.path for p in refused(tmp_path, text)} == {"inboundAuthentication", "AzureAd"}


def test_a_variable_of_another_dialect_is_refused_beside_the_file(tmp_path: Path) -> None:
    found = refused(tmp_path, ALLOWED, {"AzureAd__TenantId": TENANT})
    told = {problem.path: problem.source for problem in found}
    assert told["AzureAd"] == "environment variable AzureAd__TenantId"


@pytest.mark.parametrize("name", SECTIONS)
def test_a_dialect_that_is_null_is_absent(tmp_path: Path, name: str) -> None:
    others = {other: None for other in SECTIONS if other != name}
    text = json.dumps({name: SECTIONS[name], **others, "Server": {"PublicUrl": PUBLIC_URL}})
    assert load_text(tmp_path, text)[1].problems == []


@pytest.mark.parametrize("name", SECTIONS)
def test_every_dialect_comes_to_the_same_issuer(tmp_path: Path, name: str) -> None:
    text = json.dumps({name: SECTIONS[name], "Server": {"PublicUrl": PUBLIC_URL}})
    found = load_text(tmp_path, text)[0].authentication.entra
    assert found is not None
    assert found.authority == f"https://login.microsoftonline.com/{TENANT}"
    assert found.tenants == {TENANT}
    assert set(found.audiences) == {PUBLIC_URL, CLIENT_ID}


@pytest.mark.parametrize("name", SECTIONS)
def test_a_placeholder_is_an_error_in_every_dialect(tmp_path: Path, name: str) -> None:
    text = json.dumps({name: SECTIONS[name], "Server": {"PublicUrl": PUBLIC_URL}}, indent=1)
    found = refused(tmp_path, text.replace(TENANT, "{tenant-id}"))
    (told,) = [problem for problem in found if "{placeholder}" in problem.text]
    assert told.path.startswith(f"{name}:")
    assert told.source.startswith("settings.json:")


def test_what_is_missing_among_variables_is_not_blamed_on_one_of_them(tmp_path: Path) -> None:
    found = refused(tmp_path, "{}", {"AzureAd__ClientId": CLIENT_ID})
    assert {p.path: p.source for p in found}["AzureAd:TenantId"] == "environment"


# Keys of the file


def test_keys_match_in_any_case_and_null_means_absent(tmp_path: Path) -> None:
    text = ALLOWED.replace('"Server"', '"SERVER"').replace('"PublicUrl"', '"publicurl"')
    text = text.replace('"Type"', '"tYPE"').replace('"Roles"', '"roles"')
    text = text.replace('"publicurl"', '"Name": null, "PageSize": null, "publicurl"')
    settings, report = load_text(tmp_path, text)
    expected, _ = load_text(tmp_path, ALLOWED)
    assert settings.server == expected.server
    assert settings.authentication.key_schemes == expected.authentication.key_schemes
    assert report.problems == []


def test_two_spellings_of_one_key_are_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, text_of({"Server": {"Public_Url": "https://other.example/mcp"}}))


# Environment


@pytest.mark.parametrize(
    ("name", "value", "at", "read"),
    [
        ("SERVER__NAME", "x", "server.name", "x"),
        ("server__pagesize", "7", "server.page_size", 7),
        ("Server__ToolTimeoutSeconds", "2.5", "server.tool_timeout_seconds", 2.5),
        ("Hosting__Streaming", "true", "hosting.streaming", True),
        ("Authentication__ListTools", "callable", "authentication.list_tools", "callable"),
        (f"{_CORS}__AllowCredentials", "True", "authentication.cors.allow_credentials", True),
        (f"{_CORS}__AllowCredentials", "FALSE", "authentication.cors.allow_credentials", False),
        (f"{_CORS}__AllowedOrigins__0", "https://a", _ORIGINS, {"https://a"}),
        (f"{_ROLES}__0", "a", "authentication.default_policy.roles.names", {"a"}),
        (f"{_ROLES}__1", "a", "authentication.default_policy.roles.names", {"reader", "a"}),
        ("Toolsets__crm", "False", "toolsets", {"crm": False}),
        ("Toolsets__crm__Retries", "3", "toolsets", {"crm": {"Retries": "3"}}),
    ],
)
def test_a_variable_overrides_the_file(
    tmp_path: Path, name: str, value: str, at: str, read: object
) -> None:
    found: Any = load_text(tmp_path, ALLOWED, {name: value})[0]
    for attribute in at.split("."):
        found = getattr(found, attribute)
    assert found == read
    assert type(found) is not str or isinstance(read, str)


@pytest.mark.parametrize(
    ("name", "value", "path"),
    [
        ("Authentication__Enabled", "yes", "Authentication:Enabled"),
        ("Authentication__Enabled", "", "Authentication:Enabled"),
        ("Server__PageSize", "1.5", "Server:PageSize"),
        ("Server__ToolTimeoutSeconds", "nan", "Server:ToolTimeoutSeconds"),
        ("Server__ToolTimeoutSeconds", "inf", "Server:ToolTimeoutSeconds"),
        ("Server__PgaeSize", "1", "Server:PgaeSize"),
        ("Hosting__Streaming", "sometimes", "Hosting:Streaming"),
        (_COMMANDS, "Get-Process", "PowerShellConfiguration:CommandNames"),
        (f"{_COMMANDS}__1", "a", "PowerShellConfiguration:CommandNames"),
        ("Toolsets__crm", "off", "Toolsets:crm"),
    ],
)
def test_a_wrong_variable_is_named(tmp_path: Path, name: str, value: str, path: str) -> None:
    (found,) = refused(tmp_path, ALLOWED, {name: value})
    assert (found.path, found.source) == (path, f"environment variable {name}")


def test_a_variable_that_fits_nowhere_is_named(tmp_path: Path) -> None:
    name = "Authentication__DefaultPolicy__RequiredRoles__5"
    (found,) = refused(tmp_path, ALLOWED, {name: "a"})
    assert name in str(found)


def test_authentication_switched_off_by_a_variable_is_refused(tmp_path: Path) -> None:
    (found,) = refused(tmp_path, ALLOWED, {"AUTHENTICATION__ENABLED": "false"})
    assert found.source == "environment variable AUTHENTICATION__ENABLED"


def test_a_variable_nested_without_end_is_a_problem_not_a_crash(tmp_path: Path) -> None:
    assert refused(tmp_path, ALLOWED, {"Toolsets__x" + "__a" * 3_000: "1"})


# Secrets


@pytest.mark.parametrize(
    "scheme",
    [
        SECRET,
        [SECRET],
        {"Keys": SECRET},
        {"Keys": [SECRET]},
        {"Keys": [{SECRET: {"Roles": ["reader"]}}]},
        {"Keys": {SECRET: SECRET}},
        {"Keys": {SECRET: [SECRET]}},
        {"Keys": {SECRET: {"Rolse": ["reader"]}}},
        {"Keys": {SECRET: {"Roles": SECRET}}},
        {"Keys": {SECRET: {"Roles": [{SECRET: 1}]}}},
        {"Keys": {SECRET: {"Key": SECRET}}},
        {"Keys": {SECRET: {"Roles": ["{role}"]}}, "Type": "Basic"},
        {"Keys": {"reader": {SECRET: {"Roles": []}}}},
        {"Keys": {"one": {"Keys": {SECRET: {}}}}},
        {"Key": {SECRET: {}}},
        {"Key": {SECRET: "{role}"}},
        {"ApiKeys": {SECRET: {"Roles": ["{role}"]}}},
        {"Ke_ys": {SECRET: {"Rolse": []}}},
        {"Keys": {f"{SECRET} ": {}}},
        {"Keys": {f"{SECRET}é": {}}},
        {"Keys": {SECRET[:20]: {}}},
    ],
)
def test_a_key_is_never_told_wherever_it_was_put(tmp_path: Path, scheme: Any) -> None:
    if isinstance(scheme, dict):
        scheme = {"Type": "ApiKey", "AllowInlineKeys": True, **scheme}
    configuration = configured()
    configuration["Authentication"] = {
        **configuration["Authentication"],
        "Schemes": {"ApiKey": scheme},
    }
    with pytest.raises(ConfigurationError) as caught:
        load_text(tmp_path, json.dumps(configuration, indent=1))
    error = caught.value
    assert SECRET[:20] not in f"{error} {error!r} {error.args} {error.problems}"


@pytest.mark.parametrize(
    "name",
    [
        "Authentication__Schemes__ApiKey__Keys__{}__Roles__0",
        "Authentication__Schemes__ApiKey__Keys__{}",
        "AUTHENTICATION__SCHEMES__APIKEY__KEYS__{}__ROLES__0",
        "Authentication__Schemes__New__Keys__{}__Roles__0",
        "Authentication__Schemes__ApiKey__Ke_ys__{}__Roles__0",
        "Authentication__Schemes__ApiKey__Key__{}__Roles__0",
        "Authentication__Schemes__ApiKey__Keys_{}",
        "Authentication__Schemes__ApiKey__Keys:{}",
        "Authentication__Scheme__ApiKey__Keys__{}__Roles__0",
        "Authentication__Schemes__Keys__{}__Roles__0",
        "Authentication__Keys__{}",
        "Authentication__Schemes__ApiKey__HeaderName__{}",
    ],
)
def test_keys_are_neither_taken_from_names_of_variables_nor_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_text(tmp_path, ALLOWED, {name.format(SECRET): "reader"})
    error = caught.value
    assert SECRET not in f"{error} {error!r} {error.args} {error.problems}"


@pytest.mark.parametrize(
    "name",
    [
        "Authentication__Schemes__ApiKey__Keys",
        "Authentication__Schemes__ApiKey__Keys__0",
        "Authentication__Schemes__ApiKey__Key",
        "Authentication__Schemes__ApiKey",
        "authentication__schemes__apikey",
        "Authentication__ApiKey",
    ],
)
def test_keys_are_neither_taken_from_values_of_variables_nor_told(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_text(tmp_path, ALLOWED, {name: SECRET})
    error = caught.value
    assert SECRET not in f"{error} {error!r} {error.args} {error.problems}"


def test_a_tree_for_showing_holds_no_key_of_a_variable(tmp_path: Path) -> None:
    (tmp_path / "appsettings.json").write_text(ALLOWED)
    variables = {f"Authentication__Schemes__ApiKey__Keys__{SECRET}__Roles__0": "reader"}
    root, problems = tree(tmp_path, variables, None)
    assert SECRET not in f"{json.dumps(root.plain())} {problems}"


# Development mode


@pytest.mark.parametrize("name", HOSTED)
def test_development_is_refused_where_azure_or_kubernetes_runs_it(
    tmp_path: Path, name: str
) -> None:
    (found,) = refused(tmp_path, ALLOWED, {**DEVELOPMENT, name: "x"})
    assert found.path == "AZURE_FUNCTIONS_ENVIRONMENT"
    assert name in found.text
    assert load_text(tmp_path, ALLOWED, {name: "x"})


def test_the_hosted_variables_are_the_four_of_the_design() -> None:
    assert set(HOSTED) == {
        "IDENTITY_ENDPOINT",
        "WEBSITE_INSTANCE_ID",
        "CONTAINER_APP_NAME",
        "KUBERNETES_SERVICE_HOST",
    }


def test_development_is_refused_on_a_bind_others_can_reach(tmp_path: Path) -> None:
    (found,) = refused(tmp_path, ALLOWED, DEVELOPMENT, loopback=False)
    assert found.path == "AZURE_FUNCTIONS_ENVIRONMENT"
    assert load_text(tmp_path, ALLOWED, {}, loopback=False)


@pytest.mark.parametrize(
    ("value", "development"),
    [("Development", True), ("DEVELOPMENT", True), ("Production", False), ("Dev", False)],
)
def test_development_is_what_the_variable_says(
    tmp_path: Path, value: str, development: bool
) -> None:
    settings, _ = load_text(tmp_path, ALLOWED, {"AZURE_FUNCTIONS_ENVIRONMENT": value})
    assert settings.development is development


# The public URL


@pytest.mark.parametrize(
    ("environment", "port", "url"),
    [
        (DEVELOPMENT, None, "http://127.0.0.1:7071/mcp"),
        (DEVELOPMENT, 4321, "http://127.0.0.1:4321/mcp"),
        ({**DEVELOPMENT, "WEBSITE_HOSTNAME": "localhost:7071"}, 7071, "http://127.0.0.1:7071/mcp"),
        ({"WEBSITE_HOSTNAME": "a.azurewebsites.net"}, None, "https://a.azurewebsites.net/mcp"),
        ({"Server__PublicUrl": "https://b.example/mcp"}, None, "https://b.example/mcp"),
        (
            {"WEBSITE_HOSTNAME": "a.example", "Server__PublicUrl": "https://b.example/x/mcp"},
            None,
            "https://b.example/x/mcp",
        ),
        (
            {**DEVELOPMENT, "Server__PublicUrl": "http://localhost:1/mcp"},
            2,
            "http://localhost:1/mcp",
        ),
    ],
)
def test_the_public_url_is_configured_or_the_hosts(
    tmp_path: Path, environment: dict[str, str], port: int | None, url: str
) -> None:
    text = text_of({"Server": {"PublicUrl": None}})
    assert load_text(tmp_path, text, environment, port=port)[0].public_url == url


def test_elsewhere_the_public_url_is_required(tmp_path: Path) -> None:
    (found,) = refused(tmp_path, text_of({"Server": {"PublicUrl": None}}), port=8000)
    assert (found.path, found.text.split(";")[0]) == ("Server:PublicUrl", "missing")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/mcp",
        "mcp.example.com/mcp",
        "http://mcp.example.com/mcp",
        "http://127.0.0.1:7071/mcp",
        "ftp://mcp.example.com/mcp",
        "https:///mcp",
        "https://mcp.example.com",
        "https://mcp.example.com/",
        "https://mcp.example.com/mcp/",
        "https://mcp.example.com/mcp?x=1",
        "https://mcp.example.com/mcp?",
        "https://mcp.example.com/mcp#x",
        "https://mcp.example.com/mcp#",
        "https://user@mcp.example.com/mcp",
        "https://:password@mcp.example.com/mcp",
        "https://mcp.example.com:port/mcp",
        "https://mcp.example.com:99999/mcp",
        "https://[mcp.example.com/mcp",
        "https://{your-app}.azurewebsites.net/mcp",
        "https://mcp example.com/mcp",
        'https://mcp.example.com"/mcp',
        " https://mcp.example.com/mcp",
        "https://mcp.example.com/mcp\n",
        "https://mcp.example.com/m\r\ncp",
    ],
)
def test_a_public_url_clients_cannot_use_is_refused(tmp_path: Path, url: str) -> None:
    assert "expected" in url_problem(tmp_path, url)


@pytest.mark.parametrize("url", ["ftp://localhost/mcp", "http://localhost", "localhost:7071/mcp"])
def test_development_allows_http_and_nothing_else(tmp_path: Path, url: str) -> None:
    assert "expected" in url_problem(tmp_path, url, DEVELOPMENT)


@pytest.mark.parametrize(
    "url",
    [f"https://mcp.example.com/mcp?code={SECRET}", f"https://me:{SECRET}@mcp.example.com/mcp"],
)
def test_a_credential_in_the_public_url_is_not_told(tmp_path: Path, url: str) -> None:
    assert SECRET not in url_problem(tmp_path, url)


def test_a_configuration_without_fault_has_no_problem(tmp_path: Path) -> None:
    settings, report = load_text(tmp_path, ALLOWED)
    assert report.problems == []
    assert not errors(report.problems)
    assert not settings.development


def test_a_key_written_beside_keys_is_not_told(tmp_path: Path) -> None:
    scheme = {"ApiKey": {SECRET: {"Roles": ["reader"]}}}
    report = refused(tmp_path, text_of({"Authentication": {"Schemes": scheme}}))
    assert any("expected API keys under Keys" in str(problem) for problem in report)
    assert SECRET not in str(report)


def test_an_editors_schema_is_no_unknown_key(tmp_path: Path) -> None:
    load_text(tmp_path, text_of({"$schema": "./schema.json"}))
