"""The host's processes and services, asked for real."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from shared import VERSION
from shared.tools import ToolError
from shared.tools.decorator import ToolOptions, options_of
from shared.tools.runner import Outcome, Runner
from tests.tools.support import CALLER, tool_of
from toolsets import diagnostics
from toolsets.diagnostics import (
    Service,
    get_endpoint_status,
    get_process,
    get_service,
    parse_systemctl,
)

MANAGED = Path("/run/systemd/system").is_dir() or sys.platform == "win32"

SYSTEMCTL = """\
auditd.service                 not-found inactive dead    auditd.service
cron.service                   loaded    active   running Regular background program processing daemon
getty@tty1.service             loaded    active   running Getty on tty1
fstrim.service                 loaded    inactive dead    Discard unused blocks on file systems
networking.service             loaded    active   exited  Raise network interfaces
nginx.service                  loaded    failed   failed  A high performance web server
bare.service                   loaded    active   running
systemd-fsck@dev-disk\\x2d1.service loaded active exited File System Check on /dev/disk-1
boot.mount                     loaded    active   mounted /boot
bad line

"""  # noqa: E501


@pytest.fixture
def runner() -> Iterator[Runner]:
    runner = Runner(timeout=30, threads=1, max_result_bytes=256 * 1024)
    yield runner
    runner._pool.shutdown(wait=False)


async def call(runner: Runner, function: Callable[..., Any], **arguments: Any) -> Outcome:
    return await runner.run(tool_of(function), arguments, CALLER, "cid-1")


@pytest.fixture
def own_name() -> str:
    return psutil.Process().name()


def test_this_process_is_listed_with_its_figures(own_name: str) -> None:
    (own,) = [p for p in get_process(name=own_name, limit=500) if p.id == os.getpid()]
    assert own.name == own_name
    assert own.status == "running"
    assert own.cpu_seconds > 0
    assert own.memory_bytes > 1_000_000
    assert own.started is not None
    assert own.started == datetime.fromtimestamp(psutil.Process().create_time(), UTC)
    assert own.started <= datetime.now(UTC) + timedelta(seconds=1)


@pytest.mark.parametrize("change", [str.upper, lambda name: f"{name[:3]}*", lambda n: f"?{n[1:]}"])
def test_names_match_in_any_case_and_with_wildcards(
    own_name: str, change: Callable[[str], str]
) -> None:
    assert os.getpid() in {p.id for p in get_process(name=change(own_name), limit=500)}


def test_a_name_that_nothing_has_lists_nothing() -> None:
    assert get_process(name="no-process-has-this-name") == []


@pytest.mark.parametrize(
    ("sort", "key"),
    [
        ("cpu", lambda p: -p.cpu_seconds),
        ("memory", lambda p: -p.memory_bytes),
        ("name", lambda p: p.name.lower()),
        ("id", lambda p: p.id),
    ],
)
def test_processes_are_sorted_as_asked(sort: Any, key: Callable[[Any], Any]) -> None:
    listed = get_process(sort=sort, limit=500)
    assert len(listed) > 1
    assert [key(process) for process in listed] == sorted(key(process) for process in listed)


def test_no_more_processes_than_asked_for() -> None:
    assert len(get_process(limit=1)) == 1


async def test_an_agent_gets_processes_as_structure(runner: Runner) -> None:
    outcome = await call(runner, get_process, sort="id", limit=2)
    assert outcome.kind == "ok"
    assert outcome.structured is not None
    assert outcome.structured.startswith(b'[{"id":')


@pytest.fixture
def strangely_named(tmp_path: Path) -> Iterator[int]:
    """The id of a process whose name is not UTF-8."""
    program = os.fsencode(tmp_path) + b"/postern-\xff"
    try:
        os.symlink(sys.executable, program)  # noqa: PTH211
    except OSError:
        pytest.skip("a process with a name that is not UTF-8: this file system refuses such names")
    command: list[bytes | str] = [program, "-c", "print(flush=True); input()"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.kill()


async def test_a_process_whose_name_is_not_unicode_hides_no_other(
    runner: Runner, strangely_named: int
) -> None:
    outcome = await call(runner, get_process, name="postern-*", limit=500)
    assert outcome.kind == "ok"
    assert f'"id":{strangely_named}' in outcome.texts[0]


async def test_services_are_listed_or_plainly_said_not_to_be_supported(runner: Runner) -> None:
    outcome = await call(runner, get_service, limit=500)
    if outcome.kind == "ok":
        names = [service["name"].lower() for service in json.loads(outcome.texts[0])]
        assert names
        assert names == sorted(names)
        return
    assert outcome.kind == "tool_error"
    assert outcome.texts[0] == (
        "The service manager of this host did not answer."
        if MANAGED
        else "Services are not supported on this host: it runs neither systemd nor Windows."
    )


@pytest.fixture
def own_systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a program of the test's in the place of `systemctl`."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    def put(script: str) -> None:
        program = tmp_path / "systemctl"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    return put


def test_systemctl_is_asked_in_a_language_that_can_be_parsed(
    own_systemctl: Callable[[str], None],
) -> None:
    own_systemctl('echo "$1.service loaded active running $LC_ALL"')
    assert parse_systemctl(diagnostics._systemctl(10.0)) == [Service("list-units", "C", "running")]


@pytest.mark.parametrize("script", ["echo secret detail >&2; exit 1", "kill -9 $$"])
def test_a_service_manager_that_does_not_answer_is_told_without_detail(
    own_systemctl: Callable[[str], None], script: str
) -> None:
    own_systemctl(script)
    with pytest.raises(ToolError) as caught:
        diagnostics._systemctl(10.0)
    assert str(caught.value) == "The service manager of this host did not answer."


def test_a_service_manager_that_is_not_installed_is_told_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="did not answer"):
        diagnostics._systemctl(10.0)


def test_the_output_of_systemctl_is_read() -> None:
    assert parse_systemctl(SYSTEMCTL) == [
        Service("auditd", "auditd.service", "stopped"),
        Service("cron", "Regular background program processing daemon", "running"),
        Service("getty@tty1", "Getty on tty1", "running"),
        Service("fstrim", "Discard unused blocks on file systems", "stopped"),
        Service("networking", "Raise network interfaces", "exited"),
        Service("nginx", "A high performance web server", "stopped"),
        Service("bare", "bare.service", "running"),
        Service("systemd-fsck@dev-disk\\x2d1", "File System Check on /dev/disk-1", "exited"),
    ]


@pytest.mark.parametrize("output", ["", "\n\n", "0 loaded units listed.", "a.service loaded"])
def test_output_without_services_has_none(output: str) -> None:
    assert parse_systemctl(output) == []


def test_the_endpoint_tells_how_it_is() -> None:
    status = get_endpoint_status()
    assert status.version == VERSION
    assert status.python == ".".join(map(str, sys.version_info[:3]))
    assert status.process_id == os.getpid()
    assert status.memory_bytes > 1_000_000
    assert status.threads >= 1
    assert status.uptime_seconds >= 0
    assert abs(status.time - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize("function", [get_process, get_service, get_endpoint_status])
async def test_every_tool_only_reads_and_says_so(runner: Runner, function: Any) -> None:
    options = options_of(function)
    assert isinstance(options, ToolOptions)
    assert (options.read_only, options.open_world, bool(options.title)) == (True, False, True)
    outcome = await call(runner, function)
    assert outcome.kind in ("ok", "tool_error")
    assert (outcome.kind == "ok") or function is get_service


@pytest.mark.parametrize("function", [get_process, get_service])
@pytest.mark.parametrize("limit", [0, 501])
async def test_a_limit_has_limits(runner: Runner, function: Any, limit: int) -> None:
    outcome = await call(runner, function, limit=limit)
    assert outcome.kind == "bad_arguments"
    assert "expected an integer from 1 to 500" in outcome.texts[0]
