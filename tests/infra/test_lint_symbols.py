"""Names are declared and used, functions are known, modules get what they need."""

from pathlib import Path

import pytest

from infra.lint.__main__ import lint
from tests.infra.lint_sample import assert_found, break_one, told

MAIN, APP, JSON = "main.bicep", "app.bicep", "main.parameters.json"


@pytest.mark.parametrize(
    ("file", "old", "new", "at", "said"),
    [
        (MAIN, "'rg-${env", "'rg-${enw", "enw", "enwironmentName is not declared"),
        (MAIN, "toUpper(name)", "toUpper(nam)", "nam)", "nam is not declared"),
        (MAIN, "scope: group", "scope: grup", "grup", "grup is not declared"),
        (MAIN, "loud\n", "[]\n", "var loud", "var loud is not used"),
        (MAIN, "toUpper(name)", "toUper(name)", "toUper", "no function toUper"),
        (MAIN, "@minLength(16)", "@minLenght(16)", "@minLenght", "no function minLenght"),
        (MAIN, "?outputs.url", "?outputs.uri", "outputs.uri", "app.bicep has no output uri"),
        (MAIN, "var loud", "var names", "var names", "names is declared more than once"),
        (APP, "string(count)", "'x'", "param count", "param count is not used"),
        (APP, "output url", "output uri", "output uri", "output uri is not used"),
    ],
)
def test_a_broken_name_is_found(
    sample: Path, file: str, old: str, new: str, at: str, said: str
) -> None:
    assert_found(sample, file, old, new, at, said)


def test_an_existing_resource_that_nothing_uses_is_found(sample: Path) -> None:
    break_one(sample, APP, "identity.properties.principalId", "name")
    said = "existing resource identity is not used"
    assert_found(sample, APP, "identity.id, ", "", "resource identity", said)


def test_a_file_that_is_no_module_is_found(sample: Path) -> None:
    (sample / "other.bicep").write_text("var x = 1\noutput y int = x\n", encoding="utf-8")
    found, _ = lint(sample)
    assert told(found, "other.bicep", 1, "other.bicep is no module of any file")


@pytest.mark.parametrize(
    ("file", "old", "new", "at", "said"),
    [
        (MAIN, "'app.bicep'", "'ap.bicep'", "'ap.bicep'", "there is no file ap.bicep"),
        (MAIN, "    count: count\n", "", "module app", "app.bicep needs the parameter count"),
        (MAIN, "names: loud", "nams: loud", "nams:", "app.bicep has no parameter nams"),
        (MAIN, "count: count", "count: environmentName", "count: env", "is a int, and this is a"),
        (MAIN, "count: count", "count: '4'", "count: '4'", "is a int, and this is a string"),
        (MAIN, "scope: group", "scop: group", "scop:", "scop is no property of a module"),
        (MAIN, "  scope: group\n", "", "module app", "is deployed to a resourceGroup"),
        (MAIN, "['JwtObo', 'None']", "['JwtObo', 'X']", "outboundType: out", "takes only JwtObo"),
        (MAIN, "Type: outboundType", "Type: 'X'", "outboundType: 'X'", "takes only JwtObo, None"),
        (JSON, '"count"', '"cont"', '"cont"', "main.bicep has no parameter cont"),
        (JSON, "${COUNT=4}", "${count:4}", '"count"', "${count:4} is no variable of azd"),
        (JSON, "${COUNT=4}", "${AZURE_PRINCIPAL_ID}", '"count"', "whoever azd runs as"),
        (JSON, '"${COUNT=4}"', "[4]", '"count"', "count has no value of type int"),
        (JSON, '"environmentName"', '"count2"', "{", "needs the parameter environmentName"),
        (JSON, '"parameters"', '"parametres"', "{", "holds no parameters"),
    ],
)
def test_a_broken_use_of_a_module_is_found(
    sample: Path, file: str, old: str, new: str, at: str, said: str
) -> None:
    assert_found(sample, file, old, new, at, said)


def test_a_secret_is_passed_on_to_secure_parameters_only(sample: Path) -> None:
    said = "adminPassword is secret, and adminPassword of app.bicep is not @secure()"
    break_one(sample, APP, "@secure()\n", "")
    found, _ = lint(sample)
    assert any(f.file == MAIN and said in f.text for f in found)
