"""Files of a package are toolsets; `@tool` functions in them are tools."""

import sys
from pathlib import Path
from typing import Any

import pytest

from shared.configuration.problems import ConfigurationError
from shared.startup import Offer, offer
from shared.tools import catalogue
from shared.tools.catalogue import Tool, ToolsetFile
from shared.tools.errors import ToolDefinitionError
from tests.support import configured, write_configuration
from tests.tools.conftest import MakePackage

GREETING = '''
from shared.tools import tool

@tool
def greet(name: str) -> str:
    """Greet somebody."""
    return f"Hello, {name}!"
'''

UNIMPORTABLE = '''
import a_package_that_is_not_installed
from shared.tools import tool

@tool
async def find_invoices(customer: str) -> str:
    """Find invoices."""

@tool(name="pay")
def pay_invoice(number: str) -> str:
    """Pay an invoice."""
'''

WITH_SETTINGS = '''
import msgspec
from shared.tools import ToolContext, tool

class Settings(msgspec.Struct):
    invoices_url: str
    retries: int = 3

@tool
def where(context: ToolContext[Settings]) -> str:
    """Tell where the invoices are."""
    return f"{context.settings.invoices_url} {context.settings.retries}"
'''


def tools(package: str) -> list[Tool]:
    items = [i for f in files_of(package) for i in catalogue.items_of(catalogue.load(f), None)]
    return [item for item in items if isinstance(item, Tool)]


def files_of(package: str) -> list[ToolsetFile]:
    return [catalogue.glance(package, path) for path in catalogue.discover(package)]


def toolset(make_package: MakePackage, source: str | bytes) -> ToolsetFile:
    (file,) = files_of(make_package({"example.py": source}))
    return file


def refusal(make_package: MakePackage, source: str) -> str:
    file = toolset(make_package, source)
    with pytest.raises(ToolDefinitionError) as caught:
        catalogue.items_of(catalogue.load(file), None)
    return str(caught.value)


def offered(folder: Path, package: str, toolsets: dict[str, Any] | None = None) -> Offer:
    file = write_configuration(folder, configured({"Toolsets": toolsets or {}}))
    return offer(folder, {}, config_file=file, package=package)


