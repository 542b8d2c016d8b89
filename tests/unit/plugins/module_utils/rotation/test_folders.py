"""Who could change a folder decides whether anything is done in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.folders import (
    Refused,
    acting_as,
    open_folder,
    refuse_without_rights,
)

ROOT = os.geteuid() == 0
NOBODY, OTHER = 65534, 65533
as_root = pytest.mark.usefixtures("needs_root")


@pytest.fixture
def needs_root() -> None:
    if not ROOT:
        pytest.fail("files of other users can only be made by root; run the tests as root")


def refusal(folder: Path, owner: int) -> str:
    try:
        with open_folder(str(folder)) as opened:
            opened.refuse_strangers(owner)
    except Refused as exc:
        return str(exc)
    return ""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "logs"
    made.mkdir(mode=0o755)
    return made


def test_a_folder_of_the_owner_alone(folder: Path) -> None:
    assert refusal(folder, os.geteuid()) == ""


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777, 0o1777])
def test_a_folder_that_others_may_write_to(folder: Path, mode: int) -> None:
    folder.chmod(mode)
    assert "may be written by others" in refusal(folder, os.geteuid())


def test_a_folder_above_that_others_may_write_to(folder: Path) -> None:
    folder.parent.chmod(0o777)
    assert "may be written by others" in refusal(folder, os.geteuid())
    folder.parent.chmod(0o1777)  # as /tmp: others cannot take away what is not theirs
    assert refusal(folder, os.geteuid()) == ""


@as_root
def test_a_folder_of_a_third(folder: Path) -> None:
    os.chown(folder, NOBODY, NOBODY)
    assert refusal(folder, NOBODY) == ""
    assert "belongs to nobody" in refusal(folder, 0)
    assert "belongs to nobody and the log to user 65533" in refusal(folder, OTHER)
    inside = folder / "inside"
    inside.mkdir()
    assert refusal(inside, NOBODY) == ""
    assert "or one above it, belongs to nobody" in refusal(inside, OTHER)


@as_root
def test_a_link_is_followed_only_when_it_is_roots(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "roots").symlink_to(folder)
    assert refusal(tmp_path / "roots", 0) == ""
    (tmp_path / "others").symlink_to(folder)
    os.chown(tmp_path / "others", NOBODY, NOBODY, follow_symlinks=False)
    assert "is a link that others than root can change" in refusal(tmp_path / "others", 0)
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    (home / "logs").symlink_to(folder)  # root's link in a folder whose owner can exchange it
    assert "is a link" in refusal(home / "logs", NOBODY)


@as_root
def test_links_without_end(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert "is a link" in refusal(tmp_path / "loop", 0)
    (tmp_path / "up").symlink_to("../..")
    assert "leads upwards" in refusal(tmp_path / "up", 0)


@pytest.mark.parametrize("name", ["missing", "file"])
def test_what_is_no_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    assert "cannot be entered" in refusal(tmp_path / name, os.geteuid())


def test_the_rights_of_another_user_are_only_roots_to_take() -> None:
    refuse_without_rights(1000, 0)
    refuse_without_rights(1000, 1000)
    with pytest.raises(Refused, match="run with become: true"):
        refuse_without_rights(NOBODY, 1000)


@as_root
def test_acting_as_a_user_makes_files_of_that_user_and_ends(folder: Path) -> None:
    groups = os.getgroups()
    os.chown(folder, NOBODY, NOBODY)
    with open_folder(str(folder)) as opened, acting_as(NOBODY, {4242}):
        # The folders above are closed to that user; relative to the open folder this does not matter.
        descriptor = os.open("file", os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=opened.descriptor)
        os.fchown(descriptor, -1, 4242)
        with pytest.raises(PermissionError):
            os.fchown(descriptor, 0, -1)
        os.close(descriptor)
        with pytest.raises(PermissionError):
            Path("/etc/shadow").read_bytes()
    assert ((folder / "file").stat().st_uid, (folder / "file").stat().st_gid) == (NOBODY, 4242)
    assert (os.geteuid(), os.getegid(), os.getgroups()) == (0, 0, groups)
    with pytest.raises(ValueError), acting_as(OTHER):  # a user whom only the file system knows
        assert os.geteuid() == OTHER
        raise ValueError
    assert os.geteuid() == 0
