"""Which links on the way to a file are followed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.followed_links import foreign_link

STRANGER = 65534


def link_of(path: Path) -> str | None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return foreign_link(str(path), descriptor)
    finally:
        os.close(descriptor)


@pytest.fixture
def log(tmp_path: Path, root: None) -> Path:
    """A file of root's, with a link of a stranger and one of root's to its folder beside it."""
    (tmp_path / "logs").mkdir()
    path = tmp_path / "logs" / "app.log"
    path.write_text("x")
    (tmp_path / "theirs").symlink_to("logs")
    os.chown(tmp_path / "theirs", STRANGER, STRANGER, follow_symlinks=False)
    (tmp_path / "ours").symlink_to(tmp_path / "logs")
    (tmp_path / "through").symlink_to("./ours/../theirs")
    return path


def test_a_way_without_links_and_links_of_root_are_followed(log: Path) -> None:
    assert link_of(log) is None and link_of(log.parents[1] / "ours" / "app.log") is None


def test_links_of_others_are_told_wherever_they_are(log: Path) -> None:
    theirs = str(log.parents[1] / "theirs")
    assert link_of(log.parents[1] / "theirs" / "app.log") == theirs
    assert link_of(log.parents[1] / "through" / "app.log") == theirs


def test_whoever_owns_the_file_may_lead_to_it(log: Path) -> None:
    os.chown(log, STRANGER, STRANGER)
    assert link_of(log.parents[1] / "theirs" / "app.log") is None


def test_a_way_that_was_changed_meanwhile_is_told(log: Path, tmp_path: Path) -> None:
    descriptor = os.open(log, os.O_RDONLY)
    os.rename(log, tmp_path / "secret")
    log.write_text("innocent")
    with pytest.raises(FileNotFoundError, match="exchanged"):
        foreign_link(str(log), descriptor)
    os.close(descriptor)