def problems(folder: Path, package: str, toolsets: dict[str, Any] | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        offered(folder, package, toolsets)
    return "\n".join(map(str, caught.value.problems))


def test_a_file_dropped_in_is_a_toolset() -> None:
    (tool,) = tools("tests.tools.finance")
    assert (tool.name, tool.toolset) == ("find_invoices", "invoices")
    assert tool.options.roles == ("finance.reader",)
    assert tool.annotations == {"readOnlyHint": True}
    assert tool.where.startswith("toolsets/invoices.py:")


def test_a_tool_knows_the_line_it_is_written_on(make_package: MakePackage) -> None:
    (tool,) = tools(make_package({"greeting.py": GREETING}))
    assert GREETING.splitlines()[int(tool.where.rpartition(":")[2]) - 1] == "@tool"


def test_toolsets_come_in_the_order_of_their_names_and_tools_in_that_of_the_file(
    make_package: MakePackage,
) -> None:
    two = GREETING + GREETING.replace("greet", "answer")
    package = make_package({"b.py": GREETING.replace("greet", "zeta"), "a.py": two})
    assert [tool.name for tool in tools(package)] == ["greet", "answer", "zeta"]


def test_only_decorated_functions_of_the_file_itself_are_tools(make_package: MakePackage) -> None:
    package = make_package({"a.py": GREETING, "_common.py": GREETING})
    (folder,) = {path.parent for path in catalogue.discover(package)}
    (folder / "b.py").write_text(
        f"from {package}.a import greet\nfrom {package}._common import greet as other\n"
        "def helper() -> None: ...\n"
    )
    assert [(tool.toolset, tool.name) for tool in tools(package)] == [("a", "greet")]


def test_the_decorator_gives_name_and_hints(make_package: MakePackage) -> None:
    hints = "name='hello', read_only=False, destructive=True, idempotent=True, open_world=False"
    (tool,) = tools(make_package({"a.py": GREETING.replace("@tool", f"@tool({hints})")}))
    assert tool.name == "hello"
    assert tool.annotations == {
        "readOnlyHint": False,
        "destructiveHint": True,
        "idempotentHint": True,
        "openWorldHint": False,
    }


def test_a_toolset_is_found_without_importing_it(make_package: MakePackage) -> None:
    file = toolset(make_package, UNIMPORTABLE)
    assert (file.name, file.has_settings) == ("example", False)
    assert file.tool_names == ("find_invoices", "pay")
    assert file.module not in sys.modules


@pytest.mark.parametrize(
    "files",
    [
        {"_private.py": "(("},
        {"notes.txt": "(("},
        {"._example.py": b"\x00\x05\x16\x07 macOS puts such files on other disks"},
        {".#example.py": "(("},
        {"folder.py.bak": "(("},
    ],
    ids=list,
)
def test_files_that_are_no_toolsets_are_passed_over(
    make_package: MakePackage, files: dict[str, str]
) -> None:
    package = make_package({"greeting.py": GREETING, **files})
    assert [file.name for file in files_of(package)] == ["greeting"]


def test_a_package_that_is_not_there_has_no_toolsets() -> None:
    assert catalogue.discover("a_package_that_is_not_installed") == []


def test_a_file_that_is_not_python_is_refused_with_its_line(make_package: MakePackage) -> None:
    package = make_package({"broken.py": "x = 1\ndef f(:\n"})
    with pytest.raises(ToolDefinitionError, match=r"^toolsets/broken\.py:2: is not Python"):
        files_of(package)


def test_a_file_that_python_cannot_import_by_name_is_told_its_new_name(
    make_package: MakePackage,
) -> None:
    with pytest.raises(ToolDefinitionError, match=r"my-tools\.py: .* rename it my_tools\.py"):
        files_of(make_package({"my-tools.py": GREETING}))


@pytest.mark.parametrize(
    "line",
    [
        "class Settings: ...",
        "Settings = object",
        "from elsewhere import Settings",
        "from elsewhere import X as Settings",
    ],
)
def test_settings_are_seen_however_they_are_named(make_package: MakePackage, line: str) -> None:
    assert toolset(make_package, line).has_settings


@pytest.mark.parametrize(
    "source",
    [b"\xef\xbb\xbf" + GREETING.encode(), b"# -*- coding: latin-1 -*-\n# \xe9" + GREETING.encode()],
    ids=["byte order mark", "latin-1"],
)
def test_what_python_can_read_is_a_toolset(make_package: MakePackage, source: bytes) -> None:
    assert toolset(make_package, source).tool_names == ("greet",)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (UNIMPORTABLE, ["example.py:", "a_package_that_is_not_installed", "requirements.in"]),
        ("\nraise ValueError('no disk')", ["toolsets/example.py:2: ", "ValueError: no disk"]),
        ("import sys\nsys.exit('not here')", ["example.py", "not here"]),
        (GREETING.replace("@tool", "@tool(roles='reader')"), ["example.py", 'roles=["reader"]']),
        (GREETING.replace("@tool", "@tool(readonly=True)"), ["example.py", "readonly"]),
        ("class Settings: ...", ["example.py", "msgspec.Struct"]),
        (GREETING.replace("name: str", "name"), ["toolsets/example.py:4 greet", "name: str"]),
        (GREETING.replace("@tool", "@tool(name='say hello')"), ["toolsets/example.py:4", "say he"]),
        (GREETING.replace("@tool", "@tool(name='hello\\n')"), ["toolsets/example.py:4"]),
        (GREETING.replace("@tool", f"@tool(name='{'x' * 65}')"), ["toolsets/example.py:4"]),
        (GREETING.replace("@tool", "@tool(name='')"), ["toolsets/example.py:4"]),
        ("from shared.tools import tool\n\n@tool\nclass Greeter:\n    'Greets.'", ["example.py"]),
    ],
)
def test_a_toolset_that_cannot_be_offered_is_refused_with_its_place(
    make_package: MakePackage, source: str, words: list[str]
) -> None:
    text = refusal(make_package, source)
    assert [word for word in words if word not in text] == []


def test_two_tools_that_commands_cannot_tell_apart_are_refused(make_package: MakePackage) -> None:
    other = GREETING.replace("greet", "Get_Process")
    package = make_package({"a.py": GREETING.replace("greet", "get_process"), "b.py": other})
    with pytest.raises(ToolDefinitionError) as caught:
        catalogue.by_name(tools(package))
    text = str(caught.value)
    assert text.startswith("toolsets/b.py:4: Get_Process")
    assert "get_process (toolsets/a.py:4)" in text


