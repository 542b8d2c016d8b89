"""Only a file that nobody else can have written proves something."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.guarded_files import Forgeable, read_guarded


@pytest.fixture
def file(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o700)
    path = folder / "file"
    path.write_bytes(b"content")
    path.chmod(0o600)
    return path


def test_it_is_read_and_may_be_absent(file: Path) -> None:
    assert read_guarded(file, 7) == b"content"
    assert read_guarded(file.with_name("other"), 7) is None


def test_a_larger_one_is_refused_and_not_called_forged(file: Path) -> None:
    with pytest.raises(UpkeepError, match="is larger than") as caught:
        read_guarded(file, 6)
    assert not isinstance(caught.value, Forgeable)


def exchanged(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def exchange(path: Path) -> None:
        path.unlink()
        make(path)

    return exchange


@pytest.mark.parametrize(
    ("forge", "said"),
    [
        (lambda path: path.chmod(0o620), "can write .*/file$"),
        (lambda path: path.chmod(0o602), "can write .*/file$"),
        (lambda path: path.parent.chmod(0o770), "can write .*/folder$"),
        (exchanged(lambda path: path.symlink_to("/etc/hostname")), "is a link"),
        (exchanged(Path.mkdir), "is no file"),
        (exchanged(os.mkfifo), "is no file"),
    ],
)
def test_what_others_can_have_written_is_refused(file: Path, forge: Callable[[Path], None], said: str) -> None:
    forge(file)
    with pytest.raises(Forgeable, match=said):
        read_guarded(file, 100)


def test_that_of_another_user_is_refused(file: Path, root: None) -> None:
    os.chown(file, 65534, -1)
    with pytest.raises(Forgeable, match="can write"):
        read_guarded(file, 100)
