"""Files that only their owner may read: keys and certificates of the development identity."""

import os
import secrets
import stat
from pathlib import Path


class NotPrivate(Exception):
    """A file or folder that others can read, or that is somebody else's. The text says which."""


def folder(path: Path) -> Path:
    """The folder `path`, made for its owner alone when it is not there. Raises NotPrivate."""
    path.mkdir(mode=0o700, exist_ok=True)
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise NotPrivate(f"{path} is not a folder; remove it.")
    _check(path, status)
    return path


def read(path: Path) -> bytes | None:
    """What is in a file, or None when there is none. Raises NotPrivate.

    Follows no symbolic link, and checks the file that it has opened, not one that bears its name
    later. Does not check who may write to the folders above it.
    """
    flags = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, os.O_RDONLY | flags)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise NotPrivate(f"{path} cannot be opened: {error.strerror}.") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise NotPrivate(f"{path} is not a file; remove it.")
        _check(path, status)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def write(path: Path, content: bytes) -> None:
    """Put `content` into a file that only its owner can read, whole or not at all."""
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    new.replace(path)


def _check(path: Path, status: os.stat_result) -> None:
    if os.name == "nt":
        return  # the mode says nothing there; the profile folder's own access list has to do
    if status.st_uid != os.geteuid():
        raise NotPrivate(f"{path} belongs to another user; remove it.")
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise NotPrivate(f"Others can read {path}; remove it, and it is made anew.")