def test_a_second_name_for_a_tool_in_python_is_not_a_second_tool(
    make_package: MakePackage,
) -> None:
    found = tools(make_package({"a.py": GREETING + "\nhello = greet\n"}))
    assert list(catalogue.by_name(found)) == ["greet"]


def test_a_toolset_without_settings_is_on_unless_it_is_turned_off(
    make_package: MakePackage, tmp_path: Path
) -> None:
    package = make_package({"greeting.py": GREETING})
    assert list(offered(tmp_path, package).catalogue.tools) == ["greet"]
    assert list(offered(tmp_path, package, {"Greeting": True}).catalogue.tools) == ["greet"]
    assert list(offered(tmp_path, package, {"Greeting": False}).catalogue.tools) == []


def test_a_toolset_that_is_off_needs_nothing_installed(
    make_package: MakePackage, tmp_path: Path
) -> None:
    package = make_package({"invoices.py": UNIMPORTABLE, "greeting.py": GREETING})
    assert list(offered(tmp_path, package, {"invoices": False}).catalogue.tools) == ["greet"]
    assert f"{package}.invoices" not in sys.modules
    assert "a_package_that_is_not_installed" in problems(tmp_path, package)


def test_a_toolset_with_settings_is_on_only_with_its_section(
    make_package: MakePackage, tmp_path: Path
) -> None:
    package = make_package({"invoices.py": "import nothing_installed\n" + WITH_SETTINGS})
    assert list(offered(tmp_path, package).catalogue.tools) == []
    assert list(offered(tmp_path, package, {"invoices": False}).catalogue.tools) == []


def test_the_settings_of_a_toolset_are_read_checked_and_shared(
    make_package: MakePackage, tmp_path: Path
) -> None:
    package = make_package({"invoices.py": WITH_SETTINGS})
    section = {"InvoicesUrl": "https://invoices.example.com", "RETRIES": "5"}
    tool = offered(tmp_path, package, {"Invoices": section}).catalogue.tools["where"]
    assert tool.settings.invoices_url == "https://invoices.example.com"
    assert tool.settings.retries == 5


def test_settings_that_do_not_fit_are_all_told_with_their_path(
    make_package: MakePackage, tmp_path: Path
) -> None:
    package = make_package({"invoices.py": WITH_SETTINGS})
    text = problems(tmp_path, package, {"invoices": {"InvoiceUrl": "x", "retries": "many"}})
    for words in (
        "Toolsets:invoices:InvoiceUrl",
        "did you mean",
        "Toolsets:invoices:retries",
        "expected an integer",
        "missing; expected a string",
    ):
        assert words in text


def test_settings_for_a_toolset_without_any_are_an_error(
    make_package: MakePackage, tmp_path: Path
) -> None:
    package = make_package({"greeting.py": GREETING})
    text = problems(tmp_path, package, {"greeting": {"Url": "x"}})
    assert "Toolsets:greeting" in text
    assert "true or false" in text


def test_an_unknown_toolset_is_an_error_with_a_suggestion(
    make_package: MakePackage, tmp_path: Path
) -> None:
    package = make_package({"greeting.py": GREETING})
    assert "did you mean greeting?" in problems(tmp_path, package, {"greetings": False})


def test_every_toolset_that_cannot_be_offered_is_told(
    make_package: MakePackage, tmp_path: Path
) -> None:
    package = make_package(
        {"a.py": UNIMPORTABLE, "b.py": GREETING.replace(" -> str", ""), "c.py": GREETING}
    )
    text = problems(tmp_path, package)
    assert "a_package_that_is_not_installed" in text
    assert "return annotation" in text


def test_neither_a_tool_nor_its_settings_show_a_secret(
    make_package: MakePackage, tmp_path: Path
) -> None:
    package = make_package({"invoices.py": WITH_SETTINGS})
    section = {"InvoicesUrl": "https://user:s3cret-value@invoices.example.com"}
    tool = offered(tmp_path, package, {"invoices": section}).catalogue.tools["where"]
    assert "s3cret-value" not in repr(tool)
