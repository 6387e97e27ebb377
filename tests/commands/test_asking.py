"""`manage.py call` asks on the terminal what a tool wants to know."""

import base64
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.commands.support import ROOT, WAIT, manage, variables
from tests.serving import Server, serving
from tests.support import READER_KEY, configured, write_configuration


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    key = f"k1:{base64.urlsafe_b64encode(bytes(32)).decode()}"
    configuration = configured({"Server": {"ConfirmationKeys": [key]}})
    file = write_configuration(tmp_path_factory.mktemp("asking"), configuration)
    with serving(file, "tests.asking_toolsets") as server:
        yield server


@contextmanager
def calling(endpoint: Server, *arguments: str) -> "Iterator[tuple[subprocess.Popen[str], int]]":
    """`manage.py call` with a terminal as its standard input, and the terminal's other end."""
    ours, its = pty.openpty()
    command = [sys.executable, str(ROOT / "manage.py"), "call", *arguments, "--url", endpoint.url]
    environment = variables({"POSTERN_API_KEY": READER_KEY})
    with subprocess.Popen(
        command,
        env=environment,
        stdin=its,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        os.close(its)
        try:
            yield process, ours
        finally:
            process.kill()
            os.close(ours)


def answered(endpoint: Server, typed: bytes, *arguments: str) -> tuple[int, str, str]:
    """Status, results and talk of a call with `typed` at the terminal."""
    with calling(endpoint, *arguments) as (process, terminal):
        os.write(terminal, typed)
        out, err = process.communicate(timeout=WAIT)
        return process.returncode, out, err


@pytest.mark.parametrize(("typed", "text"), [(b"y\n", "deleted x"), (b"no\n", "kept")])
def test_a_confirmation_is_asked_on_the_terminal(endpoint: Server, typed: bytes, text: str) -> None:
    status, out, err = answered(endpoint, typed, "delete", "--arg", "name=x")
    assert (status, out) == (0, f"{text}\n"), err
    assert "Delete x?\nconfirm (y or n" in err


def test_what_does_not_fit_is_asked_again(endpoint: Server) -> None:
    typed = b"north\nmany\n3\nlife\nlive\ny\n"
    status, out, err = answered(endpoint, typed, "create")
    assert (status, out) == (0, "created\n"), err
    assert "Create north of size 3, live?" in err
    assert "size (an integer, How large.): " in err
    assert "expected an integer\n" in err
    assert "kind (live, test) [test]: " in err
    assert "expected live, test\n" in err


def test_an_empty_line_takes_the_default(endpoint: Server) -> None:
    status, out, err = answered(endpoint, b"\nnorth\n3\n\ny\n", "create")
    assert (status, out) == (0, "created\n"), err
    assert "expected text\n" in err
    assert "Create north of size 3, test?" in err


def test_the_end_of_input_cancels(endpoint: Server) -> None:
    status, out, _ = answered(endpoint, b"\x04", "delete", "--arg", "name=x")
    assert (status, out) == (0, "kept\n")


def test_ctrl_c_cancels_too(endpoint: Server) -> None:
    with calling(endpoint, "delete", "--arg", "name=x") as (process, _):
        assert process.stderr is not None
        said = ""
        while not said.endswith("confirm (y or n): "):
            said += process.stderr.read(1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=WAIT)
        assert (process.returncode, out, err.strip()) == (0, "kept\n", "")


def test_without_a_terminal_nothing_is_asked(endpoint: Server) -> None:
    call = ("call", "delete", "--arg", "name=x", "--url", endpoint.url)
    done = manage(ROOT, *call, environment={"POSTERN_API_KEY": READER_KEY}, given="y\n")
    assert done.returncode == 1
    assert "elicitation" in done.stderr
