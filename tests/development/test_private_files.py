"""Keys lie where only their owner reads them, or they are not used."""

import stat
from pathlib import Path

import pytest

from development import private_files
from development.private_files import NotPrivate


def test_what_is_written_is_for_its_owner_alone(tmp_path: Path) -> None:
    folder = private_files.folder(tmp_path / "kept")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    file = folder / "key"
    private_files.write(file, b"one")
    private_files.write(file, b"two")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert private_files.read(file) == b"two"
    assert [path.name for path in folder.iterdir()] == ["key"]


def test_a_file_that_is_not_there_is_none(tmp_path: Path) -> None:
    assert private_files.read(tmp_path / "key") is None


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o660, 0o644, 0o620])
def test_a_file_others_can_open_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "key"
    private_files.write(file, b"secret")
    file.chmod(mode)
    with pytest.raises(NotPrivate, match="Others can read"):
        private_files.read(file)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    private_files.write(tmp_path / "key", b"secret")
    (tmp_path / "link").symlink_to(tmp_path / "key")
    with pytest.raises(NotPrivate, match="cannot be opened"):
        private_files.read(tmp_path / "link")


def test_a_folder_is_no_file_and_a_file_no_folder(tmp_path: Path) -> None:
    with pytest.raises(NotPrivate, match="is not a file"):
        private_files.read(private_files.folder(tmp_path / "kept"))
    (tmp_path / "linked").symlink_to(tmp_path / "kept")
    with pytest.raises(NotPrivate, match="is not a folder"):
        private_files.folder(tmp_path / "linked")


def test_a_folder_others_can_enter_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir(mode=0o755)
    with pytest.raises(NotPrivate, match="Others can read"):
        private_files.folder(tmp_path / "kept")
